//! Disks that fail, streams that are not what they were, configurations that changed: what cxpulse
//! does, as `docs/recovery.md` has it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use cxpulse::time::{Clock, SystemClock};
use serde_json::json;
use tempfile::TempDir;

use crate::support::broker::Broker;
use crate::support::nats_raw::{Publish, RawNats};
use crate::support::page::Page;
use crate::support::process;
use crate::support::service::Service;
use crate::support::tools::{require_tool, skip_or_fail};

const WITHIN: Duration = Duration::from_mins(1);

/// A server with a stream of contacts that all count in the 24h window, but for the first one: it
/// is older, so that the window is complete.
struct Scene {
    broker: Broker,
    nats: RawNats,
    next: u32,
    base: String,
    address: String,
    folder: TempDir,
}

impl Scene {
    fn new(nats_server: &Path, stream: &serde_json::Value) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let broker = Broker::start_new(nats_server, folder.path());
        let (base, address) = Service::base_config(&broker.url(), folder.path());
        let base = base.replace("[checkpoint]\n", "[checkpoint]\ninterval = \"100ms\"\n");
        let mut scene = Self {
            nats: broker.client(),
            broker,
            next: 0,
            base,
            address,
            folder,
        };
        scene.create_stream(stream);
        scene.publish(1, 30 * 3_600_000);
        scene.publish(30, 3_600_000);
        scene
    }

    fn create_stream(&mut self, more: &serde_json::Value) {
        let subjects = ["cx.interactions.>", "cx.surveys.>"];
        let made = self.nats.create_stream("CX", &subjects, more);
        made.expect("a new stream");
    }

    /// Publishes new contacts that ended so long ago.
    fn publish(&mut self, contacts: u32, ago_ms: i64) {
        let ended_at = SystemClock.now().as_millis() - ago_ms;
        let messages = (self.next..self.next + contacts).map(|number| {
            let event = json!({
                "interaction_id": format!("i-{number}"), "ended_at": ended_at,
                "talk_seconds": 100, "queue": "sales",
            });
            Publish::new("cx.interactions.a", event.to_string())
        });
        self.nats.publish_acknowledged(messages).expect("stored");
        self.next += contacts;
    }

    fn start(&self) -> Service {
        Service::start(&self.base, &self.address, self.folder.path())
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Starts, reads all 30, and stops in order.
    fn read_once(&self) {
        let mut service = self.start();
        let page = wait_for(&mut service, 30);
        assert_eq!(complete(&page), Some(1.0));
        assert!(service.stop().success());
    }
}

/// Waits until so many contacts count in the 24h window.
fn wait_for(service: &mut Service, contacts: u32) -> Page {
    let what = format!("{contacts} contacts");
    service.wait_for_metrics(&what, WITHIN, |page| {
        assert!(page.value("cxpulse_stream_lag_messages", &[]) >= Some(0.0));
        samples(page) == Some(f64::from(contacts))
    })
}

fn samples(page: &Page) -> Option<f64> {
    let place = [("kpi", "aht"), ("window", "24h"), ("breakdown", "overall")];
    page.value("cx_kpi_samples", &place)
}

fn complete(page: &Page) -> Option<f64> {
    page.value("cxpulse_window_complete", &[("window", "24h")])
}

fn failures(page: &Page) -> u64 {
    page.count("cxpulse_checkpoint_failures_total")
}

fn last_success(page: &Page) -> f64 {
    let name = "cxpulse_checkpoint_last_success_timestamp_seconds";
    page.value(name, &[]).expect("a family of its own")
}

/// A checkpoint that was begun after now: the second one from now on.
fn wait_for_checkpoint(service: &mut Service) {
    for _ in 0..2 {
        let before = last_success(&service.metrics());
        service.wait_for_metrics("a checkpoint", WITHIN, |page| last_success(page) > before);
    }
}

/// Removes a folder, also while a checkpoint is being written into it.
fn remove_folder(folder: &Path) {
    process::wait_until("removed folder", Duration::from_mins(1), || {
        fs::remove_dir_all(folder).is_ok() || !folder.exists()
    });
}

#[test]
fn a_removed_directory_is_made_again_with_its_key() {
    let binary = require_tool!("nats-server");
    let mut scene = Scene::new(&binary, &json!({}));
    let mut service = scene.start();
    wait_for(&mut service, 30);
    wait_for_checkpoint(&mut service);
    let key = fs::read(scene.state().join("key")).unwrap();
    remove_folder(&scene.state());
    scene.publish(5, 1000);
    wait_for(&mut service, 35);
    wait_for_checkpoint(&mut service);
    assert_eq!(fs::read(scene.state().join("key")).unwrap(), key);
    service.kill();
    // The stream is gone: what is known comes from the directory alone.
    scene.nats.purge_stream("CX", &json!({})).unwrap();
    let mut again = scene.start();
    wait_for(&mut again, 35);
    assert!(again.stop().success());
}

