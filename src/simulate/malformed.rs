//! Broken events, each of a kind that has been seen in real streams.

use super::random::Random;

/// Spoils a good interaction so that it must be rejected, for one of the reasons of the contract.
pub(super) fn spoil(good: String, random: &mut Random) -> String {
    match random.below(6) {
        // invalid_json: cut off on the way.
        0 => {
            let mut cut = good;
            cut.truncate(cut.len() * 3 / 4);
            cut
        }
        // invalid_json: a number that JSON does not have.
        1 => good.replacen("\"ended_at\":", "\"load\":NaN,\"ended_at\":", 1),
        // unknown_type: a kind of event that is none of ours.
        2 => good.replacen("\"interaction\"", "\"agent_state\"", 1),
        // missing_field: the sender calls it otherwise.
        3 => good.replacen("\"ended_at\"", "\"finished_at\"", 1),
        // invalid_field: a duration that is no number.
        4 => good.replacen(
            "\"ended_at\":",
            "\"handle_seconds\":\"n/a\",\"ended_at\":",
            1,
        ),
        // future: a clock that was never set.
        _ => good.replacen("\"ended_at\":\"20", "\"ended_at\":\"90", 1),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    const GOOD: &str = r#"{"type":"interaction","interaction_id":"i-1","ended_at":"2026-03-02T08:00:00.000Z","abandoned":false}"#;

    fn reason(spoiled: &str) -> &'static str {
        let Ok(event) = serde_json::from_str::<Value>(spoiled) else {
            return "invalid_json";
        };
        if event["type"] != "interaction" {
            return "unknown_type";
        }
        match event["ended_at"].as_str() {
            None => "missing_field",
            Some(_) if !event["handle_seconds"].is_null() => "invalid_field",
            Some(ended_at) if ended_at.starts_with("9026-03-02T") => "future",
            Some(_) => "none",
        }
    }

    #[test]
    fn every_kind_of_damage_is_done_and_none_is_harmless() {
        let mut random = Random::new(1);
        let reasons: BTreeSet<_> = (0..100)
            .map(|_| reason(&spoil(GOOD.into(), &mut random)))
            .collect();
        let expected = [
            "future",
            "invalid_field",
            "invalid_json",
            "missing_field",
            "unknown_type",
        ];
        assert_eq!(reasons, BTreeSet::from(expected));
        assert_eq!(reason(GOOD), "none");
    }
}
