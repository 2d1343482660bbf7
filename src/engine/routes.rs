//! Where a record is booked: the values of its dimensions, and the key of each breakdown they lead
//! to. Keys are bounded by `breakdown.max_keys`; routes are counted by those who refer to them
//! (ledger entries, contacts, pane rows) and go when nobody does.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::sync::{Arc, OnceLock};

use hashbrown::HashTable;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::Dimensions;
use super::address::{Address, Addressing, written};
use super::row::Row;
use super::settings::Settings;
use super::tally::KeptLifetime;
use super::view::Lifetime;
use crate::time::{Timestamp, millis_of};

/// Value of an absent dimension.
const UNKNOWN: &str = "unknown";
/// Value of what comes above `max_keys`.
const OVERFLOW: &str = "__overflow__";
/// Value of what is not listed in `dimensions.*.values`.
const OTHER: &str = "__other__";

/// Number of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct RouteId(pub(super) u32);

/// So many routes are in the cache anyway.
const ROUTES_IN_CACHE: usize = 4096;

/// Number of a key, unique over all breakdowns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct KeyId(pub(super) u32);

impl RouteId {
    #[expect(
        clippy::as_conversions,
        reason = "u32 to usize never loses on supported targets"
    )]
    pub(super) fn at(self) -> usize {
        self.0 as usize
    }
}

impl KeyId {
    #[expect(
        clippy::as_conversions,
        reason = "u32 to usize never loses on supported targets"
    )]
    pub(super) fn at(self) -> usize {
        self.0 as usize
    }
}

/// The keys of a route, so few that they lie in it.
pub(super) type RouteKeys = SmallVec<[KeyId; 4]>;

/// One combination of dimension values.
#[derive(Debug)]
pub(super) struct Route {
    /// Values of the routed dimensions as the record had them; `None` where it had none.
    pub(super) values: Box<[Option<Arc<str>>]>,
    /// The same in one piece, as it is looked up.
    written: Box<[u8]>,
    /// The key in each breakdown.
    pub(super) keys: RouteKeys,
    /// Service-level target of its interactions, milliseconds.
    pub(super) target_ms: u64,
    /// The record had not all of the values.
    pub(super) lacks_values: bool,
    /// In a breakdown it is booked under `__overflow__`.
    overflows: bool,
    /// Who refers to it; at 0 the place is free.
    references: u32,
}

/// One key of a breakdown.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) breakdown: usize,
    pub(super) values: Arc<[Arc<str>]>,
    /// Routes that lead here; with 0 the key may go once its time to live is over.
    routes: u32,
    /// Known from the configuration (or overall, or overflow): never goes.
    permanent: bool,
    counters: KeyCounters,
    /// Since when no window holds anything of the key; see [`Routes::set_live`].
    empty_since: Option<Timestamp>,
}

/// The counters of a key, and a copy that the views share until the next change: they change with
/// every record, so nothing is shared then.
#[derive(Debug, Default)]
struct KeyCounters {
    counted: KeptLifetime,
    shared: OnceLock<Arc<Lifetime>>,
}

impl KeyCounters {
    fn of(lifetime: &Lifetime) -> Self {
        Self {
            counted: KeptLifetime::of(lifetime),
            shared: OnceLock::new(),
        }
    }

    #[inline]
    fn change(&mut self) -> &mut KeptLifetime {
        if self.shared.get().is_some() {
            self.shared = OnceLock::new();
        }
        &mut self.counted
    }
}

impl Key {
    /// The counters as they are.
    pub(super) fn lifetime(&self) -> Arc<Lifetime> {
        let shared = self.counters.shared.get_or_init(|| {
            // Once for each change that a view shows.
            Arc::new(self.counters.counted.lifetime())
        });
        Arc::clone(shared)
    }

    /// Whether the counters have not changed since they were these.
    pub(super) fn counts_as(&self, lifetime: &Arc<Lifetime>) -> bool {
        let shared = self.counters.shared.get();
        shared.is_some_and(|shared| Arc::ptr_eq(shared, lifetime))
    }

    /// It may go.
    fn is_idle(&self) -> bool {
        self.routes == 0 && !self.permanent
    }
}