/// Spoils the disk under a running cxpulse: checkpoints fail, which is counted and said, and events
/// count all the same. Once it is mended, a checkpoint has everything. What `spoil` gives is kept
/// until then, and handed to `look` as often as the page is looked at.
fn survives<T>(
    scene: &mut Scene,
    spoil: impl FnOnce() -> T,
    mut look: impl FnMut(&mut T),
    mend: impl FnOnce(T),
) {
    let mut service = scene.start();
    wait_for(&mut service, 30);
    wait_for_checkpoint(&mut service);
    let mut spoilt = spoil();
    let before = failures(&service.metrics());
    service.wait_for_metrics("failures", WITHIN, |page| {
        look(&mut spoilt);
        failures(page) >= before + 2
    });
    scene.publish(5, 1000);
    wait_for(&mut service, 35);
    assert!(service.log().contains("checkpoint failed"));
    mend(spoilt);
    wait_for_checkpoint(&mut service);
    service.kill();
    let mut again = scene.start();
    wait_for(&mut again, 35);
    assert!(again.stop().success());
}

#[test]
fn a_file_in_place_of_the_directory_is_counted_and_survived() {
    let binary = require_tool!("nats-server");
    let mut scene = Scene::new(&binary, &json!({}));
    let state = scene.state();
    let spoil = || {
        remove_folder(&state);
        // Between the two a checkpoint may have made the directory again.
        while fs::write(&state, "not a directory").is_err() {
            fs::remove_dir_all(&state).ok();
        }
    };
    survives(
        &mut scene,
        spoil,
        |()| {},
        |()| fs::remove_file(&state).unwrap(),
    );
}

/// A small file system in memory; gone with the test.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir_all(at).ok()?;
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
            .arg(at);
        let output = mount.output().ok()?;
        output.status.success().then(|| Self(at.to_owned()))
    }
}

