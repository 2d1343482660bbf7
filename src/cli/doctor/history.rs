//! Whether the stream keeps what a first start needs, and whether the clocks agree.

use std::time::Duration;

use super::findings::Findings;
use super::rights::Described;
use crate::app;
use crate::config::{Config, format_duration};
use crate::nats::{StreamInfo, overlap};
use crate::time::{Clock, SystemClock, Timestamp};

/// Clocks that differ by more are worth a word.
const SKEW_MS: i64 = 1_000;
/// From this part of a limit on it is taken to remove messages.
const NEARLY_FULL: f64 = 0.98;
/// A stream that is younger says nothing about how long its limits last.
const TELLING: Duration = Duration::from_hours(1);

/// Looks at the stream, if there is one.
pub(super) fn check(config: &Config, described: Option<&Described>, findings: &mut Findings) {
    let Some(described) = described else {
        for check in ["history", "clock"] {
            findings.skipped(check, "no answer about the stream");
        }
        return;
    };
    check_kind(config, &described.info, findings);
    check_limits(config, &described.info, SystemClock.now(), findings);
    check_clock(config, described, findings);
}

fn check_kind(config: &Config, info: &StreamInfo, findings: &mut Findings) {
    let name = &info.config.name;
    if info.config.retention == "limits" {
        let text = format!(
            "{name}: limits retention, {} replicas",
            info.config.num_replicas
        );
        findings.ok("stream", text);
    } else {
        findings.failed(
            "stream",
            format!("{name} has {} retention", info.config.retention),
            format!("cxpulse needs limits retention: make a stream that mirrors or sources {name}"),
        );
    }
    // A mirror has no subjects of its own.
    let stored = &info.config.subjects;
    for wanted in &config.source.subjects {
        if !stored.is_empty() && !stored.iter().any(|stored| overlap(stored, wanted)) {
            findings.failed(
                "stream",
                format!("{name} does not store {wanted}"),
                "add the subject to the stream, or correct source.subjects",
            );
        }
    }
    if info.config.max_msgs_per_subject > 0 {
        findings.failed(
            "stream",
            format!(
                "{name} keeps {} messages a subject and removes older ones",
                info.config.max_msgs_per_subject
            ),
            "set max_msgs_per_subject to unlimited (-1)",
        );
    }
    if info.config.discard == "new" {
        findings.warning(
            "stream",
            format!("{name} refuses new messages when it is full"),
            "publishers have to notice; discard old keeps them going",
        );
    }
}

fn check_limits(config: &Config, info: &StreamInfo, now: Timestamp, findings: &mut Findings) {
    let needed = needed(config);
    let shown = format!(
        "{} are needed (longest window + FCR horizon + 2 x lateness)",
        show(needed)
    );
    let mut enough = true;
    let max_age = Duration::from_nanos(info.config.max_age);
    if !max_age.is_zero() && max_age < needed {
        enough = false;
        let text = format!("max_age is {}, and {shown}", show(max_age));
        let hint = format!("raise max_age to {} or more", show(needed));
        findings.failed("history", text, hint);
    }
    let span = span_of(info, now);
    let limits = [
        ("max_msgs", info.config.max_msgs, info.state.messages),
        ("max_bytes", info.config.max_bytes, info.state.bytes),
    ];
    for (name, most, held) in limits {
        let Some(lasts) = lasts(most, held, span) else {
            continue;
        };
        if lasts >= needed {
            continue;
        }
        enough = false;
        let text = format!(
            "{name} = {most} lasts for about {}, and {shown}",
            show(lasts)
        );
        findings.failed("history", text, format!("raise {name} of the stream"));
    }
    if enough {
        let held = span.map_or_else(|| "nothing yet".into(), show);
        findings.ok("history", format!("holds {held}; {shown}"));
    }
}

fn needed(config: &Config) -> Duration {
    let needed_ms = app::needed_history_ms(config);
    Duration::from_millis(u64::try_from(needed_ms).unwrap_or(u64::MAX))
}

/// From the first message to now.
fn span_of(info: &StreamInfo, now: Timestamp) -> Option<Duration> {
    if info.state.messages == 0 {
        return None;
    }
    let first: jiff::Timestamp = info.state.first_ts.parse().ok()?;
    let span_ms = now.millis_since(Timestamp::from_millis(first.as_millisecond()));
    u64::try_from(span_ms).ok().map(Duration::from_millis)
}

/// How much time a limit holds: what it holds now when it is full, else in proportion; `None` when
/// there is no limit, or too little to tell.
#[expect(
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "an estimate"
)]
fn lasts(most: i64, held: u64, span: Option<Duration>) -> Option<Duration> {
    let span = span?;
    if most <= 0 || held == 0 {
        return None;
    }
    let part = held as f64 / most as f64;
    if part >= NEARLY_FULL {
        return Some(span);
    }
    let telling = span >= TELLING;
    let lasts = Duration::try_from_secs_f64(span.as_secs_f64() / part).ok()?;
    telling.then_some(lasts)
}

