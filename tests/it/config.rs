//! Configurations as users write them: a gallery of mistakes with the message for each, the
//! examples, the environment, and what must never be shown.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cxpulse::alert::{Amount, Change, Condition};
use cxpulse::cli::{config_show, validate};
use cxpulse::config::{Config, Loaded, Origin, Problems, SecretFiles, load, load_with};
use cxpulse::decode::{Decoded, Decoder, FieldSource, Unit, Verdict};
use cxpulse::event::{Event, HashKey};
use cxpulse::http::Auth;
use cxpulse::kpi::Kpi;
use cxpulse::source::{Envelope, Start};
use proptest::prelude::*;
use proptest::sample::Index;

const GALLERY: &str = "tests/config_gallery";

/// What `load` says to a file: its problems, or its warnings where it has none.
fn said(path: &Path) -> String {
    match load(Some(path), std::iter::empty()) {
        Err(problems) => format!("{problems}\n"),
        Ok(loaded) => {
            let mut text = String::new();
            for warning in loaded.warnings {
                writeln!(text, "warning: {warning}").unwrap();
            }
            text
        }
    }
}

fn with_extension(folder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    paths
}

/// Each `NAME.toml` has one mistake, `NAME.expected` what is said to it. To write the expectations
/// anew after a change of words: `UPDATE_EXPECTED=1 cargo test --test it gallery`, then read the
/// difference.
#[test]
fn every_mistake_of_the_gallery_is_told_as_expected() {
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let files = with_extension(GALLERY, "toml");
    assert!(files.len() >= 30, "the gallery is complete");
    let mut wrong = String::new();
    for file in &files {
        let said = said(file);
        let expected_file = file.with_extension("expected");
        if update {
            std::fs::write(&expected_file, &said).unwrap();
        }
        let expected = std::fs::read_to_string(&expected_file).unwrap_or_default();
        if said.is_empty() || said != expected {
            write!(
                wrong,
                "--- {}\n{said}+++ expected\n{expected}",
                file.display()
            )
            .unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!(with_extension(GALLERY, "expected").len(), files.len());
}

#[test]
fn the_examples_load_without_a_warning() {
    for file in with_extension("config/examples", "toml") {
        assert_eq!(said(&file), "", "{}", file.display());
    }
}

fn loaded(text: &str) -> Result<Loaded, Problems> {
    loaded_with(text, &[])
}

fn loaded_with(text: &str, environment: &[(&str, &str)]) -> Result<Loaded, Problems> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    std::fs::write(&path, text).unwrap();
    let variables = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load(Some(&path), variables)
}

fn config(text: &str) -> Config {
    loaded(text).unwrap().config
}

fn from_environment(environment: &[(&str, &str)]) -> Result<Loaded, Problems> {
    loaded_with("", environment)
}

#[test]
fn configured_windows_replace_the_default_ones() {
    let windows = config("[[window]]\nlength = \"90s\"\npane = \"1500ms\"\ndelay = \"30s\"\n")
        .engine
        .windows;
    assert_eq!(windows.len(), 1);
    assert_eq!(windows[0].name, "90s");
    assert_eq!(windows[0].pane, Duration::from_millis(1500));
    assert_eq!(windows[0].delay, Duration::from_secs(30));
    assert!(!windows[0].for_alert_only);
}

#[test]
fn windows_that_only_alerts_need_are_added() {
    let config = config(
        "[[alert]]\nname = \"a\"\nkpi = \"aht\"\nwindow = \"60m\"\nrises_by = 60\nbaseline = \"7d\"\n\
         [[alert]]\nname = \"b\"\nkpi = \"csat\"\nslo = { objective = 0.8 }\n",
    );
    let windows: Vec<(&str, bool)> = config
        .engine
        .windows
        .iter()
        .map(|window| (window.name.as_str(), window.for_alert_only))
        .collect();
    assert_eq!(
        windows,
        [
            ("5m", false),
            ("1h", false),
            ("24h", false),
            ("7d", true),
            ("30m", true),
            ("2h", true),
            ("6h", true),
            ("3d", true),
        ]
    );
    // "60m" is the configured window of that length.
    assert_eq!(config.alert.rules[0].window, "1h");
    assert_eq!(
        config.alert.rules[0].condition,
        Condition::Rises(Change {
            baseline: "7d".into(),
            by: Amount::Absolute(60.0)
        })
    );
    assert_eq!(config.alert.rules[1].window, "1h");
    let extras = config.export_extras();
    let of_aht = extras.iter().filter(|extra| extra.kpi == Kpi::Aht);
    let exported: Vec<&str> = of_aht.map(|extra| extra.window.as_str()).collect();
    assert_eq!(exported, ["1h", "7d"]);
}

#[test]
fn a_baseline_is_delayed_like_its_window() {
    let config = config(
        "[[window]]\nlength = \"1h\"\ndelay = \"10m\"\n\
         [[alert]]\nname = \"a\"\nkpi = \"aht\"\nwindow = \"1h\"\nrises_by = 60\nbaseline = \"7d\"\n",
    );
    assert_eq!(config.engine.windows[1].name, "7d");
    assert_eq!(config.engine.windows[1].delay, Duration::from_mins(10));
}

#[test]
fn a_rule_is_read_with_all_its_keys() {
    let text = r#"
        [breakdown]
        sets = [[], ["queue", "channel"]]
        [[alert]]
        name = "slow"
        kpi = "asa"
        window = "5m"
        breakdown = ["channel", "queue"]
        where = { queue = "billing", channel = ["voice", "chat"] }
        above = 30
        clear_below = 20
        for = "1m"
        keep_firing_for = "2m"
        min_samples = 50
        confident = true
        insufficient_for = "10m"
        severity = "critical"
        labels = { team = "a" }
        annotations = { summary = "{{ queue }}: {{ value | round(1) }}" }
    "#;
    let rule = config(text).alert.rules.remove(0);
    assert_eq!(rule.name, "slow");
    assert_eq!(rule.kpi, Kpi::Asa);
    // The same set in another order is the configured one.
    assert_eq!(rule.breakdown, ["queue", "channel"]);
    assert_eq!(
        rule.only,
        BTreeMap::from([
            ("queue".to_owned(), vec!["billing".to_owned()]),
            (
                "channel".to_owned(),
                vec!["voice".to_owned(), "chat".to_owned()]
            ),
        ])
    );
    assert_eq!(rule.condition, Condition::Above(30.0));
    assert_eq!(rule.clear, Some(20.0));
    assert_eq!(rule.hold, Duration::from_mins(1));
    assert_eq!(rule.keep_firing, Duration::from_mins(2));
    assert_eq!(rule.min_samples, 50);
    assert!(rule.confident);
    assert_eq!(rule.insufficient_for, Duration::from_mins(10));
    assert_eq!(rule.severity, "critical");
    assert_eq!(rule.labels["team"], "a");
    assert_eq!(
        rule.annotations["summary"],
        "{{ queue }}: {{ value | round(1) }}"
    );
}

#[test]
fn defaults_of_a_rule() {
    let rule = config("[[alert]]\nname = \"a\"\nkpi = \"csat\"\nwindow = \"24h\"\nbelow = 0.7\n")
        .alert
        .rules
        .remove(0);
    assert_eq!(rule.min_samples, 30);
    assert_eq!(rule.insufficient_for, Duration::from_hours(24));
    assert_eq!(rule.severity, "warning");
    assert_eq!(rule.hold, Duration::ZERO);
    assert_eq!(rule.clear, None);
}

#[test]
fn dimensions_come_from_everywhere_they_are_named() {
    let config = config(
        "[breakdown]\nsets = [[], [\"team\"]]\n[dimensions.site]\n\
         [dimensions.queue]\nvalues = [\"a\"]\n\
         [[kpis.service_level.where]]\nbrand = \"x\"\ntarget = \"1m\"\n",
    );
    let dimensions = ["channel", "queue", "agent_id", "brand", "site", "team"];
    assert_eq!(config.decode.dimensions, dimensions);
    assert_eq!(config.engine.dimensions, dimensions);
    // A dimension without values books nothing under `__other__`.
    assert_eq!(
        config.engine.known_values.keys().collect::<Vec<_>>(),
        ["queue"]
    );
}

#[test]
fn quantiles_follow_the_breakdowns() {
    let config = config("[breakdown]\nsets = [[], [\"channel\"]]\n");
    assert_eq!(
        config.engine.kpis.handle_time_breakdowns,
        [Vec::<String>::new()]
    );
}

#[test]
fn foreign_fields_are_mapped() {
    let config = config(
        "[dimensions.site]\n[events.fields.interaction]\nsite = \"Site\"\n\
         handle_seconds = { from = \"Agent.AHT\", unit = \"ms\" }\n\
         [events.fields.survey]\nsubmitted_at = { from = \"At\", unit = \"s\" }\n",
    );
    let source = |path: &[&str], unit| FieldSource {
        path: path.iter().map(|name| (*name).to_owned()).collect(),
        unit,
    };
    assert_eq!(
        config.decode.interaction_fields,
        BTreeMap::from([
            ("site".to_owned(), source(&["Site"], None)),
            (
                "handle_seconds".to_owned(),
                source(&["Agent", "AHT"], Some(Unit::Milliseconds))
            ),
        ])
    );
    assert_eq!(
        config.decode.survey_fields["submitted_at"],
        source(&["At"], Some(Unit::Seconds))
    );
}

/// A record as Amazon Connect documents its fields, cut to some of them.
const CONTACT_RECORD: &str = r#"{
    "AWSAccountId": "123456789012",
    "Agent": {
        "AfterContactWorkDuration": 31,
        "AgentInteractionDuration": 240,
        "CustomerHoldDuration": 12,
        "NumberOfHolds": 1,
        "Username": "jane"
    },
    "AgentConnectionAttempts": 1,
    "Attributes": { "site": "Rome", "caseId": "case-7" },
    "Channel": "VOICE",
    "ConnectedToSystemTimestamp": "2026-01-31T08:00:00Z",
    "ContactId": "5a3f5b7e-0000-4000-8000-000000000001",
    "CustomerEndpoint": { "Address": "+390600000000", "Type": "TELEPHONE_NUMBER" },
    "DisconnectTimestamp": "2026-01-31T08:05:30Z",
    "InitiationMethod": "INBOUND",
    "InitiationTimestamp": "2026-01-31T08:00:00Z",
    "LastUpdateTimestamp": "2026-01-31T08:07:00Z",
    "NextContactId": null,
    "Queue": {
        "ARN": "arn:aws:connect:us-east-1:123456789012:instance/i/queue/q",
        "DequeueTimestamp": "2026-01-31T08:00:47Z",
        "Duration": 17,
        "EnqueueTimestamp": "2026-01-31T08:00:30Z",
        "Name": "Billing"
    },
    "Recording": null
}"#;