impl SmallDisk {
    /// Makes it read-only (`ro`) or writable again (`rw`), as soon as no file on it is being written.
    fn remount(&self, how: &str) {
        process::wait_until(&format!("remount,{how}"), WITHIN, || {
            let mut mount = Command::new("mount");
            mount.args(["-o", &format!("remount,{how}")]).arg(&self.0);
            mount.stderr(Stdio::null());
            mount.status().expect("mount").success()
        });
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

#[test]
fn a_full_disk_is_counted_and_survived() {
    let binary = require_tool!("nats-server");
    let mut scene = Scene::new(&binary, &json!({}));
    let Some(_disk) = SmallDisk::mount(&scene.state()) else {
        skip_or_fail!("no right to mount a small file system");
    };
    let filler = scene.state().join("filler");
    let fill = |file: &mut fs::File| while file.write_all(&[0; 512]).is_ok() {};
    let spoil = || {
        let mut file = fs::File::create(&filler).unwrap();
        fill(&mut file);
        file
    };
    let mend = |file| {
        drop(file);
        fs::remove_file(&filler).unwrap();
    };
    // The old generations are pruned by nobody now; what is free is less than a checkpoint.
    survives(&mut scene, spoil, fill, mend);
}

#[test]
fn a_read_only_disk_is_counted_and_survived() {
    let binary = require_tool!("nats-server");
    let mut scene = Scene::new(&binary, &json!({}));
    let Some(disk) = SmallDisk::mount(&scene.state()) else {
        skip_or_fail!("no right to mount a small file system");
    };
    let spoil = || disk.remount("ro");
    survives(&mut scene, spoil, |()| {}, |()| disk.remount("rw"));
}

#[test]
fn a_recreated_stream_is_read_anew_and_history_is_incomplete() {
    let binary = require_tool!("nats-server");
    let mut scene = Scene::new(&binary, &json!({}));
    scene.read_once();
    scene.nats.delete_stream("CX").unwrap();
    scene.create_stream(&json!({}));
    scene.publish(10, 1000);
    // Five of them once more.
    scene.next -= 5;
    scene.publish(5, 1000);
    let mut service = scene.start();
    let page = wait_for(&mut service, 40);
    assert_eq!(complete(&page), Some(0.0));
    assert!(service.log().contains("the stream was recreated"));
    // The counters begin anew.
    assert_eq!(page.count("cxpulse_events_received_total"), 15);
    assert_eq!(page.count("cxpulse_events_applied_total"), 10);
    assert!(service.stop().success());
}

#[test]
fn what_was_purged_or_expired_unread_is_counted() {
    let binary = require_tool!("nats-server");
    for (limits, lost) in [(json!({}), 5.0), (json!({ "max_msgs": 31 }), 4.0)] {
        let mut scene = Scene::new(&binary, &limits);
        scene.read_once();
        if lost > 4.5 {
            scene.publish(5, 1000);
            scene.nats.purge_stream("CX", &json!({})).unwrap();
            scene.publish(3, 1000);
        } else {
            scene.publish(35, 1000);
        }
        let read = if lost > 4.5 { 33 } else { 61 };
        let mut service = scene.start();
        let page = wait_for(&mut service, read);
        assert_eq!(complete(&page), Some(0.0));
        let gap = page.value("cxpulse_stream_gap_messages_total", &[]);
        assert_eq!(gap, Some(lost));
        assert!(service.stop().success());
    }
}

#[test]
fn a_lost_tail_is_told_and_new_messages_count() {
    let binary = require_tool!("nats-server");
    let mut scene = Scene::new(&binary, &json!({}));
    let jetstream = scene.folder.path().join("jetstream");
    let saved = scene.folder.path().join("saved");
    scene.broker.stop();
    copy(&jetstream, &saved);
    scene.broker.start();
    scene.nats = scene.broker.client();
    scene.publish(10, 1000);
    let mut service = scene.start();
    wait_for(&mut service, 40);
    assert!(service.stop().success());

    scene.broker.stop();
    fs::remove_dir_all(&jetstream).unwrap();
    copy(&saved, &jetstream);
    scene.broker.start();
    scene.nats = scene.broker.client();
    let mut again = scene.start();
    wait_for(&mut again, 40);
    scene.publish(5, 1000);
    let page = wait_for(&mut again, 45);
    assert_eq!(complete(&page), Some(0.0));
    assert!(again.log().contains("the stream ends before our position"));
    assert!(again.stop().success());
}

#[test]
fn a_changed_configuration_is_rebuilt_or_refused() {
    let binary = require_tool!("nats-server");
    let mut scene = Scene::new(&binary, &json!({}));
    scene.read_once();
    let before = scene.base.clone();
    scene.base = format!("{before}[kpis]\nshort_abandon = \"6s\"\n");
    let mut service = scene.start();
    let page = wait_for(&mut service, 30);
    assert_eq!(complete(&page), Some(1.0), "rebuilt from the whole stream");
    assert!(
        service
            .log()
            .contains("the state is rebuilt from the stream")
    );
    assert!(service.stop().success());

    // Now the stream lacks its first ten messages.
    scene
        .nats
        .purge_stream("CX", &json!({ "seq": 11 }))
        .unwrap();
    let kept = scene.base.clone();
    scene.base = before;
    for _ in 0..2 {
        let mut refused = Service::spawn(&scene.base, &scene.address, scene.folder.path(), &[]);
        assert_eq!(refused.wait_for_end(WITHIN).code(), Some(1));
        let log = refused.log();
        assert!(log.contains("--accept-state-reset"), "{log}");
    }
    // Nothing was lost by it.
    let changed = std::mem::replace(&mut scene.base, kept);
    scene.read_once();
    let (base, folder) = (&changed, scene.folder.path());
    let mut reset = Service::spawn(base, &scene.address, folder, &["--accept-state-reset"]);
    reset.wait_for_answer();
    let lacking = wait_for(&mut reset, 21);
    assert_eq!(complete(&lacking), Some(0.0));
    assert!(reset.stop().success());
}

#[test]
fn core_nats_keeps_the_figures_and_says_what_it_cannot_know() {
    let binary = require_tool!("nats-server");
    let mut scene = Scene::new(&binary, &json!({}));
    scene.base += "[source]\nmode = \"core\"\n";
    let mut service = scene.start();
    service.wait_until_ready(WITHIN);
    scene.publish(1, 30 * 3_600_000);
    scene.publish(10, 1000);
    let page = wait_for(&mut service, 10);
    assert_eq!(complete(&page), Some(0.0));
    wait_for_checkpoint(&mut service);
    service.kill();
    scene.publish(3, 1000);
    let mut again = scene.start();
    let restored = wait_for(&mut again, 10);
    assert_eq!(
        restored.count("cxpulse_events_received_total"),
        0,
        "a clean 0"
    );
    scene.publish(5, 1000);
    let grown = wait_for(&mut again, 15);
    assert_eq!(grown.count("cxpulse_events_received_total"), 5);
    assert_eq!(complete(&grown), Some(0.0));
    assert!(again.stop().success());
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-R").arg(from).arg(to).status();
    assert!(status.expect("cp runs").success());
}
