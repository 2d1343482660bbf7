//! Hostile input through the built program: `replay` in little memory, and `run` with its page. What
//! is wrong is counted by reason, nothing grows without bound, and the page stays a valid one.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cxpulse::time::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::support::broker::Broker;
use crate::support::nats_raw::{Publish, RawNats};
use crate::support::page::Page;
use crate::support::prometheus::check_metrics;
use crate::support::service::Service;
use crate::support::tools::require_tool;

const WITHIN: Duration = Duration::from_mins(1);

/// Address space of a replay of hostile bytes, KiB: the program, a message of 8 MiB, and what is
/// made of it.
const LITTLE_KIB: u64 = 300_000;

/// What `replay --format json` says of `text`, in no more than `kib` of address space.
fn replay_within(kib: u64, text: &[u8], config: &str) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    let (events, toml) = (folder.path().join("events"), folder.path().join("cx.toml"));
    fs::write(&events, text).expect("a file");
    fs::write(&toml, config).expect("a file");
    let output = Command::new("sh")
        .args(["-c", "ulimit -v $0 && exec \"$@\"", &kib.to_string()])
        .arg(env!("CARGO_BIN_EXE_cxpulse"))
        .args(["replay", "--format", "json", "--config"])
        .args([&toml, &events])
        // What the allocator reserves and never touches is not what is bounded here.
        .env("MIMALLOC_DISALLOW_ARENA_ALLOC", "1")
        .output()
        .expect("sh runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    serde_json::from_slice(&output.stdout).expect("valid JSON")
}

fn replay(text: impl AsRef<[u8]>) -> Value {
    replay_within(LITTLE_KIB, text.as_ref(), "")
}

/// All rejects of a result, as `{"reason": count}`.
fn rejected(result: &Value) -> &Value {
    &result["rejected"]
}

/// A contact with more members.
fn contact(members: &str) -> String {
    format!(
        "{{\"type\":\"interaction\",\"interaction_id\":\"i1\",\"ended_at\":1772438400000,\
         \"talk_seconds\":10{members}}}"
    )
}

#[test]
fn nesting_is_refused_at_any_depth() {
    let deep = 10_000;
    let texts = [
        "[".repeat(deep),
        "{\"a\":".repeat(deep),
        format!("{}{}", "[".repeat(deep), "]".repeat(deep)),
        format!("{}1{}", "{\"a\":".repeat(deep), "}".repeat(deep)),
        contact(&format!(",\"x\":{}{}", "[".repeat(deep), "]".repeat(deep))),
        format!(
            "{{\"specversion\":\"1.0\",\"data\":{}1{}}}",
            "{\"a\":".repeat(deep),
            "}".repeat(deep)
        ),
    ];
    for text in texts {
        let result = replay(&text);
        assert_eq!(rejected(&result), &json!({"invalid_json": 1}), "{text:.40}");
    }
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        replay(contact(&format!(",\"x\":{open}{close}")))
    };
    assert_eq!(rejected(&nested(127)), &json!({}));
    assert_eq!(rejected(&nested(128)), &json!({"invalid_json": 1}));
}

/// Messages of 8 MiB, each made of what is most work, or most rejects, by the byte.
#[test]
fn a_message_of_8_mib_is_bounded_whatever_it_is_made_of() {
    let size = 8 * 1024 * 1024;
    let fill = |text: &str| text.repeat(size / text.len());
    let most = size / 32;
    let cases = [
        (
            format!("[{}1]", fill("1,").split_at(size - 4).0),
            json!({"invalid_json": most, "too_large": 1}),
        ),
        (fill("1\n"), json!({"invalid_json": most, "too_large": 1})),
        (fill("[]\n"), json!({})),
        (fill("[\n"), json!({"invalid_json": most, "too_large": 1})),
        (fill("\n"), json!({})),
        (fill("["), json!({"too_large": 1})),
        (fill("{"), json!({"too_large": 1})),
        (fill("\""), json!({"too_large": 1})),
        (fill("\\"), json!({"too_large": 1})),
        (fill("\0"), json!({"too_large": 1})),
        (
            contact(&format!(",\"comment\":\"{}\"", "x".repeat(size - 200))),
            json!({"too_large": 1}),
        ),
        (
            contact(&format!(",\"x\":[{}1]", fill("1,").split_at(size - 300).0)),
            json!({"too_large": 1}),
        ),
    ];
    for (text, expected) in cases {
        assert!(text.len() <= size, "one message: {}", text.len());
        let result = replay(&text);
        assert_eq!(rejected(&result), &expected, "{text:.40}");
    }
}