/// Routes and keys as captured.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CapturedRoutes {
    /// Ordered by breakdown and values.
    keys: Vec<CapturedKey>,
    /// Values and places in `keys`, ordered by values.
    routes: Vec<(Vec<Option<String>>, Vec<u32>)>,
    overflowed: Vec<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct CapturedKey {
    breakdown: u32,
    values: Vec<String>,
    overflow: bool,
    lifetime: Lifetime,
    empty_since: Option<Timestamp>,
}

#[derive(Debug)]
struct Breakdown {
    /// Positions of its dimensions among the routed ones.
    dimensions: Vec<usize>,
    keys: BTreeMap<Arc<[Arc<str>]>, KeyId>,
    overflow_key: Option<KeyId>,
    overflowed: u64,
    /// How many of its keys may go: not permanent, and no route leads there. With 0 nobody needs to
    /// look for one, which a flood of new values would make every record do.
    idle: usize,
}

/// All routes and keys.
#[derive(Debug)]
pub(super) struct Routes {
    /// Names of the routed dimensions, with their position in a decoded event.
    dimensions: Vec<(String, usize)>,
    known: Vec<Option<Vec<String>>>,
    targets: Vec<(Vec<(usize, String)>, u64)>,
    default_target_ms: u64,
    max_keys: usize,
    key_ttl_ms: i64,
    breakdowns: Vec<Breakdown>,
    table: Vec<Route>,
    free: Vec<RouteId>,
    index: HashTable<RouteId>,
    addressing: Addressing,
    keys: Vec<Option<Key>>,
    free_keys: Vec<KeyId>,
    /// Keys that are empty, by since when.
    empty: BTreeSet<(Timestamp, KeyId)>,
    /// Keys made since they were last asked for.
    made: Vec<KeyId>,
}

impl Routes {
    pub(super) fn new(settings: &Settings) -> Self {
        let dimensions = routed_dimensions(settings);
        let place = |name: &String| dimensions.iter().position(|dimension| &dimension.0 == name);
        let known = dimensions
            .iter()
            .map(|dimension| settings.known_values.get(&dimension.0).cloned())
            .collect();
        let targets = settings
            .kpis
            .service_level_rules
            .iter()
            .map(|rule| {
                let matches = rule
                    .matches
                    .iter()
                    .filter_map(|(name, value)| place(name).map(|at| (at, value.clone())))
                    .collect();
                (matches, unsigned_millis(rule.target))
            })
            .collect();
        let breakdowns = settings
            .breakdowns
            .iter()
            .map(|names| Breakdown {
                dimensions: names.iter().filter_map(place).collect(),
                keys: BTreeMap::new(),
                overflow_key: None,
                overflowed: 0,
                idle: 0,
            })
            .collect();
        let addressing = Addressing::new(dimensions.iter().map(|(_, at)| *at).collect());
        let mut routes = Self {
            dimensions,
            known,
            targets,
            default_target_ms: unsigned_millis(settings.kpis.service_level_target),
            max_keys: settings.max_keys,
            key_ttl_ms: millis_of(settings.key_ttl),
            breakdowns,
            table: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            addressing,
            keys: Vec::new(),
            free_keys: Vec::new(),
            empty: BTreeSet::new(),
            made: Vec::new(),
        };
        routes.make_known_keys();
        routes
    }

    /// Makes the keys that exist from the start: overall, and every combination of known values.
    fn make_known_keys(&mut self) {
        for breakdown in 0..self.breakdowns.len() {
            let mut combinations: Vec<Vec<Arc<str>>> = vec![Vec::new()];
            for dimension in self.breakdowns[breakdown].dimensions.clone() {
                let Some(values) = &self.known[dimension] else {
                    combinations.clear();
                    break;
                };
                combinations = combinations
                    .iter()
                    .flat_map(|start| {
                        values.iter().map(|value| {
                            let mut longer = start.clone();
                            longer.push(Arc::from(value.as_str()));
                            longer
                        })
                    })
                    .take(self.max_keys)
                    .collect();
            }
            for values in combinations {
                self.make_key(breakdown, values.into(), true);
            }
        }
    }

    /// What makes addresses of events for these routes.
    pub(super) fn addressing(&self) -> &Addressing {
        &self.addressing
    }

    /// The route of these values, with one more reference to it.
    pub(super) fn acquire(&mut self, values: &[Option<&str>]) -> RouteId {
        let text = written(values);
        let hash = self.addressing.hash(&text);
        let address = Address { text: &text, hash };
        let known = self.find(address);
        known.unwrap_or_else(|| self.make_route(values, hash))
    }

