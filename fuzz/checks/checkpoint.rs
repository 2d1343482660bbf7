//! Any bytes as a checkpoint or as the saved state of the alerts: refused, or taken, and then the
//! process goes on with it. Also bytes behind right checksums, which no disk makes by accident.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::library;
use library::alert::{Evaluator, State};
use library::app::Pipeline;
use library::checkpoint::{self, FORMAT_VERSION};
use library::config::{Config, SecretFiles, load_with};
use library::engine::{Engine, Section, SectionKind, WaitingPolicy};
use library::event::HashKey;
use library::source::Envelope;
use library::time::Timestamp;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

const KEY: HashKey = HashKey::from_bytes([3; 16]);
/// When the events of the state ended, milliseconds.
const START_MS: i64 = 1_772_438_400_000;

/// A configuration that keeps a bit of everything.
const CONFIG: &str = r#"
[[window]]
length = "10m"
[[window]]
length = "2h"
[breakdown]
sets = [[], ["queue"], ["channel", "queue"]]
max_keys = 3
[kpis.fcr]
horizon = "1h"
[[alert]]
name = "low"
kpi = "csat"
window = "2h"
breakdown = ["queue"]
below = 0.9
min_samples = 1
"#;

/// What the state was made with, and the state.
struct Base {
    config: Config,
    sections: Vec<Section>,
}

static BASE: LazyLock<Base> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cxpulse.toml");
    std::fs::write(&path, CONFIG).expect("a file");
    let loaded = load_with(Some(&path), std::iter::empty(), SecretFiles::Required);
    let config = loaded.expect("a right configuration").config;
    let mut pipeline = pipeline(&config, Engine::new(settings(&config), WaitingPolicy::Keep));
    feed(&mut pipeline, 40);
    let sections = capture(&mut pipeline.engine);
    Base { config, sections }
});

/// The first byte says what the others are.
pub(crate) fn check(input: &[u8]) {
    let Some((&what, rest)) = input.split_first() else {
        return;
    };
    match what % 3 {
        0 => file(rest),
        1 => pieces(rest),
        _ => alerts(rest),
    }
}

/// The file as it stands.
fn file(bytes: &[u8]) {
    let mut input = bytes;
    if let Ok((head, sections)) = checkpoint::read(&mut input) {
        assert!(input.is_empty(), "nothing is left unread");
        // Checksums over everything: only what was written is read.
        let again = write(&postcard::to_stdvec(&head).expect("a head"), &sections);
        let read = checkpoint::read(&mut again.as_slice()).expect("what is written can be read");
        assert_eq!(read, (head, sections));
    }
}

/// Pieces of a state, each `number, length as two bytes, bytes`; what is missing is as it was. The
/// number 255 is the head of the file. All checksums are right.
fn pieces(mut rest: &[u8]) {
    let base = &*BASE;
    let mut head = postcard::to_stdvec(&(7_u64, None::<()>)).expect("a head");
    let mut sections = base.sections.clone();
    while let [number, low, high, bytes @ ..] = rest {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(bytes.len());
        let (piece, others) = bytes.split_at(length);
        if *number == 255 {
            head = piece.to_vec();
        } else {
            let place = usize::from(*number);
            match sections.get_mut(place) {
                Some(section) => section.bytes = piece.to_vec(),
                None => sections.push(Section {
                    kind: SectionKind::from_number(number % 3 + 2).expect("one of the others"),
                    bytes: piece.to_vec(),
                }),
            }
        }
        rest = others;
    }
    let file = write(&head, &sections);
    let mut input = file.as_slice();
    let Ok((_, read)) = checkpoint::read(&mut input) else {
        return;
    };
    assert_eq!(read, sections);
    let settings = settings(&base.config);
    if let Ok(engine) = Engine::restore(settings, WaitingPolicy::Keep, read) {
        go_on(&base.config, engine);
    }
}

/// Takes events, passes time, shows and captures.
fn go_on(config: &Config, engine: Engine) {
    let mut pipeline = pipeline(config, engine);
    drop(pipeline.engine.view(pipeline.engine.now()));
    feed(&mut pipeline, 5);
    let later = START_MS + 4 * 3_600_000;
    pipeline.engine.advance(Timestamp::from_millis(later));
    drop(pipeline.engine.view(Timestamp::from_millis(later)));
    drop(capture(&mut pipeline.engine));
}