#[test]
fn a_contact_record_of_amazon_connect_is_read_through_mapping_alone() {
    let example = Path::new("config/examples/amazon-connect.toml");
    let config = load(Some(example), std::iter::empty()).unwrap().config;
    let dimensions = config.decode.dimensions.clone();
    let mut decoder = Decoder::new(Arc::new(config.decode), HashKey::random());
    let mut decoded = Decoded::default();
    let envelope = Envelope {
        subject: "connect.ctr.voice".into(),
        payload: CONTACT_RECORD.into(),
        ..Envelope::default()
    };
    decoder.decode(&envelope, 0, &mut decoded);
    let [item] = decoded.items.as_slice() else {
        panic!("{decoded:?}")
    };
    let Verdict::Event(Event::Interaction(contact)) = &item.verdict else {
        panic!("{item:?}")
    };
    assert_eq!(
        contact.record.event_time.to_string(),
        "2026-01-31T08:05:30.000Z"
    );
    assert_eq!(
        contact.record.version_time.to_string(),
        "2026-01-31T08:07:00.000Z"
    );
    assert_eq!(
        contact.started_at.unwrap().to_string(),
        "2026-01-31T08:00:00.000Z"
    );
    assert_eq!(contact.wait_ms, Some(17_000));
    assert_eq!(contact.handle_ms, Some(283_000));
    assert!(contact.customer.is_some() && contact.issue.is_some());
    let values: Vec<(&str, Option<&str>)> = dimensions
        .iter()
        .enumerate()
        .map(|(index, name)| (name.as_str(), decoded.dimension(item, index)))
        .collect();
    assert_eq!(
        values,
        [
            ("channel", Some("VOICE")),
            ("queue", Some("Billing")),
            ("agent_id", Some("jane")),
            ("site", Some("Rome")),
        ]
    );
}

