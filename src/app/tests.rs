//! Checkpoints of a real engine: damaged in every way, continued after a stop, and read from the
//! files of earlier versions.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::pipeline::Pipeline;
use super::recovery::{Rebuild, RecoveryError, fingerprint, recover};
use crate::checkpoint::{FORMAT_VERSION, FormatError, Head, Place, Store};
use crate::config::Config;
use crate::engine::{Engine, WaitingPolicy};
use crate::event::HashKey;
use crate::export::{self, Filter};
use crate::source::{Attached, Begin, Envelope, StreamIdentity};
use crate::time::Timestamp;

const KEY: HashKey = HashKey::from_bytes([7; 16]);
const START_MS: i64 = 1_780_000_000_000;
/// When the views of the tests are made.
const END: Timestamp = Timestamp::from_millis(START_MS + 7_200_000);

/// Contacts, surveys, corrections, duplicates, events that wait, and rejects: one a message, a
/// message every second. The same numbers always give the same messages.
fn messages(count: u64) -> Vec<Envelope> {
    let message = |number: u64| {
        let stored_ms = START_MS + i64::try_from(number).unwrap() * 1000;
        let chance = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        let ago = |range_ms: u64| stored_ms - i64::try_from(chance % range_ms).unwrap();
        // Some of the contacts are known already: a correction or a duplicate.
        let id = number - chance % 3;
        let (customer, queue) = (chance % 11, chance % 4);
        let text = match chance % 10 {
            0 => "not JSON".to_owned(),
            // Ahead of its store time: it waits. Far ahead: rejected.
            1 => contact(id, stored_ms + 50_000, customer, queue),
            2 => contact(id, stored_ms + 90_000, customer, queue),
            3 | 4 => format!(
                r#"{{"type":"survey","survey_id":"s{id}","submitted_at":{},"interaction_id":"i{id}","csat":{}}}"#,
                ago(500_000),
                1 + chance % 5
            ),
            // At the edge of the lateness.
            5 => contact(
                id,
                stored_ms - 86_390_000 + ago(50_000) - stored_ms,
                customer,
                queue,
            ),
            _ => contact(id, ago(3_000_000), customer, queue),
        };
        Envelope {
            sequence: number,
            stored_at: Timestamp::from_millis(stored_ms),
            subject: "cx.interactions.a".into(),
            headers: None,
            payload: text.into(),
        }
    };
    (1..=count).map(message).collect()
}

fn contact(id: u64, ended_ms: i64, customer: u64, queue: u64) -> String {
    format!(
        r#"{{"type":"interaction","interaction_id":"i{id}","ended_at":{ended_ms},"customer_id":"c{customer}","queue":"q{queue}","talk_seconds":{},"wait_seconds":{queue}}}"#,
        60 + id % 7
    )
}

fn pipeline(engine: Engine) -> Pipeline {
    Pipeline::new(Arc::new(Config::default().decode), KEY, engine)
}

fn fresh() -> Pipeline {
    pipeline(Engine::new(
        Arc::new(Config::default().engine),
        WaitingPolicy::Keep,
    ))
}

/// T follows the store times, as it does where a restored state catches up.
fn feed(pipeline: &mut Pipeline, messages: &[Envelope]) {
    for message in messages {
        pipeline.engine.advance(message.stored_at);
        pipeline.process(message, &mut |_| {});
    }
}

/// The figures and the accounting as text.
fn outcome(mut pipeline: Pipeline) -> String {
    pipeline.engine.advance(END);
    let view = pipeline.engine.view(END);
    let mut text = Vec::new();
    export::json::write_replay(&mut text, &view, &Filter::default()).unwrap();
    format!("{:?}\n{}", view.stats, String::from_utf8(text).unwrap())
}

fn save(pipeline: &mut Pipeline, store: &Store, number: u64, sequence: u64) -> PathBuf {
    let head = Head {
        fingerprint: fingerprint(&Config::default(), KEY),
        place: Some(place(sequence)),
    };
    let mut writing = store.begin(number, &head).unwrap();
    writing.section(&pipeline.engine.begin_capture()).unwrap();
    while let Some(section) = pipeline.engine.next_section() {
        writing.section(&section).unwrap();
    }
    writing.commit().unwrap();
    store.list().unwrap()[0].1.clone()
}

