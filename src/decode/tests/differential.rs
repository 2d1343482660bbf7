//! The decoder against the reference: the same event or the same reason on any bytes.

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::generator;
use super::reference::{self, compare, mapped};
use super::{KEY, message};
use crate::decode::{Decoded, Decoder, Settings, Verdict};
use crate::event::Reason;

/// As many messages as `CXPULSE_DECODE_CASES` says.
fn cases() -> u64 {
    let wanted = std::env::var("CXPULSE_DECODE_CASES").ok();
    wanted
        .and_then(|count| count.parse().ok())
        .unwrap_or(10_000)
}

#[test]
fn equals_the_reference_on_made_up_messages() {
    let small = Settings {
        max_event_bytes: 600,
        ..Settings::default()
    };
    for settings in [small, mapped()] {
        let mut decoder = Decoder::new(Arc::new(settings.clone()), KEY);
        let mut contents = HashMap::new();
        let mut outcomes: HashMap<&str, u64> = HashMap::new();
        for seed in 0..cases() {
            let envelope = generator::message(seed);
            let run = std::panic::AssertUnwindSafe(|| {
                let decoded = compare(&mut decoder, &settings, &envelope, &mut contents);
                for outcome in super::outcomes(&decoded) {
                    *outcomes.entry(outcome).or_default() += 1;
                }
            });
            if let Err(panic) = std::panic::catch_unwind(run) {
                println!("seed {seed}: {envelope:?}");
                std::panic::resume_unwind(panic);
            }
        }
        // Without enough of each outcome little would have been compared.
        let reasons = Reason::ALL.iter().take(5).map(|reason| reason.name());
        for outcome in reasons.chain(["event"]) {
            let count = outcomes.get(outcome).copied().unwrap_or(0);
            println!("{outcome} {count}");
            assert!(count > cases() / 200, "{outcome} {outcomes:?}");
        }
        assert!(contents.len() > 1000, "{}", contents.len());
    }
}

#[test]
fn equal_kept_values_have_equal_content() {
    let settings = Settings::default();
    let mut decoder = Decoder::new(Arc::new(settings.clone()), KEY);
    let mut contents: HashMap<String, u64> = HashMap::new();
    for seed in 0..cases() / 4 {
        let envelope = generator::message(seed);
        let mut decoded = Decoded::default();
        decoder.decode(&envelope, 0, &mut decoded);
        for (item, expected) in decoded
            .items
            .iter()
            .zip(reference::decode(&settings, &envelope))
        {
            if let (Verdict::Event(event), Ok(accepted)) = (&item.verdict, expected.verdict) {
                let content = event.record().content;
                assert_eq!(*contents.entry(accepted.kept).or_insert(content), content);
            }
        }
    }
}

proptest! {
    #[test]
    fn equals_the_reference_on_any_bytes(payload in proptest::collection::vec(any::<u8>(), 0..64)) {
        let settings = Settings::default();
        let mut decoder = Decoder::new(Arc::new(settings.clone()), KEY);
        compare(&mut decoder, &settings, &message(payload), &mut HashMap::new());
    }

    #[test]
    fn equals_the_reference_on_json_like_text(
        payload in "([\\[\\]{},:\" \n\\\\u0-9.eE+-]|null|true|\"type\":\"survey\"|\"csat\":5|\\\\ud800){0,40}"
    ) {
        let settings = Settings::default();
        let mut decoder = Decoder::new(Arc::new(settings.clone()), KEY);
        compare(&mut decoder, &settings, &message(payload), &mut HashMap::new());
    }
}
