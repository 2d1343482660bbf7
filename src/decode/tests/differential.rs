//! The decoder against the reference: the same event or the same reason on any bytes.

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::generator;
use super::reference::{self, Expected};
use super::{KEY, message};
use crate::decode::{Decoded, Decoder, FieldSource, Settings, Unit, Verdict};
use crate::event::{Event, Reason};
use crate::source::Envelope;

/// Settings that exercise mapping: renamed, nested, a path through a field, units, a shared place.
fn mapped() -> Settings {
    let source = |path: &str, unit| FieldSource {
        path: path.split('.').map(str::to_owned).collect(),
        unit,
    };
    let mut settings = Settings {
        dimensions: ["channel", "queue", "agent_id", "team"]
            .map(String::from)
            .to_vec(),
        max_event_bytes: 600,
        ..Settings::default()
    };
    settings.interaction_fields = [
        ("queue", source("Queue.Name", None)),
        ("team", source("queue", None)),
        (
            "wait_seconds",
            source("wait_seconds", Some(Unit::Milliseconds)),
        ),
        ("hold_seconds", source("hold_seconds", Some(Unit::Minutes))),
        ("started_at", source("started_at", Some(Unit::Seconds))),
        ("issue_id", source("unknown.a", None)),
    ]
    .map(|(name, source)| (name.to_owned(), source))
    .into();
    settings.survey_fields = [
        ("queue", source("queue.Name", None)),
        ("survey_id", source("event_id", None)),
    ]
    .map(|(name, source)| (name.to_owned(), source))
    .into();
    settings
}

/// Compares one message; `contents` remembers which kept values gave which content hash.
fn compare(
    decoder: &mut Decoder,
    settings: &Settings,
    envelope: &Envelope,
    contents: &mut HashMap<u64, String>,
) -> Decoded {
    let mut decoded = Decoded::default();
    decoder.decode(envelope, 5, &mut decoded);
    let expected = reference::decode(settings, envelope);
    let text = String::from_utf8_lossy(&envelope.payload);
    assert_eq!(decoded.items.len(), expected.len(), "{text}\n{decoded:#?}");
    let mut truncated = 0;
    for (at, (item, Expected { raw, verdict })) in decoded.items.iter().zip(expected).enumerate() {
        assert_eq!(item.message, 5);
        assert_eq!(usize::try_from(item.index).unwrap(), at);
        let range = (
            item.raw.0.try_into().unwrap(),
            item.raw.1.try_into().unwrap(),
        );
        assert_eq!((range, at), (raw, at), "{text}");
        match (&item.verdict, verdict) {
            (Verdict::Reject(reject), Err(expected)) => {
                assert_eq!((reject.reason, reject.kind), expected, "{reject:?}\n{text}");
                assert!(!reject.detail.is_empty() && reject.detail.len() <= 256);
                assert!(!reject.detail.contains(char::is_control));
            }
            (Verdict::Event(event), Ok(accepted)) => {
                let (event, content) = without_content(event);
                assert_eq!(event, accepted.event, "{text}");
                for (at, value) in accepted.dimensions.iter().enumerate() {
                    assert_eq!(decoded.dimension(item, at), value.as_deref(), "{text}");
                }
                assert_eq!(decoded.dimension(item, accepted.dimensions.len()), None);
                truncated += accepted.truncated;
                let kept = contents
                    .entry(content)
                    .or_insert_with(|| accepted.kept.clone());
                assert_eq!(
                    *kept, accepted.kept,
                    "same content hash of different records"
                );
            }
            (verdict, expected) => panic!("{verdict:?}\nexpected {expected:?}\n{text}"),
        }
    }
    assert_eq!(decoded.truncated_dimensions, truncated);
    decoded
}

fn without_content(event: &Event) -> (Event, u64) {
    let mut event = event.clone();
    let record = match &mut event {
        Event::Interaction(interaction) => &mut interaction.record,
        Event::Survey(survey) => &mut survey.record,
    };
    let content = std::mem::take(&mut record.content);
    (event, content)
}

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