#[test]
fn a_start_can_be_a_moment() {
    for text in ["\"2026-01-31T09:00:00+01:00\"", "2026-01-31T08:00:00Z"] {
        let start = config(&format!("[source]\nstart = {text}\n")).source.start;
        let Start::At(moment) = start else {
            panic!("{start:?}")
        };
        assert_eq!(moment.to_string(), "2026-01-31T08:00:00.000Z");
    }
}

#[test]
fn scales_are_kept_in_thousandths() {
    let config =
        config("[kpis.csat]\nscale = [0, 10]\nsatisfied_from = 7.5\n[kpis.ces]\nscale = [1, 5]\n");
    assert_eq!(config.decode.csat_scale_milli, (0, 10_000));
    assert_eq!(config.engine.kpis.csat_satisfied_from_milli, 7500);
    assert_eq!(config.decode.ces_scale_milli, (1000, 5000));
}

#[test]
fn the_environment_overrides_the_file() {
    let text = "[nats]\nname = \"a\"\n[[alert]]\nname = \"x\"\nkpi = \"csat\"\nwindow = \"1h\"\nbelow = 0.7\n";
    let loaded = loaded_with(
        text,
        &[
            ("CXPULSE__NATS__NAME", "b"),
            ("CXPULSE__BREAKDOWN__SETS", "[[], [\"team\"]]"),
            ("CXPULSE__EXPORT__INTERVALS", "true"),
            ("CXPULSE__KPIS__FCR__HORIZON", "3d"),
            ("CXPULSE__ALERT__0__BELOW", "0.6"),
            (
                "CXPULSE__ALERT__1",
                "{ name = \"y\", kpi = \"nps\", window = \"1h\", below = 0 }",
            ),
            ("CXPULSE__NATS__TLS", "{ ca_file = \"ca.pem\" }"),
            ("CXPULSE__NATS__TLS__REQUIRED", "true"),
            ("CXPULSE__DIMENSIONS__SITE__VALUES", "[\"Rome\"]"),
            (
                "CXPULSE__EVENTS__FIELDS__INTERACTION__ENDED_AT",
                "{ from = \"T\", unit = \"s\" }",
            ),
            ("HOME", "/root"),
        ],
    )
    .unwrap();
    let config = loaded.config;
    assert_eq!(config.nats.name, "b");
    assert_eq!(config.engine.breakdowns, [vec![], vec!["team".to_owned()]]);
    assert!(config.export.intervals);
    assert_eq!(config.engine.kpis.fcr.horizon, Duration::from_hours(72));
    assert_eq!(config.alert.rules[0].condition, Condition::Below(0.6));
    assert_eq!(config.alert.rules[1].name, "y");
    let tls = config.nats.tls.unwrap();
    assert!(tls.required && tls.ca_file.is_some());
    assert_eq!(config.engine.known_values["site"], ["Rome"]);
    assert_eq!(config.decode.interaction_fields["ended_at"].path, ["T"]);
    let origin = |key: &str| {
        let shown = loaded.values.iter().find(|shown| shown.key == key);
        shown.unwrap().origin.to_string()
    };
    assert_eq!(origin("nats.name"), "CXPULSE__NATS__NAME");
    assert!(origin("alert[0].kpi").ends_with("c.toml:5"));
    assert_eq!(origin("nats.url"), "default");
}