/// The saved state of the alerts.
fn alerts(text: &[u8]) {
    let Ok(state) = State::from_json(text) else {
        return;
    };
    let base = &*BASE;
    let key_ttl = Duration::from_hours(1);
    let mut evaluator = Evaluator::new(&base.config.alert, key_ttl).expect("right rules");
    let at = Timestamp::from_millis(START_MS);
    evaluator.restore(state, at);
    drop(evaluator.announce());
    drop(evaluator.snapshot());
    let mut engine = Engine::new(settings(&base.config), WaitingPolicy::Keep);
    engine.advance(at);
    evaluator.evaluate(&engine.view(at), at, false);
    let json = evaluator
        .state()
        .to_json()
        .expect("a state has a form in JSON");
    // A value that JSON has no number for cannot have come from JSON.
    State::from_json(&json).expect("what is written can be read");
}

fn settings(config: &Config) -> Arc<library::engine::Settings> {
    Arc::new(config.engine.clone())
}

fn pipeline(config: &Config, engine: Engine) -> Pipeline {
    Pipeline::new(Arc::new(config.decode.clone()), KEY, engine)
}

/// Contacts of few customers on few queues, some late, some corrected, with surveys.
fn feed(pipeline: &mut Pipeline, count: i64) {
    pipeline.engine.advance(Timestamp::from_millis(START_MS));
    for number in 0..count {
        let ended_at = START_MS - 7_000_000 + number * 170_000 % 7_100_000;
        let (record, customer, queue) = (number % 30, number % 4, number % 5);
        let payload = format!(
            "{{\"type\":\"interaction\",\"interaction_id\":\"i{record}\",\"ended_at\":{ended_at},\
             \"customer_id\":\"c{customer}\",\"queue\":\"q{queue}\",\"talk_seconds\":{number},\
             \"wait_seconds\":3,\"resolved\":true}}\n\
             {{\"type\":\"survey\",\"survey_id\":\"s{record}\",\"interaction_id\":\"i{record}\",\
             \"submitted_at\":{ended_at},\"csat\":{}}}",
            1 + number % 5
        );
        let envelope = Envelope {
            stored_at: Timestamp::from_millis(START_MS),
            payload: payload.into(),
            ..Envelope::default()
        };
        pipeline.process(&envelope, &mut |_| {});
    }
}

fn capture(engine: &mut Engine) -> Vec<Section> {
    let mut sections = vec![engine.begin_capture()];
    sections.extend(std::iter::from_fn(|| engine.next_section()));
    sections
}

/// The format once more, from its description.
fn write(head: &[u8], sections: &[Section]) -> Vec<u8> {
    let mut file = b"CXPULSE\n".to_vec();
    file.extend(FORMAT_VERSION.to_le_bytes());
    file.extend(
        u32::try_from(head.len())
            .expect("a short head")
            .to_le_bytes(),
    );
    file.extend(head);
    file.extend(xxh3_64(&file).to_le_bytes());
    let mut all = Xxh3::new();
    for Section { kind, bytes } in sections {
        let begin = file.len();
        file.push(kind.number());
        file.extend(u64::try_from(bytes.len()).expect("a length").to_le_bytes());
        file.extend(bytes);
        let checksum = xxh3_64(&file[begin..]).to_le_bytes();
        file.extend(checksum);
        all.update(&checksum);
    }
    file.push(0);
    file.extend(
        u64::try_from(sections.len())
            .expect("a count")
            .to_le_bytes(),
    );
    file.extend(all.digest().to_le_bytes());
    file
}

/// Inputs to begin with: the pieces of a real state, one a time and all together, and a whole file.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let base = &*BASE;
    let head = postcard::to_stdvec(&(7_u64, None::<()>)).expect("a head");
    let filled = &base.sections[..];
    let mut all = vec![1];
    let mut seeds = vec![[vec![0], write(&head, &filled[..filled.len().min(3)])].concat()];
    for (number, section) in (0..).zip(filled) {
        let length = u16::try_from(section.bytes.len()).expect("a small section");
        let mut piece = vec![number];
        piece.extend(length.to_le_bytes());
        piece.extend(&section.bytes);
        all.extend(&piece);
        let is_new = section.kind != SectionKind::Ledger || number < 4;
        if is_new {
            seeds.push([vec![1], piece].concat());
        }
    }
    seeds.push(all);
    let mut evaluator = Evaluator::new(&base.config.alert, Duration::from_hours(1)).expect("rules");
    let mut engine = Engine::restore(
        settings(&base.config),
        WaitingPolicy::Keep,
        base.sections.clone(),
    )
    .expect("a real state");
    let at = Timestamp::from_millis(START_MS + 60_000);
    engine.advance(at);
    evaluator.evaluate(&engine.view(at), at, false);
    seeds.push([vec![2], evaluator.state().to_json().expect("a state")].concat());
    seeds
}