#[test]
fn numbers_that_are_none_are_refused() {
    let no_json = [
        "NaN",
        "nan",
        "Infinity",
        "-Infinity",
        "+1",
        ".5",
        "1.",
        "01",
        "0x10",
        "1e",
        "--1",
    ];
    let no_value = [
        "\"NaN\"",
        "\"Infinity\"",
        "1e999",
        "-1",
        "-0.5",
        "1e12",
        "\"12\"",
        "true",
        "[]",
    ];
    for (values, reason) in [
        (&no_json[..], "invalid_json"),
        (&no_value[..], "invalid_field"),
    ] {
        for value in values {
            let text = contact("").replace(":10}", &format!(":{value}}}"));
            assert_eq!(rejected(&replay(&text)), &json!({reason: 1}), "{text}");
        }
    }
    for value in [
        "\"NaN\"",
        "\"1e999\"",
        "\"inf\"",
        "1e999",
        "5.5",
        "0",
        "\"\\u0660\"",
    ] {
        let text = format!(
            "{{\"type\":\"survey\",\"survey_id\":\"s\",\"submitted_at\":1772438400000,\"csat\":{value}}}"
        );
        assert_eq!(
            rejected(&replay(&text)),
            &json!({"invalid_field": 1}),
            "{value}"
        );
    }
}

#[test]
fn of_duplicate_keys_the_last_counts_and_other_bytes_are_no_text() {
    let result = replay(contact(
        ",\"queue\":\"first\",\"talk_seconds\":20,\"queue\":\"last\"",
    ));
    let rows = result["kpis"].as_array().expect("rows");
    let queues = rows.iter().filter(|row| row["breakdown"] == "queue");
    let queues: Vec<&Value> = queues.map(|row| &row["key"]["queue"]).collect();
    assert!(!queues.is_empty() && queues.iter().all(|queue| **queue == "last"));
    let aht = rows.iter().find(|row| row["kpi"] == "aht").expect("a row");
    assert_eq!(aht["value"], 20.0);

    for bytes in [
        &b"\xff"[..],
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf5\x80\x80\x80",
    ] {
        let mut text = contact(",\"queue\":\"").into_bytes();
        text.pop();
        text.extend(bytes);
        text.extend(b"\"}");
        assert_eq!(
            rejected(&replay(&text)),
            &json!({"invalid_json": 1}),
            "{bytes:?}"
        );
    }
    let text = contact(",\"queue\":\"\\ud800\"");
    assert_eq!(rejected(&replay(text)), &json!({"invalid_json": 1}));
}

/// As many queues as `CXPULSE_QUEUES` says; a million take a gigabyte of events and a minute.
#[test]
fn distinct_queues_beyond_the_limit_share_one_key() {
    let queues: u64 = std::env::var("CXPULSE_QUEUES")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(20_000);
    let mut text = String::new();
    for number in 0..queues {
        writeln!(
            text,
            "{{\"type\":\"interaction\",\"interaction_id\":\"{number}\",\"ended_at\":1772438400000,\
             \"talk_seconds\":1,\"queue\":\"queue {number}\"}}"
        )
        .expect("text grows");
    }
    // 1 KiB a record beside what is always there.
    let result = replay_within(
        LITTLE_KIB + queues,
        text.as_bytes(),
        "[breakdown]\nmax_keys = 1000\n",
    );
    assert_eq!(rejected(&result), &json!({}));
    let rows = result["kpis"].as_array().expect("rows").iter();
    let aht: Vec<&Value> = rows
        .filter(|row| row["kpi"] == "aht" && row["window"] == "1h")
        .collect();
    let of_queues = aht.iter().filter(|row| row["breakdown"] == "queue");
    assert_eq!(
        of_queues.clone().count(),
        1001,
        "1000 keys and what overflows"
    );
    let overflow = of_queues
        .clone()
        .find(|row| row["key"]["queue"] == "__overflow__");
    let overflow = overflow.expect("the rest");
    assert_eq!(overflow["samples"], queues - 1000);
    let overall = aht.iter().find(|row| row["breakdown"] == "overall");
    assert_eq!(overall.expect("overall")["samples"], queues);
}

/// Values of queues as nobody should name one.
const ODD_QUEUES: [&str; 12] = [
    "quote\" back\\slash",
    "line\nfeed",
    "return\r\nand more",
    "tab\tbell\u{7}",
    "nul\u{0}",
    "escape\u{1b}[31m",
    "line\u{2028}separator",
    "\u{202e}right to left",
    "}{\",cx_fake_total{x=\"",
    "# HELP cx_fake_total\n# TYPE cx_fake_total counter\ncx_fake_total 1",
    "</script><script>alert(1)</script>",
    "😀",
];

