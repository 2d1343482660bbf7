//! The engine equals the brute-force count: any order, repetition, batching, instants and restarts.
use proptest::prelude::*;

use crate::engine_runs::{self, Aside};
use crate::reference::generate::{live_universe, universe};
use crate::reference::output::{Compare, assert_same};
use crate::reference::rearrange::{Choices, accepted, rearranged};
use crate::reference::{live, replay};

/// Cases of each property; a longer run sets `CXPULSE_CASES`.
fn cases() -> ProptestConfig {
    let cases = std::env::var("CXPULSE_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    ProptestConfig {
        cases: cases.unwrap_or(2500),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases())]

    /// A replay to the end gives the same views and counts.
    #[test]
    fn replay_equals_reference((setup, messages) in universe(), restart_every in 0_usize..8) {
        let expected = replay(&setup, &messages, None);
        let found = engine_runs::replay(&setup, &messages, None, restart_every);
        assert_same(&expected, &found, Compare::Counters);
    }

    /// A replay to an instant in the middle leaves what comes later waiting.
    #[test]
    fn replay_to_an_instant_equals_reference(
        (setup, messages, ticks) in live_universe(),
    ) {
        let at = ticks.last().map(|tick| tick.at);
        let expected = replay(&setup, &messages, at);
        let found = engine_runs::replay(&setup, &messages, at, 0);
        assert_same(&expected, &found, Compare::Counters);
    }

    /// Any interleaving of evaluation instants, with restarts and work ahead in between, and with captures
    /// that are taken while messages come.
    #[test]
    fn live_equals_reference(
        (setup, messages, ticks) in live_universe(),
        restart_every in 0_usize..4,
        pace in 0_usize..6,
        ahead in prop_oneof![Just(0_usize), 1_usize..4, 4_usize..40],
    ) {
        let expected = live(&setup, &messages, &ticks);
        let aside = Aside {
            restart_every,
            pace,
            ahead,
        };
        let found = engine_runs::live(&setup, &messages, &ticks, aside);
        for (one, other) in expected.iter().zip(&found) {
            assert_same(one, other, Compare::Counters);
        }
    }

    /// Any order within lateness, any repetition and any batching gives the same KPIs.
    #[test]
    fn rearranged_equals_reference((setup, messages) in universe(), seed: u64, restart_every in 0_usize..8) {
        let messages = accepted(&setup, &messages);
        let expected = replay(&setup, &messages, None);
        let other = rearranged(&setup, &messages, &mut Choices(seed));
        let found = engine_runs::replay(&setup, &other, None, restart_every);
        assert_same(&expected, &found, Compare::Kpis);
    }
}
