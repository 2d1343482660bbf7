//! What has come and has not been folded into windows and rows: by moment and route, since records of
//! one pane and route add up.

use hashbrown::{DefaultHashBuilder, HashMap};

use super::delta::Delta;
use super::first_rows::Fate;
use super::routes::{RouteId, Routes};
use crate::time::Timestamp;
use crate::window::Range;

/// Deltas gathered before they are folded even without a view: what a cache holds, and a few
/// milliseconds of work.
const MAX_PENDING: usize = 1024;

/// Changes of older panes gathered before they are folded.
const MAX_OLDER: usize = 4096;

/// What has come and has not been folded. Each item holds a reference to its route.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) pending: Vec<Pending>,
    /// Those behind the last pending one are empty and keep their memory.
    pub(super) deltas: Vec<Delta>,
    /// The pane that nearly all events lie in: the newest one that any lay in.
    pub(super) head: Range,
    /// By route: round, and place in `deltas` of its delta in that pane if the round is this one.
    head_places: Vec<(u32, u32)>,
    round: u32,
    /// Places in `deltas` for other panes.
    places: HashMap<(Timestamp, RouteId), usize, DefaultHashBuilder>,
    /// What contacts changed in older panes: mostly one change a moment and route.
    pub(super) older: Vec<Older>,
}

/// Moment, route and place in [`Gathered::deltas`].
pub(super) type Pending = (Timestamp, RouteId, usize);

/// A change of an older pane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Older {
    pub(super) moment: Timestamp,
    pub(super) route: RouteId,
    pub(super) change: Change,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    First(Fate, i32),
    Episode(i64, i32),
}

impl Gathered {
    pub(super) fn new() -> Self {
        Self {
            pending: Vec::new(),
            deltas: Vec::new(),
            head: Range::EMPTY,
            head_places: Vec::new(),
            round: 1,
            places: HashMap::default(),
            older: Vec::new(),
        }
    }

    /// The delta of a route in the head pane.
    #[inline]
    pub(super) fn in_head(&mut self, route: RouteId, routes: &mut Routes) -> Option<&mut Delta> {
        let at = route.at();
        if self.head_places.len() <= at {
            self.head_places.resize(at + 1, (0, 0));
        }
        if self.head_places[at].0 != self.round {
            let place = self.begin(self.head.from, route, routes);
            self.head_places[at] = (self.round, u32::try_from(place).unwrap_or(u32::MAX));
        }
        let place = usize::try_from(self.head_places[at].1).ok()?;
        self.deltas.get_mut(place)
    }

    /// A new delta.
    fn begin(&mut self, moment: Timestamp, route: RouteId, routes: &mut Routes) -> usize {
        routes.retain(route);
        let place = self.pending.len();
        self.pending.push((moment, route, place));
        if self.deltas.len() == place {
            self.deltas.push(Delta::default());
        }
        place
    }

    /// The delta of a route at a moment that is not in the head pane.
    pub(super) fn elsewhere(
        &mut self,
        moment: Timestamp,
        route: RouteId,
        routes: &mut Routes,
    ) -> Option<&mut Delta> {
        let place = if let Some(place) = self.places.get(&(moment, route)) {
            *place
        } else {
            let place = self.begin(moment, route, routes);
            self.places.insert((moment, route), place);
            place
        };
        self.deltas.get_mut(place)
    }

    /// Another pane is the head.
    pub(super) fn advance(&mut self, head: Range) {
        self.head = head;
        self.begin_round();
    }

    /// What was pending is about to be folded.
    pub(super) fn begin_anew(&mut self) {
        self.places.clear();
        self.begin_round();
    }

    /// No delta of the head pane is under way.
    fn begin_round(&mut self) {
        self.round = self.round.wrapping_add(1);
        if self.round == 0 {
            self.head_places.clear();
            self.round = 1;
        }
    }

    /// Whether so much has been gathered that it should be folded.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.pending.len() >= MAX_PENDING || self.older.len() >= MAX_OLDER
    }
}