/// A server that takes messages of 16 MiB.
fn large_broker(binary: &Path, folder: &Path) -> Broker {
    let file = folder.join("nats.conf");
    fs::write(&file, "max_payload: 16777216\nmax_pending: 67108864\n").expect("a file");
    let mut broker = Broker::prepare(binary, folder)
        .argument("-c")
        .argument(file.display().to_string());
    broker.start();
    broker
}

struct Sent {
    events: u64,
    rejected: Vec<(&'static str, u64)>,
}

/// Publishes what is odd and what is wrong.
fn publish(nats: &mut RawNats, now_ms: i64) -> Sent {
    let event = |id: String, queue: &str| {
        json!({"type": "interaction", "interaction_id": id, "ended_at": now_ms - 60_000,
            "queue": queue, "talk_seconds": 10})
        .to_string()
    };
    let mut texts: Vec<Vec<u8>> = Vec::new();
    for (number, queue) in ODD_QUEUES.iter().enumerate() {
        texts.push(event(format!("odd-{number}"), queue).into());
    }
    texts.push(event("long".into(), &"é".repeat(400)).into());
    for batch in 0..30 {
        let lines = (0..100).map(|number| {
            event(
                format!("{batch}-{number}"),
                &format!("queue {batch} {number}"),
            )
        });
        texts.push(lines.collect::<Vec<_>>().join("\n").into());
    }
    let good = 12 + 1 + 3000;
    let size = 8 * 1024 * 1024;
    let most = u64::try_from(size / 32).expect("a count");
    let ones = "1,".repeat(size / 2 - 2);
    texts.push(format!("[{ones}1]").into());
    texts.push(vec![b'{'; size]);
    texts.push("[".repeat(10_000).into());
    texts.push(b"{\"type\":\"interaction\",\"queue\":\"\xff\xfe\"}".to_vec());
    texts.push(
        event("injected".into(), "q")
            .replace("\"interaction\"", "\"x\\r\\nCx-Injected: 1\"")
            .into(),
    );
    texts.push(
        event("injected".into(), "q")
            .replace(":10", ":\"10\\r\\nCx-Injected: 1\"")
            .into(),
    );
    let messages = texts
        .into_iter()
        .map(|text| Publish::new("cx.interactions.a", text).header("Cx-Injected", "1"));
    nats.publish_acknowledged(messages).expect("stored");
    Sent {
        events: good + (most + 1) + 5,
        rejected: vec![
            ("invalid_json", most + 2),
            ("too_large", 2),
            ("unknown_type", 1),
            ("invalid_field", 1),
        ],
    }
}

#[test]
fn the_service_counts_what_is_hostile_and_its_page_stays_valid() {
    let nats_server = require_tool!("nats-server");
    let promtool = require_tool!("promtool");
    let folder = tempfile::tempdir().expect("a folder");
    let broker = large_broker(&nats_server, folder.path());
    let mut nats = broker.client();
    let none = json!({});
    nats.create_stream("CX", &["cx.interactions.>", "cx.surveys.>"], &none)
        .expect("a stream");
    nats.create_stream("DEAD", &["cx.dead_letter"], &none)
        .expect("a stream");
    let sent = publish(&mut nats, SystemClock.now().as_millis());
    let (base, address) = Service::base_config(&broker.url(), folder.path());
    // The name of a field is all that a detail says of an event, and the configuration gives it.
    let tables = "[events]\nkind_field = \"type\"\n\n\
        [events.fields.interaction]\ntalk_seconds = \"talk_seconds\"\n\n\
        [breakdown]\nmax_keys = 100\n\n[dead_letter]\nmax_per_second = 50\n";
    let mut service = Service::start(&format!("{base}{tables}"), &address, folder.path());
    let page = service.wait_for_metrics("all events", WITHIN, |page| {
        page.count("cxpulse_events_received_total") >= sent.events
            && page.has_family("cx_interactions_total")
    });
    assert_eq!(page.count("cxpulse_events_received_total"), sent.events);
    for (reason, count) in &sent.rejected {
        let found = page.value("cxpulse_events_rejected_total", &[("reason", reason)]);
        assert_eq!(
            found.map(|found| found.to_string()),
            Some(count.to_string()),
            "{reason}"
        );
    }
    assert_eq!(
        page.count("cxpulse_events_applied_total") + page.count("cxpulse_events_rejected_total"),
        sent.events
    );
    assert_bounded(&page);
    let text = service.metrics_text();
    assert_eq!(check_metrics(&promtool, &text), "");
    assert!(!text.lines().any(|line| line.starts_with("cx_fake_total")));
    let seen = |queue: &str| {
        let labels = [("queue", queue), ("breakdown", "queue"), ("window", "1h")];
        page.value("cx_aht_seconds", &labels).is_some()
    };
    assert!(
        ODD_QUEUES.iter().all(|queue| seen(queue)),
        "each as it came"
    );
    assert!(seen(&"é".repeat(128)), "cut at a character to 256 bytes");
    assert_letters(&mut nats, &mut service);
    let api = service.kpis("breakdown=queue&kpi=aht&window=1h");
    assert_eq!(api["kpis"].as_array().map(Vec::len), Some(101));
}

/// A hundred keys and the rest, whatever came; and little memory.
fn assert_bounded(page: &Page) {
    let interactions = page.series().iter().filter(|series| {
        series.name == "cx_interactions_total"
            && series
                .labels
                .get("breakdown")
                .is_some_and(|name| name == "queue")
            && series
                .labels
                .get("abandoned")
                .is_some_and(|flag| flag == "false")
    });
    assert_eq!(interactions.count(), 101);
    let overflow = page.value(
        "cxpulse_breakdown_overflow_total",
        &[("breakdown", "queue")],
    );
    assert_eq!(
        overflow.map(|count| count.to_string()),
        Some((3013 - 100).to_string())
    );
    assert_eq!(page.count("cxpulse_dimensions_truncated_total"), 1);
    let resident = page.count("process_resident_memory_bytes");
    assert!(resident < 700 << 20, "{resident} bytes");
}

/// Dead letters: at most so many a second, each with our six headers and no others.
fn assert_letters(nats: &mut RawNats, service: &mut Service) {
    let outcomes = |page: &Page| page.count("cxpulse_dead_letters_total");
    let rejects = 262_144 + 1 + 5;
    let page = service.wait_for_metrics("outcomes", WITHIN, |page| outcomes(page) >= rejects);
    assert_eq!(outcomes(&page), rejects);
    let suppressed = page.value("cxpulse_dead_letters_total", &[("outcome", "suppressed")]);
    assert!(suppressed.is_some_and(|count| count > 0.0));
    let letters = nats.stored_messages("DEAD").expect("letters");
    assert!(!letters.is_empty());
    for letter in &letters {
        assert_eq!(letter.headers.len(), 6, "{:?}", letter.headers);
        assert_eq!(letter.header("Cx-Injected"), None);
        let detail = letter.header("Cx-Detail").expect("a detail");
        assert!(!detail.is_empty() && detail.len() <= 256 && !detail.contains(char::is_control));
    }
}

/// The name of a field is what a detail repeats, and a configuration can name it as it likes.
#[test]
fn no_field_name_makes_a_header() {
    let nats_server = require_tool!("nats-server");
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Broker::start_new(&nats_server, folder.path());
    let mut nats = broker.client();
    nats.create_stream(
        "CX",
        &["cx.interactions.>", "cx.surveys.>", "x.>"],
        &json!({}),
    )
    .expect("a stream");
    nats.create_stream("DEAD", &["cx.dead_letter"], &json!({}))
        .expect("a stream");
    let subject = Publish::new("x.y", "{\"a\":1}");
    nats.publish_acknowledged([subject]).expect("stored");
    let (base, address) = Service::base_config(&broker.url(), folder.path());
    // Line breaks are refused; what else ends a line somewhere is escaped.
    let name = |name: &str| {
        format!("{base}[source]\nsubjects = [\"x.>\"]\n\n[events]\nkind_field = \"{name}\"\n")
    };
    let broken = name("kind\\r\\nCx-Injected: 1");
    let refused = Service::spawn(&broken, &address, folder.path(), &[]).wait_for_end(WITHIN);
    assert_eq!(refused.code(), Some(3));
    let config = name("kind\\u2028\\u2029Cx-Injected: 1");
    let mut service = Service::start(&config, &address, folder.path());
    service.wait_for_metrics("a stored letter", WITHIN, |page| {
        page.value("cxpulse_dead_letters_total", &[("outcome", "stored")]) == Some(1.0)
    });
    let letters = nats.stored_messages("DEAD").expect("letters");
    let detail = letters[0].header("Cx-Detail").expect("a detail");
    let escaped = "kind\\u{2028}\\u{2029}Cx-Injected: 1: absent";
    assert!(detail.starts_with(escaped), "{detail}");
    assert_eq!(letters[0].headers.len(), 6, "{:?}", letters[0].headers);
}