#[test]
fn text_in_the_environment_is_taken_as_it_is() {
    let loaded = from_environment(&[
        ("CXPULSE__NATS__USER", "cx"),
        ("CXPULSE__NATS__PASSWORD", "\"[${HOME}]#'"),
    ])
    .unwrap();
    assert_eq!(
        loaded.config.nats.password.unwrap().expose(),
        "\"[${HOME}]#'"
    );
}

#[test]
fn mistakes_in_the_environment_are_told_with_the_variable() {
    let problems = from_environment(&[
        ("CXPULSE__NATS__URLL", "nats://x"),
        ("CXPULSE__HTTP__REFRESH_INTERVAL", "5"),
        ("CXPULSE__EXPORT__INTERVALS", "yes"),
        ("CXPULSE__BREAKDOWN__SETS", "queue"),
        ("CXPULSE__NATS__URL__HOST", "x"),
        ("CXPULSE____URL", "x"),
        ("CXPULSE__WINDOW__7__LENGTH", "1h"),
    ])
    .unwrap_err();
    let lines: Vec<String> = problems
        .findings
        .iter()
        .map(|finding| format!("{}: {}: {}", finding.origin, finding.key, finding.message))
        .collect();
    assert_eq!(
        lines,
        [
            "CXPULSE__BREAKDOWN__SETS: breakdown.sets: expected a list, found text",
            "CXPULSE__EXPORT__INTERVALS: export.intervals: expected true or false, found text",
            "CXPULSE__HTTP__REFRESH_INTERVAL: http.refresh_interval: `5` has no unit",
            "CXPULSE__NATS__URLL: nats.urll: unknown key",
            "CXPULSE__NATS__URL__HOST: nats.url: expected a string, found a table",
            "CXPULSE__WINDOW__7__LENGTH: window.7.length: `7` is not an entry of the list (0 to 0)",
            "CXPULSE____URL: .url: has an empty level",
        ]
    );
    assert_eq!(problems.findings[3].hint, "did you mean `url`?");
}

