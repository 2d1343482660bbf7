//! What must hold for every universe: order, repetition and batching change no KPI.
use proptest::prelude::*;

use crate::reference::generate::{BASE, live_universe, universe};
use crate::reference::output::{Compare, accounted, assert_same};
use crate::reference::rearrange::{Choices, accepted, rearranged};
use crate::reference::{Tick, live, replay};

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// The reference itself is a function of the set of accepted records.
    #[test]
    fn reference_ignores_order_repetition_and_batching((setup, messages) in universe(), seed: u64) {
        let messages = accepted(&setup, &messages);
        let expected = replay(&setup, &messages, None);
        let found = replay(&setup, &rearranged(&setup, &messages, &mut Choices(seed)), None);
        prop_assert_eq!(found.rejected.get("too_late"), None);
        assert_same(&expected, &found, Compare::Kpis);
    }

    /// With an instant beyond everything from the start, a live run is a replay.
    #[test]
    fn reference_live_run_beyond_all_events_is_a_replay((setup, messages) in universe()) {
        let at = BASE + 60_000;
        let ticks = [Tick { after: 0, at }, Tick { after: messages.len(), at }];
        let outputs = live(&setup, &messages, &ticks);
        let expected = replay(&setup, &messages, Some(at));
        if expected.at.is_some() {
            assert_same(&expected, &outputs[1], Compare::Counters);
        }
    }

    /// Every event is accounted for at every instant.
    #[test]
    fn reference_accounts_for_every_event((setup, messages, ticks) in live_universe()) {
        for output in live(&setup, &messages, &ticks) {
            prop_assert_eq!(output.received, accounted(&output));
        }
    }
}
