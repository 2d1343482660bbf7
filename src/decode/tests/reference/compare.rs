//! The real decoder against the reference: the same events, the same reasons, in the same places.

use std::collections::HashMap;

use super::super::library::decode::{Decoded, Decoder, FieldSource, Settings, Unit, Verdict};
use super::super::library::event::Event;
use super::super::library::source::Envelope;
use super::Expected;

/// Settings that exercise mapping: renamed, nested, a path through a field, units, a shared place.
pub(in super::super) fn mapped() -> Settings {
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
pub(in super::super) fn compare(
    decoder: &mut Decoder,
    settings: &Settings,
    envelope: &Envelope,
    contents: &mut HashMap<u64, String>,
) -> Decoded {
    let mut decoded = Decoded::default();
    decoder.decode(envelope, 5, &mut decoded);
    let expected = super::decode(settings, envelope);
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
