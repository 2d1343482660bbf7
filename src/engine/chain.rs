//! Contact chains: which contact is a first one, which came back, and how long an episode took.
//!
//! A chain holds the contacts of one customer and issue, ordered by (event time, XXH64 of the
//! interaction id). Whether a contact is a first one depends only on its predecessor, whether it
//! has a repeat only on its successor; an episode is a run of contacts with gaps within the
//! horizon. So a change touches the neighbours and, when it makes or splits an episode, the last
//! contact of the run, which carries the start of its episode along. A contact that has been
//! forgotten needs nothing more: all changes come at most two latenesses back, and everything they
//! look at lies within a horizon of them.

use smallvec::SmallVec;

use super::contact::Contact;
use super::routes::RouteId;
use crate::time::Timestamp;

/// The contacts of a chain from the one before a change on, in order. Of a long one they are those next to
/// the change, and the last of the run that goes on from it.
pub(super) type Chain = SmallVec<[Contact; 8]>;

/// What a first contact adds to its pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FirstContact {
    pub(super) failed: bool,
    /// Time to the next contact of the chain, when that lies within the horizon.
    pub(super) repeat_delay_ms: Option<i64>,
}

impl FirstContact {
    pub(super) fn is_resolved(self) -> bool {
        !self.failed && self.repeat_delay_ms.is_none()
    }
}

/// Receives what the chains give and take back.
pub(super) trait Effects {
    /// A first contact at `moment`, given (`sign` 1) or taken back (-1).
    fn first_contact(&mut self, moment: Timestamp, route: RouteId, first: FirstContact, sign: i64);
    /// A resolved episode, booked at its last contact.
    fn episode(&mut self, moment: Timestamp, route: RouteId, milliseconds: i64, sign: i64);
}

/// What an insertion did, for the counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Inserted {
    /// The new contact is a first one.
    pub(super) first: bool,
    /// Route of the contact that lost its credit to the new one.
    pub(super) retracted: Option<RouteId>,
}

fn gap_ms(earlier: &Contact, later: &Contact) -> i64 {
    later.event_time.millis_since(earlier.event_time)
}

/// What the contact at `at` counts as a first contact; `None` when it is a repeat.
fn first_at(chain: &[Contact], at: usize, horizon_ms: i64) -> Option<FirstContact> {
    let contact = chain.get(at)?;
    if !contact.first {
        return None;
    }
    let repeat_delay_ms = chain
        .get(at + 1)
        .map(|next| gap_ms(contact, next))
        .filter(|delay| *delay <= horizon_ms);
    Some(FirstContact {
        failed: contact.failed,
        repeat_delay_ms,
    })
}

fn emit_first(
    chain: &[Contact],
    at: usize,
    horizon_ms: i64,
    sign: i64,
    effects: &mut impl Effects,
) {
    if let Some(first) = first_at(chain, at, horizon_ms) {
        effects.first_contact(chain[at].event_time, chain[at].route, first, sign);
    }
}

/// Gives or takes back the episode that ends with the contact at `last`.
fn emit_episode(chain: &[Contact], last: usize, sign: i64, effects: &mut impl Effects) {
    let contact = &chain[last];
    if contact.resolved {
        let took_ms = contact
            .event_time
            .millis_since(contact.episode_start)
            .max(0);
        effects.episode(contact.event_time, contact.route, took_ms, sign);
    }
}

/// The last contact of the run that the contact at `at` belongs to.
pub(super) fn run_end(chain: &[Contact], mut at: usize, horizon_ms: i64) -> usize {
    while at + 1 < chain.len() && gap_ms(&chain[at], &chain[at + 1]) <= horizon_ms {
        at += 1;
    }
    at
}

/// Puts a contact behind the newest one of its chain, of which nothing changes but what it adds: what
/// [`insert_at`] does there, for the contacts that come in order.
#[inline]
pub(super) fn append(
    newest: Option<&Contact>,
    contact: &mut Contact,
    horizon_ms: i64,
    effects: &mut impl Effects,
) -> Inserted {
    let repeated = newest.filter(|newest| gap_ms(newest, contact) <= horizon_ms);
    contact.first = repeated.is_none();
    contact.episode_start = repeated.map_or(contact.start, |repeated| repeated.episode_start);
    let Some(repeated) = repeated else {
        emit_first(&[*contact], 0, horizon_ms, 1, effects);
        emit_episode(&[*contact], 0, 1, effects);
        return Inserted {
            first: true,
            retracted: None,
        };
    };
    emit_first(&[*repeated], 0, horizon_ms, -1, effects);
    emit_episode(&[*repeated], 0, -1, effects);
    emit_episode(&[*contact], 0, 1, effects);
    if repeated.first {
        let first = FirstContact {
            failed: repeated.failed,
            repeat_delay_ms: Some(gap_ms(repeated, contact)),
        };
        effects.first_contact(repeated.event_time, repeated.route, first, 1);
    }
    Inserted {
        first: false,
        retracted: (repeated.first && !repeated.failed).then_some(repeated.route),
    }
}