fn place(sequence: u64) -> Place {
    Place {
        stream: "CX".into(),
        created_ns: 17,
        sequence,
        stored_at: Timestamp::from_millis(START_MS),
        through: sequence,
    }
}

/// A directory with checkpoints 1 and 2 of 40 and 80 messages, and the path of the second.
fn two_checkpoints(folder: &Path) -> (Store, PathBuf) {
    let store = Store::new(folder, 3);
    let messages = messages(80);
    let mut pipeline = fresh();
    feed(&mut pipeline, &messages[..40]);
    save(&mut pipeline, &store, 1, 40);
    feed(&mut pipeline, &messages[40..]);
    let newest = save(&mut pipeline, &store, 2, 80);
    (store, newest)
}

fn recovered_sequence(store: &Store) -> Option<u64> {
    let recovered = recover(store, &Config::default(), KEY, false).unwrap();
    assert!(recovered.rebuild.is_none());
    recovered.place.map(|place| place.sequence)
}

/// Issue 4, show 5.
#[test]
fn a_stop_in_between_changes_no_fate() {
    let messages = messages(600);
    let mut whole = fresh();
    feed(&mut whole, &messages);
    let expected = outcome(whole);
    assert!(
        expected.contains("future") && expected.contains("too_late"),
        "{expected}"
    );
    for stop in [1, 77, 300, 599] {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path(), 3);
        let mut first = fresh();
        feed(&mut first, &messages[..stop]);
        save(&mut first, &store, 1, 0);
        // Ten minutes later; what came after the checkpoint comes once more.
        feed(&mut first, &messages[stop..]);
        let recovered = recover(&store, &Config::default(), KEY, false).unwrap();
        let mut second = pipeline(recovered.engine);
        feed(&mut second, &messages[stop..]);
        assert_eq!(outcome(second), expected, "stopped after {stop}");
        assert_eq!(outcome(first), expected, "captured after {stop}");
    }
}

#[test]
fn the_same_state_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path(), 3);
    let mut one = fresh();
    feed(&mut one, &messages(200));
    let mut other = fresh();
    feed(&mut other, &messages(200));
    let bytes = |path: PathBuf| fs::read(path).unwrap();
    let saved = bytes(save(&mut one, &store, 1, 0));
    assert!(saved == bytes(save(&mut other, &store, 2, 0)));
    let restored = recover(&store, &Config::default(), KEY, false).unwrap();
    assert!(saved == bytes(save(&mut pipeline(restored.engine), &store, 3, 0)));
}

/// Issue 4, show 3: every byte of a small checkpoint flipped in turn, and every length.
#[test]
fn no_flipped_byte_and_no_other_length_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let (store, path) = two_checkpoints(folder.path());
    every_damage(&store, &path, 1);
}

/// The same with a checkpoint of some size, at every so many bytes.
#[test]
fn no_damage_of_a_larger_checkpoint_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path(), 3);
    let mut pipeline = fresh();
    feed(&mut pipeline, &messages(4000));
    let path = save(&mut pipeline, &store, 2, 4000);
    every_damage(&store, &path, 1009);
}

fn every_damage(store: &Store, path: &Path, step: usize) {
    let bytes = fs::read(path).unwrap();
    store.read(2, path).unwrap();
    let file = OpenOptions::new().write(true).open(path).unwrap();
    for at in (0..bytes.len()).step_by(step) {
        let offset = u64::try_from(at).unwrap();
        file.write_all_at(&[!bytes[at]], offset).unwrap();
        assert!(store.read(2, path).is_err(), "byte {at}");
        file.write_all_at(&bytes[at..=at], offset).unwrap();
    }
    store.read(2, path).unwrap();
    for length in (0..bytes.len()).rev().step_by(step) {
        file.set_len(u64::try_from(length).unwrap()).unwrap();
        assert!(store.read(2, path).is_err(), "length {length}");
    }
}