#[test]
fn a_variable_with_one_underscore_too_few_is_noticed() {
    let loaded = from_environment(&[("CXPULSE_NATS_URL", "x"), ("CXPULSE_PORT", "x")]).unwrap();
    let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        ["CXPULSE_NATS_URL: nats.url: is not read\n  hint: did you mean CXPULSE__NATS__URL?"]
    );
}

#[test]
fn secrets_are_read_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let text = format!(
        "[nats]\nuser = \"u\"\npassword_file = {:?}\n[http.auth]\nbearer_token_file = {:?}\n\
         [sinks.webhook]\nurl_file = {:?}\n",
        write("password", "p w\n"),
        write("token", "t\r\n"),
        write("url", "https://hooks.example.com/x"),
    );
    let config = config(&text);
    assert_eq!(config.nats.password.unwrap().expose(), "p w");
    let Some(Auth::Bearer(token)) = config.http.auth else {
        panic!("no token")
    };
    assert_eq!(token.expose(), "t");
    let url = config.sink.webhook_url.unwrap();
    assert_eq!(url.expose(), "https://hooks.example.com/x");
    let empty = format!("[nats]\ntoken_file = {:?}\n", write("empty", "\n"));
    let problems = loaded(&empty).unwrap_err();
    assert!(
        problems
            .to_string()
            .contains("does not hold one line of text")
    );
}

/// Every key that takes a secret, with the same canary.
const SECRETS: &str = r#"
    [nats]
    user = "u"
    password = "canary"
    [http]
    auth = { user = "u", password = "canary" }
    [sinks.webhook]
    url = "https://canary"
"#;