/// The greatest two units of a span of time.
fn show(span: Duration) -> String {
    let seconds = span.as_secs();
    let rounded = match seconds {
        0..3_600 => seconds,
        3_600..86_400 => seconds - seconds % 60,
        _ => seconds - seconds % 3_600,
    };
    format_duration(Duration::from_secs(rounded))
}

fn check_clock(config: &Config, described: &Described, findings: &mut Findings) {
    let Some(ahead_ms) = described.ahead_ms else {
        findings.skipped("clock", "the server does not say its time");
        return;
    };
    let text = format!(
        "the server is {ahead_ms} ms ahead of us, within {} ms",
        described.uncertain_ms
    );
    let apart = ahead_ms.abs() - described.uncertain_ms;
    let most = crate::time::millis_of(config.engine.max_clock_skew);
    let hint = "let both follow a time server (NTP)";
    if apart > most {
        findings.failed("clock", text, hint);
    } else if apart > SKEW_MS {
        findings.warning("clock", text, hint);
    } else {
        findings.ok("clock", text);
    }
}

#[cfg(test)]
mod tests {
    use super::super::findings::State;
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_780_000_000_000);

    fn stream(config: serde_json::Value, state: serde_json::Value) -> StreamInfo {
        let mut info = serde_json::json!({
            "created": "2026-01-01T00:00:00Z",
            "config": { "name": "CX", "retention": "limits", "subjects": ["cx.>"] },
            "state": {
                "messages": 1000, "bytes": 1000, "first_seq": 1, "last_seq": 1000,
                "first_ts": NOW.plus_millis(-86_400_000).to_string(),
            },
        });
        for (part, changes) in [("config", config), ("state", state)] {
            for (name, value) in changes.as_object().into_iter().flatten() {
                info[part][name] = value.clone();
            }
        }
        serde_json::from_value(info).unwrap()
    }

    fn verdicts(info: &StreamInfo) -> (usize, String) {
        let config = Config::default();
        let mut findings = Findings::default();
        check_kind(&config, info, &mut findings);
        check_limits(&config, info, NOW, &mut findings);
        let mut text = Vec::new();
        findings.write_text(&mut text).unwrap();
        let failed = findings.count(State::Failed);
        (failed, String::from_utf8(text).unwrap())
    }

    #[test]
    fn a_stream_without_limits_holds_enough() {
        let (failed, text) = verdicts(&stream(serde_json::json!({}), serde_json::json!({})));
        assert_eq!(failed, 0, "{text}");
        // 24h + 7d + 2 x 24h.
        assert!(text.contains("holds 1d; 10d are needed"), "{text}");
    }

    #[test]
    fn each_limit_that_is_too_small_fails() {
        let day_ns = 86_400_000_000_000_u64;
        for (limit, value) in [
            ("max_age", serde_json::json!(9 * day_ns)),
            ("max_msgs", serde_json::json!(9_000)),
            ("max_bytes", serde_json::json!(1_000)),
            ("max_msgs_per_subject", serde_json::json!(1)),
        ] {
            let (failed, text) = verdicts(&stream(
                serde_json::json!({ limit: value }),
                serde_json::json!({}),
            ));
            assert_eq!(failed, 1, "{limit}: {text}");
            assert!(
                text.contains(limit) || limit == "max_msgs_per_subject",
                "{text}"
            );
        }
        for (limit, value) in [
            ("max_age", serde_json::json!(10 * day_ns)),
            ("max_msgs", serde_json::json!(11_000)),
            ("max_bytes", serde_json::json!(-1)),
        ] {
            let (failed, text) = verdicts(&stream(
                serde_json::json!({ limit: value }),
                serde_json::json!({}),
            ));
            assert_eq!(failed, 0, "{limit}: {text}");
        }
    }

    #[test]
    fn other_kinds_and_other_subjects_fail() {
        let (failed, _) = verdicts(&stream(
            serde_json::json!({ "retention": "workqueue", "subjects": ["orders.>"] }),
            serde_json::json!({}),
        ));
        assert_eq!(failed, 3);
    }

    #[test]
    fn clocks_that_differ_are_told() {
        let config = Config::default();
        let info = stream(serde_json::json!({}), serde_json::json!({}));
        for (ahead_ms, state) in [
            (0, State::Ok),
            (-900, State::Ok),
            (1_200, State::Warning),
            (-61_500, State::Failed),
        ] {
            let described = Described {
                info: info.clone(),
                ahead_ms: Some(ahead_ms),
                uncertain_ms: 100,
            };
            let mut findings = Findings::default();
            check_clock(&config, &described, &mut findings);
            assert_eq!(findings.count(state), 1, "{ahead_ms}");
        }
    }
}