#[test]
fn a_damaged_checkpoint_is_put_aside_and_the_one_before_it_taken() {
    let folder = tempfile::tempdir().unwrap();
    let (store, newest) = two_checkpoints(folder.path());
    let whole = fs::read(&newest).unwrap();
    let aside = newest.with_extension("corrupt");
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    let damages = [
        Vec::new(),
        whole[..whole.len() - 1].to_vec(),
        whole[..whole.len() / 2].to_vec(),
        [whole.as_slice(), b"more"].concat(),
        flipped(0),
        flipped(9),
        flipped(20),
        flipped(whole.len() / 2),
        flipped(whole.len() - 1),
    ];
    for (number, damage) in damages.iter().enumerate() {
        fs::write(&newest, damage).unwrap();
        assert_eq!(recovered_sequence(&store), Some(40), "damage {number}");
        assert!(!newest.exists() && aside.exists(), "damage {number}");
        fs::remove_file(&aside).unwrap();
    }
    // A link is not followed, whatever it leads to.
    let elsewhere = folder.path().join("elsewhere");
    fs::write(&elsewhere, &whole).unwrap();
    symlink(&elsewhere, &newest).unwrap();
    assert_eq!(recovered_sequence(&store), Some(40));
    fs::write(&newest, &whole).unwrap();
    assert_eq!(recovered_sequence(&store), Some(80));
}

#[test]
fn without_a_whole_checkpoint_it_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = two_checkpoints(folder.path());
    for (_, path) in store.list().unwrap() {
        fs::write(path, "nothing").unwrap();
    }
    assert_eq!(recovered_sequence(&store), None);
    assert!(store.list().unwrap().is_empty());
}

#[test]
fn a_newer_version_is_refused_with_words() {
    let folder = tempfile::tempdir().unwrap();
    let (store, newest) = two_checkpoints(folder.path());
    let mut bytes = fs::read(&newest).unwrap();
    bytes[8] = 99;
    let end = 16 + usize::from(bytes[12]);
    let checksum = xxhash_rust::xxh3::xxh3_64(&bytes[..end]);
    bytes[end..end + 8].copy_from_slice(&checksum.to_le_bytes());
    fs::write(&newest, &bytes).unwrap();
    assert!(matches!(
        store.read(2, &newest),
        Err(FormatError::Version { found: 99 })
    ));
    let config = Config::default();
    let refused = recover(&store, &config, KEY, false)
        .unwrap_err()
        .to_string();
    assert!(refused.contains("version 99") && refused.contains("--accept-state-reset"));
    assert!(newest.exists(), "it stays for the version that wrote it");
    let accepted = recover(&store, &config, KEY, true).unwrap();
    assert_eq!(accepted.place.map(|place| place.sequence), Some(40));
}

#[test]
fn another_configuration_stream_or_key_is_not_continued() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = two_checkpoints(folder.path());
    let mut other_stream = Config::default();
    other_stream.source.stream = "OTHER".into();
    let mut other_kpi = Config::default();
    other_kpi.engine.kpis.fcr.transfer_fails = false;
    let other_key = HashKey::from_bytes([8; 16]);
    let cases = [
        (other_stream, KEY),
        (other_kpi, KEY),
        (Config::default(), other_key),
    ];
    for (config, key) in cases {
        let recovered = recover(&store, &config, key, false).unwrap();
        assert_eq!(recovered.place, None);
        assert_eq!(
            recovered.rebuild.and_then(|rebuild| rebuild.place),
            Some(place(80))
        );
        let accepted = recover(&store, &config, key, true).unwrap();
        assert!(accepted.rebuild.is_none() && accepted.place.is_none());
    }
    // Bounds do not shape state.
    let mut bounds = Config::default();
    bounds.engine.max_entries = 5;
    let recovered = recover(&store, &bounds, KEY, false).unwrap();
    assert_eq!(recovered.place, Some(place(80)));
}