#[test]
fn secrets_are_never_shown() {
    let loaded = loaded(SECRETS).unwrap();
    assert!(!format!("{loaded:?}").contains("canary"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    std::fs::write(&path, SECRETS).unwrap();
    let mut out = Vec::new();
    let variables = [(
        "CXPULSE__HTTP__AUTH__BEARER_TOKEN".to_owned(),
        "canary".to_owned(),
    )];
    let code = config_show::run(Some(&path), std::iter::empty(), &mut out).unwrap();
    assert_eq!(code, 0);
    // Asks for a token and for a user: an error that must not show either.
    let refused = config_show::run(Some(&path), variables.into_iter(), &mut out).unwrap();
    assert_eq!(refused, 3);
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("nats.password = \"redacted\""), "{text}");
    assert!(!text.contains("canary"), "{text}");
}

#[test]
fn mistakes_around_secrets_do_not_show_them() {
    for text in [
        "[nats]\nurl = \"nats://me:canary@host:4222\"",
        "[nats]\nurl = \"nats://host:4222,canary@host\"",
        "[nats]\npasword = \"canary\"",
        "[nats]\npassword = [\"canary\"]",
        "[nats]\nuser = \"u\"\npassword = \"canary\\u0007\"",
        "[http]\nauth = \"canary\"",
        "[http]\nauth = { token = \"canary\" }",
        "[http]\nauth = { bearer_token = \"canary\", bearer_token_file = \"x\" }",
        "[sinks.webhook]\nurl = \"canary\"",
        "[sinks.webhook]\nurl = \"https://can ary/canary\"",
        "[sinks.alertmanager]\nurls = [\"http://u:canary@host\"]",
        "[nats]\ntoken = \"canary",
        "[nats]\ntoken = canary",
    ] {
        let problems = loaded(text).unwrap_err();
        assert!(
            !format!("{problems} {problems:?}").contains("canary"),
            "{problems}"
        );
    }
    for name in [
        "CXPULSE__HTTP__AUTH",
        "CXPULSE__NATS__URL",
        "CXPULSE__SINKS__WEBHOOK",
    ] {
        let problems = from_environment(&[(name, "{ url = \"me:canary@host\" ")]).unwrap_err();
        assert!(!problems.to_string().contains("canary"), "{problems}");
    }
}

fn validated(files: &[&str]) -> (u8, String) {
    let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
    let mut out = Vec::new();
    let code = validate::run(&files, std::iter::empty(), &mut out).unwrap();
    (code, String::from_utf8(out).unwrap())
}

#[test]
fn validate_prints_an_estimate() {
    let (code, text) = validated(&["config/cxpulse.toml"]);
    assert_eq!(code, 0);
    assert!(
        text.starts_with("config/cxpulse.toml: ok\n  estimated series: "),
        "{text}"
    );
    let total = text.split_whitespace().nth(4).unwrap();
    let total: usize = total.parse().unwrap();
    assert!((10_000..20_000).contains(&total), "{text}");
    assert!(text.contains(" x 200 keys, assumed\n"), "{text}");
}

#[test]
fn validate_without_files_checks_the_defaults() {
    let (code, text) = validated(&[]);
    assert_eq!(code, 0);
    assert!(text.starts_with("built-in defaults: ok\n"), "{text}");
}

#[test]
fn validate_tells_all_problems_of_all_files() {
    let broken = "tests/config_gallery/unknown_key.toml";
    let (code, text) = validated(&[broken, "config/cxpulse.toml", "none.toml"]);
    assert_eq!(code, 3);
    assert!(
        text.starts_with("tests/config_gallery/unknown_key.toml:"),
        "{text}"
    );
    assert!(text.contains("\nconfig/cxpulse.toml: ok\n"), "{text}");
    let absent = "none.toml: cannot read: no such file or directory
";
    assert!(text.contains(absent), "{text}");
}

#[test]
fn absent_secret_files_are_warnings_offline() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    std::fs::write(&path, "[http.auth]\nbearer_token_file = \"none\"\n").unwrap();
    let lenient = load_with(Some(&path), std::iter::empty(), SecretFiles::MayBeAbsent).unwrap();
    let warning = lenient.warnings[0].to_string();
    let cause = "http.auth.bearer_token_file: cannot read none: no such file or directory";
    assert!(warning.contains(cause), "{warning}");
    let strict = load(Some(&path), std::iter::empty()).unwrap_err();
    assert!(strict.to_string().contains(cause), "{strict}");
}