/// Puts a contact into its chain at `at`; `last` is the last contact of the run of the one that is there.
pub(super) fn insert_at(
    chain: &mut Chain,
    (at, last): (usize, usize),
    contact: &mut Contact,
    horizon_ms: i64,
    effects: &mut impl Effects,
) -> Inserted {
    let before = at.checked_sub(1);
    let joins_left = before.is_some_and(|before| gap_ms(&chain[before], contact) <= horizon_ms);
    let joins_right = at < chain.len() && gap_ms(contact, &chain[at]) <= horizon_ms;
    let were_joined = joins_left && joins_right && !chain[at].first;
    let credited_before = before
        .and_then(|before| first_at(chain, before, horizon_ms))
        .is_some_and(FirstContact::is_resolved);

    if let (Some(before), true) = (before, joins_left) {
        emit_first(chain, before, horizon_ms, -1, effects);
        if !were_joined {
            emit_episode(chain, before, -1, effects);
        }
    }
    contact.first = !joins_left;
    contact.episode_start = match before {
        Some(before) if joins_left => chain[before].episode_start,
        _ => contact.start,
    };
    if joins_right && !were_joined {
        // The run to the right begins with the new contact, or further left, from now on.
        emit_first(chain, at, horizon_ms, -1, effects);
        chain[at].first = false;
        emit_episode(chain, last, -1, effects);
        chain[last].episode_start = contact.episode_start;
        emit_episode(chain, last, 1, effects);
    }
    chain.insert(at, *contact);
    emit_first(chain, at, horizon_ms, 1, effects);
    if !joins_right {
        emit_episode(chain, at, 1, effects);
    }
    if let (Some(before), true) = (before, joins_left) {
        emit_first(chain, before, horizon_ms, 1, effects);
    }
    let credited_now = before
        .and_then(|before| first_at(chain, before, horizon_ms))
        .is_some_and(FirstContact::is_resolved);
    Inserted {
        first: contact.first,
        retracted: before
            .filter(|_| credited_before && !credited_now)
            .map(|before| chain[before].route),
    }
}

/// Takes the contact at `at` out of its chain; `last` is the last contact of its run.
pub(super) fn remove_at(
    chain: &mut Chain,
    (at, last): (usize, usize),
    horizon_ms: i64,
    effects: &mut impl Effects,
) {
    let contact = chain[at];
    let before = at.checked_sub(1).filter(|_| !contact.first);
    let joined_right = at + 1 < chain.len() && gap_ms(&contact, &chain[at + 1]) <= horizon_ms;
    let stays_joined = joined_right
        && before.is_some_and(|before| gap_ms(&chain[before], &chain[at + 1]) <= horizon_ms);

    if let Some(before) = before {
        emit_first(chain, before, horizon_ms, -1, effects);
    }
    emit_first(chain, at, horizon_ms, -1, effects);
    if joined_right && !stays_joined {
        // The run to the right begins with the next contact from now on.
        let left_start = chain[last].episode_start;
        emit_episode(chain, last, -1, effects);
        chain[last].episode_start = chain[at + 1].start;
        emit_episode(chain, last, 1, effects);
        chain[at + 1].first = true;
        chain[at].episode_start = left_start;
    } else if !joined_right {
        emit_episode(chain, at, -1, effects);
    }
    let left_start = chain[at].episode_start;
    chain.remove(at);
    if joined_right && !stays_joined {
        emit_first(chain, at, horizon_ms, 1, effects);
    }
    if let Some(before) = before {
        if !stays_joined {
            chain[before].episode_start = left_start;
            emit_episode(chain, before, 1, effects);
        }
        emit_first(chain, before, horizon_ms, 1, effects);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::contact::Tie;

    /// All that was given and taken, in order.
    #[derive(Debug, Default, PartialEq)]
    struct Log(Vec<(Timestamp, RouteId, Option<FirstContact>, i64, i64)>);

    impl Effects for Log {
        fn first_contact(
            &mut self,
            moment: Timestamp,
            route: RouteId,
            first: FirstContact,
            sign: i64,
        ) {
            self.0.push((moment, route, Some(first), 0, sign));
        }

        fn episode(&mut self, moment: Timestamp, route: RouteId, milliseconds: i64, sign: i64) {
            self.0.push((moment, route, None, milliseconds, sign));
        }
    }

    fn contact() -> impl Strategy<Value = Contact> {
        (0_i64..100, 0_i64..150, 0_i64..150, any::<[bool; 3]>()).prop_map(
            |(event_time, start, episode_start, flags)| Contact {
                event_time: Timestamp::from_millis(event_time),
                tie: Tie::default(),
                start: Timestamp::from_millis(start),
                route: RouteId(u32::from(flags[0])),
                failed: flags[0],
                resolved: flags[1],
                first: flags[2],
                episode_start: Timestamp::from_millis(episode_start),
            },
        )
    }

    proptest! {
        #[test]
        fn appending_is_inserting_at_the_end(
            newest in proptest::option::of(contact()),
            new in contact(),
            after_ms in 0_i64..100,
            horizon_ms in 0_i64..100,
        ) {
            let mut appended = new;
            if let Some(newest) = &newest {
                appended.event_time = newest.event_time.plus_millis(after_ms);
            }
            let mut inserted = appended;
            let (mut log, mut expected) = (Log::default(), Log::default());
            let said = append(newest.as_ref(), &mut appended, horizon_ms, &mut log);
            let mut chain: Chain = newest.into_iter().collect();
            let at = chain.len();
            let says = insert_at(&mut chain, (at, at), &mut inserted, horizon_ms, &mut expected);
            prop_assert_eq!((said, &log), (says, &expected));
            let all: Chain = newest.into_iter().chain([appended]).collect();
            prop_assert_eq!(chain, all);
        }
    }
}