#[test]
fn state_is_rebuilt_only_from_a_stream_that_holds_what_it_takes() {
    let needed_from = Timestamp::from_millis(1000);
    let rebuild = Rebuild {
        place: Some(place(80)),
    };
    let attached = |created_ns, first_sequence, first_ms: Option<i64>| Attached {
        identity: StreamIdentity {
            name: "CX".into(),
            created_ns,
        },
        pending: 1,
        first_sequence,
        first_stored_at: first_ms.map(Timestamp::from_millis),
        last_sequence: 90,
        position: None,
    };
    let check = |found: &Attached, begin| rebuild.check(found, begin, needed_from);
    assert!(
        check(&attached(17, 1, Some(5000)), Begin::Earliest).is_ok(),
        "all there ever was"
    );
    assert!(
        check(&attached(17, 5, Some(1000)), Begin::Earliest).is_ok(),
        "far enough"
    );
    let later = attached(17, 5, Some(1001));
    assert!(check(&later, Begin::At(Timestamp::from_millis(1001))).is_ok());
    for (other, words) in [
        (later, "the stream begins at"),
        (attached(17, 91, None), "holds none"),
        (attached(18, 1, Some(0)), "this is CX@18"),
    ] {
        let refused = check(&other, Begin::Earliest).unwrap_err();
        assert!(matches!(refused, RecoveryError::History { .. }));
        assert!(refused.to_string().contains(words), "{refused}");
    }
}

fn fixture(version: u32) -> PathBuf {
    let name = format!("tests/fixtures/checkpoint-v{version}");
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// States of earlier format versions are refused with words, and nothing of them is touched.
#[test]
fn checkpoints_of_earlier_versions_are_refused() {
    for version in 1..FORMAT_VERSION {
        let store = Store::new(&fixture(version), 3);
        let (number, path) = store.list().unwrap().remove(0);
        let refused = store.read(number, &path).unwrap_err();
        assert!(matches!(refused, FormatError::Version { found } if found == version));
        let words = format!("format version {version} where this build reads {FORMAT_VERSION}");
        assert_eq!(refused.to_string(), words);
        assert!(path.exists());
    }
}

/// Each kind of sections has its end, and nothing behind it.
#[test]
fn a_state_without_its_ends_is_put_aside() {
    for twice in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = two_checkpoints(folder.path());
        let mut pipeline = fresh();
        feed(&mut pipeline, &messages(120));
        let head = Head {
            fingerprint: fingerprint(&Config::default(), KEY),
            place: Some(place(120)),
        };
        let mut writing = store.begin(3, &head).unwrap();
        writing.section(&pipeline.engine.begin_capture()).unwrap();
        while let Some(section) = pipeline.engine.next_section() {
            let times = match section.is_last() {
                true if twice => 2,
                true => 0,
                false => 1,
            };
            for _ in 0..times {
                writing.section(&section).unwrap();
            }
        }
        writing.commit().unwrap();
        assert_eq!(recovered_sequence(&store), Some(80), "{twice}");
    }
}

/// Issue 4, show 6. A state of the present format version gives the figures that it had. When this
/// fails, the format has changed: raise `FORMAT_VERSION`, keep this file, and read or refuse it with
/// words.
#[test]
fn the_checkpoint_of_this_version_is_read() {
    let fixture = || fixture(FORMAT_VERSION);
    let store = Store::new(&fixture(), 3);
    let (number, path) = store.list().unwrap().remove(0);
    let found = store.read(number, &path).unwrap();
    assert_eq!(found.head.place, Some(place(300)));
    let settings = Arc::new(Config::default().engine);
    let engine = Engine::restore(settings, WaitingPolicy::Keep, found.sections).unwrap();
    let expected = fs::read_to_string(fixture().join("expected.txt")).unwrap();
    assert_eq!(outcome(pipeline(engine)), expected);
}

#[test]
#[ignore = "writes the fixture of the present format version"]
fn writes_the_fixture() {
    let fixture = || fixture(FORMAT_VERSION);
    fs::create_dir_all(fixture()).unwrap();
    let mut pipeline = fresh();
    feed(&mut pipeline, &messages(300));
    save(&mut pipeline, &Store::new(&fixture(), 1), 1, 300);
    fs::write(fixture().join("expected.txt"), outcome(pipeline)).unwrap();
}