#[test]
fn config_show_tells_values_and_origins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    std::fs::write(&path, "\n[ledger]\nallowed_lateness = \"36h\"\n").unwrap();
    let mut out = Vec::new();
    let variables = [("CXPULSE__LOG__LEVEL".to_owned(), "debug".to_owned())];
    let code = config_show::run(Some(&path), variables.into_iter(), &mut out).unwrap();
    assert_eq!(code, 0);
    let text = String::from_utf8(out).unwrap();
    let line = |key: &str| {
        let found = text.lines().find(|line| line.starts_with(key)).unwrap();
        found.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let file = path.display();
    assert_eq!(
        line("ledger.allowed_lateness"),
        format!("ledger.allowed_lateness = \"1d12h\" # {file}:3")
    );
    assert_eq!(
        line("log.level"),
        "log.level = \"debug\" # CXPULSE__LOG__LEVEL"
    );
    assert_eq!(line("nats.name"), "nats.name = \"cxpulse\" # default");
    assert_eq!(
        line("window[1].length"),
        "window[1].length = \"1h\" # default"
    );
}

#[test]
fn a_variable_overrides_the_file_of_a_secret() {
    let text = "[nats]\ntoken_file = \"none\"\n";
    let config = loaded_with(text, &[("CXPULSE__NATS__TOKEN", "t")])
        .unwrap()
        .config;
    assert_eq!(config.nats.token.unwrap().expose(), "t");
}

proptest! {
    /// The documented default with some lines swapped for others, put into effect or cut: whatever
    /// comes of it, it is told in words, with a line that exists and a hint.
    #[test]
    fn any_file_is_read_or_refused_with_words(
        edits in prop::collection::vec((any::<Index>(), any::<Index>(), any::<Index>(), 0..4_u8), 1..8),
    ) {
        let documented = std::fs::read_to_string("config/cxpulse.toml").unwrap();
        let mut lines: Vec<String> = documented.lines().map(str::to_owned).collect();
        for (at, other, cut, kind) in edits {
            let at = at.index(lines.len());
            let copied = lines[other.index(lines.len())].clone();
            match kind {
                0 => lines[at] = copied,
                1 => lines.insert(at, copied.trim_start_matches('#').to_owned()),
                2 => lines[at] = lines[at].trim_start_matches('#').to_owned(),
                _ => {
                    let kept: Vec<char> = lines[at].chars().collect();
                    lines[at] = kept[..cut.index(kept.len() + 1)].iter().collect();
                }
            }
        }
        let text = lines.join("\n");
        let findings = match loaded(&text) {
            Ok(loaded) => loaded.warnings,
            Err(problems) => {
                prop_assert!(!problems.findings.is_empty());
                problems.findings
            }
        };
        for finding in findings {
            prop_assert!(!finding.message.is_empty() && !finding.hint.is_empty(), "{finding}");
            if let Origin::File { line, .. } = finding.origin {
                prop_assert!((1..=lines.len() + 1).contains(&line), "{line}");
            }
        }
    }
}

#[test]
fn deep_nesting_is_refused_or_read() {
    for text in [
        format!("a = {}1{}", "[".repeat(50_000), "]".repeat(50_000)),
        format!("{}a = 1", "a.".repeat(50_000)),
        format!("[{}a]", "a.".repeat(50_000)),
    ] {
        assert!(loaded(&text).is_err());
    }
    let name = format!("CXPULSE{}", "__A".repeat(50_000));
    assert!(from_environment(&[(&name, "1")]).is_err());
}

#[test]
fn a_byte_order_mark_is_no_mistake() {
    assert_eq!(config("\u{feff}[nats]\nname = \"x\"\n").nats.name, "x");
}