    /// The route of an event's own dimensions, with one more reference to it.
    #[inline]
    pub(super) fn acquire_of(&mut self, event: &(impl Dimensions + ?Sized)) -> RouteId {
        let Some(address) = event.address() else {
            let values: Vec<_> = self.values_of(event).collect();
            return self.acquire(&values);
        };
        if let Some(known) = self.find(address) {
            return known;
        }
        let values: Vec<_> = self.values_of(event).collect();
        self.make_route(&values, address.hash)
    }

    /// The values of an event's routed dimensions.
    pub(super) fn values_of<'e>(
        &self,
        event: &'e (impl Dimensions + ?Sized),
    ) -> impl Iterator<Item = Option<&'e str>> {
        self.dimensions.iter().map(|(_, at)| event.value(*at))
    }

    #[inline]
    fn find(&mut self, address: Address<'_>) -> Option<RouteId> {
        let is_it = |id: &RouteId| *self.table[id.at()].written == *address.text;
        let known = *self.index.find(address.hash, is_it)?;
        self.table[known.at()].references += 1;
        Some(known)
    }

    /// Brings what finding the routes of these addresses will look at into the cache, where there are
    /// so many routes that it is not there.
    pub(super) fn fetch_addressed<'a>(&self, addresses: impl Iterator<Item = Address<'a>>) {
        if self.index.len() < ROUTES_IN_CACHE {
            return;
        }
        for address in addresses {
            let is_it = |id: &RouteId| *self.table[id.at()].written == *address.text;
            black_box(self.index.find(address.hash, is_it));
        }
    }

    fn make_route(&mut self, values: &[Option<&str>], hash: u64) -> RouteId {
        let keys: RouteKeys = (0..self.breakdowns.len())
            .map(|breakdown| self.key_for(breakdown, values))
            .collect();
        self.insert_route(values, keys, hash)
    }

    fn insert_route(&mut self, values: &[Option<&str>], keys: RouteKeys, hash: u64) -> RouteId {
        for key in &keys {
            if let Some(key) = &mut self.keys[key.at()] {
                if key.is_idle() {
                    self.breakdowns[key.breakdown].idle -= 1;
                }
                key.routes += 1;
            }
        }
        let mut booked = self.breakdowns.iter().zip(&keys);
        let route = Route {
            written: written(values),
            values: values.iter().map(|value| value.map(Arc::from)).collect(),
            target_ms: self.target_ms(values),
            lacks_values: values.iter().any(Option::is_none),
            overflows: booked.any(|(breakdown, key)| breakdown.overflow_key == Some(*key)),
            keys,
            references: 1,
        };
        let id = if let Some(id) = self.free.pop() {
            self.table[id.at()] = route;
            id
        } else {
            self.table.push(route);
            RouteId(u32::try_from(self.table.len() - 1).unwrap_or(u32::MAX))
        };
        let mut index = std::mem::take(&mut self.index);
        index.insert_unique(hash, id, |id| {
            self.addressing.hash(&self.table[id.at()].written)
        });
        self.index = index;
        id
    }

    fn target_ms(&self, values: &[Option<&str>]) -> u64 {
        for (matches, target_ms) in &self.targets {
            if matches
                .iter()
                .all(|(at, value)| values[*at].unwrap_or(UNKNOWN) == value)
            {
                return *target_ms;
            }
        }
        self.default_target_ms
    }

    /// The key of a breakdown for these values; the overflow key when there is no room.
    fn key_for(&mut self, breakdown: usize, values: &[Option<&str>]) -> KeyId {
        let key_values: Arc<[Arc<str>]> = self.breakdowns[breakdown]
            .dimensions
            .iter()
            .map(|&dimension| Arc::from(self.booked_value(dimension, values[dimension])))
            .collect();
        if let Some(&id) = self.breakdowns[breakdown].keys.get(&key_values) {
            return id;
        }
        if self.breakdowns[breakdown].keys.len() >= self.max_keys && !self.evict_idle(breakdown) {
            return self.overflow_key(breakdown);
        }
        self.make_key(breakdown, key_values, false)
    }

    /// The value a dimension is booked under.
    fn booked_value<'v>(&self, dimension: usize, value: Option<&'v str>) -> &'v str {
        let value = value.unwrap_or(UNKNOWN);
        match &self.known[dimension] {
            Some(known) if !known.iter().any(|known| known == value) => OTHER,
            _ => value,
        }
    }

    fn make_key(&mut self, breakdown: usize, values: Arc<[Arc<str>]>, permanent: bool) -> KeyId {
        let key = Key {
            breakdown,
            values: Arc::clone(&values),
            routes: 0,
            permanent,
            counters: KeyCounters::default(),
            empty_since: None,
        };
        let id = if let Some(id) = self.free_keys.pop() {
            self.keys[id.at()] = Some(key);
            id
        } else {
            self.keys.push(Some(key));
            KeyId(u32::try_from(self.keys.len() - 1).unwrap_or(u32::MAX))
        };
        self.made.push(id);
        self.breakdowns[breakdown].keys.insert(values, id);
        self.breakdowns[breakdown].idle += usize::from(!permanent);
        id
    }

    fn overflow_key(&mut self, breakdown: usize) -> KeyId {
        if let Some(id) = self.breakdowns[breakdown].overflow_key {
            return id;
        }
        let values = self.breakdowns[breakdown]
            .dimensions
            .iter()
            .map(|_| Arc::from(OVERFLOW))
            .collect();
        let id = self.make_key(breakdown, values, true);
        self.breakdowns[breakdown].overflow_key = Some(id);
        id
    }

    /// Makes room by dropping the key that has been empty longest and that nothing leads to.
    fn evict_idle(&mut self, breakdown: usize) -> bool {
        if self.breakdowns[breakdown].idle == 0 {
            return false;
        }
        let idle = self.breakdowns[breakdown]
            .keys
            .values()
            .filter_map(|id| {
                let key = self.keys[id.at()].as_ref()?;
                // One that has only just become idle has not been noted as empty yet.
                let is_noted = key.empty_since.is_some();
                key.is_idle().then_some((!is_noted, key.empty_since, *id))
            })
            .min();
        match idle {
            Some((_, _, id)) => {
                self.drop_key(id);
                true
            }
            None => false,
        }
    }

    fn drop_key(&mut self, id: KeyId) {
        if let Some(key) = self.keys[id.at()].take() {
            self.breakdowns[key.breakdown].keys.remove(&key.values);
            self.breakdowns[key.breakdown].idle -= usize::from(key.is_idle());
            if let Some(since) = key.empty_since {
                self.empty.remove(&(since, id));
            }
            self.free_keys.push(id);
        }
    }

    /// The keys made since the last call.
    pub(super) fn take_made(&mut self) -> Vec<KeyId> {
        std::mem::take(&mut self.made)
    }

    /// Says whether a window holds anything of a key now; where none does, since when is kept.
    pub(super) fn set_live(&mut self, id: KeyId, is_live: bool, now: Timestamp) {
        let Some(key) = self.keys.get_mut(id.at()).and_then(Option::as_mut) else {
            return;
        };
        match (key.empty_since, is_live) {
            (Some(since), true) => {
                self.empty.remove(&(since, id));
                key.empty_since = None;
            }
            (None, false) => {
                self.empty.insert((now, id));
                key.empty_since = Some(now);
            }
            (None, true) | (Some(_), false) => {}
        }
    }

    /// Drops keys that nothing leads to and that have been empty for their time to live.
    pub(super) fn drop_outlived(&mut self, now: Timestamp) {
        let since = now.plus_millis(self.key_ttl_ms.saturating_neg());
        let outlived = ..=(since, KeyId(u32::MAX));
        let outlived: Vec<KeyId> = self.empty.range(outlived).map(|(_, id)| *id).collect();
        for id in outlived {
            let Some(Some(key)) = self.keys.get_mut(id.at()) else {
                continue;
            };
            if key.permanent {
                continue;
            }
            if key.routes == 0 {
                self.drop_key(id);
            } else {
                key.counters = KeyCounters::default();
            }
        }
    }

    /// Whether the key has been empty for its time to live and should not be shown.
    pub(super) fn is_outlived(&self, key: &Key, now: Timestamp) -> bool {
        !key.permanent
            && key
                .empty_since
                .is_some_and(|since| now.millis_since(since) >= self.key_ttl_ms)
    }

    /// All routes and keys in canonical order, and the canonical number of each route.
    pub(super) fn capture(&self) -> (CapturedRoutes, Vec<u32>) {
        let mut key_places = vec![u32::MAX; self.keys.len()];
        let mut keys = Vec::new();
        for (number, breakdown) in (0_u32..).zip(&self.breakdowns) {
            for id in breakdown.keys.values() {
                let Some(key) = &self.keys[id.at()] else {
                    continue;
                };
                key_places[id.at()] = u32::try_from(keys.len()).unwrap_or(u32::MAX);
                keys.push(CapturedKey {
                    breakdown: number,
                    values: key.values.iter().map(ToString::to_string).collect(),
                    overflow: breakdown.overflow_key == Some(*id),
                    lifetime: key.counters.counted.lifetime(),
                    empty_since: key.empty_since,
                });
            }
        }
        let mut in_use: Vec<(&Route, usize)> = self
            .table
            .iter()
            .zip(0..)
            .filter(|(route, _)| route.references > 0)
            .collect();
        in_use.sort_unstable_by(|left, right| left.0.values.cmp(&right.0.values));
        let mut numbers = vec![u32::MAX; self.table.len()];
        let mut routes = Vec::with_capacity(in_use.len());
        for (number, (route, at)) in (0_u32..).zip(in_use) {
            numbers[at] = number;
            let values = route
                .values
                .iter()
                .map(|value| value.as_ref().map(ToString::to_string));
            let places = route.keys.iter().map(|key| key_places[key.at()]);
            routes.push((values.collect(), places.collect()));
        }
        (
            CapturedRoutes {
                keys,
                routes,
                overflowed: self.overflowed(),
            },
            numbers,
        )
    }

    /// Rebuilds captured routes and keys in an empty table, each route with one reference that the
    /// caller gives up in the end, and says how many there are: their numbers are the canonical
    /// ones. `None` when the pieces do not fit together.
    pub(super) fn restore(&mut self, captured: CapturedRoutes) -> Option<u32> {
        let mut ids = Vec::with_capacity(captured.keys.len());
        for key in captured.keys {
            let breakdown = usize::try_from(key.breakdown).ok()?;
            if self.breakdowns.get(breakdown)?.dimensions.len() != key.values.len() {
                return None;
            }
            let values: Arc<[Arc<str>]> = key
                .values
                .iter()
                .map(|value| Arc::from(value.as_str()))
                .collect();
            let id = match self.breakdowns[breakdown].keys.get(&values) {
                Some(id) => *id,
                None => self.make_key(breakdown, values, key.overflow),
            };
            if key.overflow {
                self.breakdowns[breakdown].overflow_key = Some(id);
            }
            let made = self.keys[id.at()].as_mut()?;
            made.counters = KeyCounters::of(&key.lifetime);
            if let Some(since) = key.empty_since {
                made.empty_since = Some(since);
                self.empty.insert((since, id));
            }
            ids.push(id);
        }
        for (values, places) in &captured.routes {
            let keys: Option<RouteKeys> = places
                .iter()
                .map(|place| ids.get(usize::try_from(*place).ok()?).copied())
                .collect();
            let keys = keys.filter(|keys| keys.len() == self.breakdowns.len())?;
            if values.len() != self.dimensions.len() {
                return None;
            }
            let values: Vec<Option<&str>> = values.iter().map(Option::as_deref).collect();
            let hash = self.addressing.hash(&written(&values));
            self.insert_route(&values, keys, hash);
        }
        for (breakdown, overflowed) in self.breakdowns.iter_mut().zip(captured.overflowed) {
            breakdown.overflowed = overflowed;
        }
        u32::try_from(captured.routes.len()).ok()
    }

    /// Forgets what the counters have counted: a clean reset to 0.
    pub(super) fn reset_lifetimes(&mut self) {
        for key in self.keys.iter_mut().flatten() {
            key.counters = KeyCounters::default();
        }
    }

    /// One more reference to a route.
    pub(super) fn retain(&mut self, id: RouteId) {
        self.table[id.at()].references += 1;
    }

    /// So many more references to a route.
    pub(super) fn retain_more(&mut self, id: RouteId, references: u32) {
        self.table[id.at()].references += references;
    }

    /// One reference less; the route goes with the last one.
    pub(super) fn release(&mut self, id: RouteId) {
        let route = &mut self.table[id.at()];
        route.references -= 1;
        if route.references > 0 {
            return;
        }
        route.values = Box::default();
        let written = std::mem::take(&mut route.written);
        let keys = std::mem::take(&mut route.keys);
        for key in &keys {
            if let Some(key) = &mut self.keys[key.at()] {
                key.routes -= 1;
                if key.is_idle() {
                    self.breakdowns[key.breakdown].idle += 1;
                }
            }
        }
        let hash = self.addressing.hash(&written);
        if let Ok(entry) = self.index.find_entry(hash, |candidate| *candidate == id) {
            entry.remove();
        }
        self.free.push(id);
    }

    pub(super) fn route(&self, id: RouteId) -> &Route {
        &self.table[id.at()]
    }

    /// The keys of a route; none where there is none of that number.
    pub(super) fn keys_of_route(&self, id: RouteId) -> &[KeyId] {
        self.table.get(id.at()).map_or(&[], |route| &route.keys)
    }

    pub(super) fn key(&self, id: KeyId) -> Option<&Key> {
        self.keys.get(id.at())?.as_ref()
    }

    /// How many key numbers are in use, free ones among them included.
    pub(super) fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// The keys of a breakdown, ordered by their values.
    pub(super) fn keys_of(&self, breakdown: usize) -> impl Iterator<Item = KeyId> + '_ {
        self.breakdowns[breakdown].keys.values().copied()
    }

    /// Brings the keys of a route into the cache.
    #[inline]
    pub(super) fn fetch(&self, id: RouteId) {
        black_box(self.route(id).keys.first().copied());
    }

    /// Hands out the counters of each key of a route, to be looked at.
    #[inline]
    pub(super) fn each_counted(&self, id: RouteId, mut look: impl FnMut(&KeptLifetime)) {
        for key in &self.route(id).keys {
            if let Some(key) = self.key(*key) {
                look(&key.counters.counted);
            }
        }
    }

    /// Brings the counters of a key into the cache.
    #[inline]
    pub(super) fn fetch_counters(&self, id: KeyId) {
        if let Some(key) = self.key(id) {
            key.counters.counted.totals.fetch();
        }
    }

    /// Hands out the counters of each key of a route.
    #[inline]
    pub(super) fn count(&mut self, id: RouteId, add: &mut impl FnMut(&mut KeptLifetime)) {
        for key in &self.table[id.at()].keys {
            if let Some(Some(key)) = self.keys.get_mut(key.at()) {
                add(key.counters.change());
            }
        }
    }

    /// Counts the records of a row in the counters of each key of a route.
    pub(super) fn count_records(&mut self, id: RouteId, row: &Row) {
        if row.is_empty() {
            return;
        }
        self.count(id, &mut |lifetime| lifetime.totals.add_records_of(row));
    }

    /// Counts the records of a row in the counters of a key.
    pub(super) fn count_records_of(&mut self, key: KeyId, row: &Row) {
        if !row.is_empty()
            && let Some(Some(key)) = self.keys.get_mut(key.at())
        {
            key.counters.change().totals.add_records_of(row);
        }
    }

    /// Counts a record for each breakdown in which it was booked under `__overflow__`.
    pub(super) fn count_overflow(&mut self, id: RouteId) {
        let route = &self.table[id.at()];
        if !route.overflows {
            return;
        }
        for (breakdown, key) in self.breakdowns.iter_mut().zip(&route.keys) {
            if breakdown.overflow_key == Some(*key) {
                breakdown.overflowed += 1;
            }
        }
    }

    /// Records booked under `__overflow__`, by breakdown.
    pub(super) fn overflowed(&self) -> Vec<u64> {
        self.breakdowns
            .iter()
            .map(|breakdown| breakdown.overflowed)
            .collect()
    }
}

fn unsigned_millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The dimensions that breakdowns and service-level targets look at, in the order of the events.
fn routed_dimensions(settings: &Settings) -> Vec<(String, usize)> {
    settings
        .dimensions
        .iter()
        .enumerate()
        .filter(|(_, name)| {
            settings.breakdowns.iter().any(|set| set.contains(name))
                || settings
                    .kpis
                    .service_level_rules
                    .iter()
                    .any(|rule| rule.matches.contains_key(*name))
        })
        .map(|(at, name)| (name.clone(), at))
        .collect()
}
