//! Row 6: a page of 100 000 series, written from its view and served, against the prometheus crate
//! with the same series.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use cxpulse::engine::View;
use cxpulse::export::Settings as Export;
use cxpulse::export::prometheus::Renderer;
use cxpulse::http::{Exported, Server, Settings, Shared};
use cxpulse::telemetry::{KnownLabels, SelfMetrics};
use cxpulse::time::{Clock, ManualClock};
use prometheus::{GaugeVec, Opts, Registry, TextEncoder};
use tokio::net::TcpListener;

use crate::measure::{median_ms, wall};
use crate::row::Row;
use crate::sizes::scaled;
use crate::state::Shape;
use crate::support::http;
use crate::support::page::{Page, Series};

/// How often each is measured, in turn.
const REPEATS: usize = 15;

/// Row 6.
pub(crate) fn rows() -> Vec<Row> {
    let view = view_of(usize::try_from(scaled(100_000)).unwrap());
    let export = export();
    let mut renderer = Renderer::default();
    let page = renderer.render(&view, &export, &[], &[]);
    let registry = anchor(&Page::parse(&page.text));
    let serving = Serving::start(&view, &export);
    let (mut theirs, mut ours, mut gzip, mut plain) = (vec![], vec![], vec![], vec![]);
    for _ in 0..REPEATS {
        theirs.push(
            wall(|| {
                TextEncoder::new()
                    .encode_to_string(&registry.gather())
                    .unwrap()
            })
            .0,
        );
        ours.push(wall(|| renderer.render(&view, &export, &[], &[])).0);
        gzip.push(serving.scrape(&[("Accept-Encoding", "gzip")]));
        plain.push(serving.scrape(&[]));
    }
    let (theirs, ours) = (median_ms(&theirs), median_ms(&ours));
    let (gzip, plain) = (median_ms(&gzip), median_ms(&plain));
    let row = |number, what: &str, measured, figure, bar, aim| Row {
        number,
        what: format!(
            "{what} of {} series; against prometheus gather + encode",
            page.series
        ),
        measured,
        figure,
        unit: "x",
        bar,
        aim,
        more_is_better: true,
    };
    let bytes = page.text.len() as f64 / 1e6;
    vec![
        row(
            "6a",
            "a view rendered",
            format!("{ours:.1} ms for {bytes:.1} MB; prometheus {theirs:.0} ms"),
            theirs / ours,
            25.0,
            60.0,
        ),
        row(
            "6b",
            "a scrape of a rendered view, gzip, on a new connection,",
            format!("{gzip:.2} ms, without gzip {plain:.2} ms; prometheus {theirs:.0} ms"),
            theirs / gzip,
            100.0,
            150.0,
        ),
    ]
}

fn export() -> Export {
    Export {
        max_series: 10_000_000,
        ..Export::default()
    }
}

/// A view by queue and channel with as many keys as make so many series.
pub(crate) fn view_of(series: usize) -> View {
    let mut shape = Shape::of_entries(100_000).with_keys(4000);
    shape.engine.breakdowns = vec![vec!["queue".into(), "channel".into()]];
    let mut subject = shape.begin();
    subject.feed_lines(200_000);
    let at = subject.feed.now().plus_millis(1);
    let mut view = subject.pipeline.engine.view(at);
    let export = export();
    let count = |of: &View| Renderer::default().render(of, &export, &[], &[]).series;
    // Keys differ in what they have: halve the error until it is small.
    loop {
        let keys = &view.breakdowns[0].keys;
        let (have, all) = (count(&view), keys.len());
        let keep = all * series / have.max(1);
        if keep >= all {
            return view;
        }
        view.breakdowns[0].keys.truncate(keep.max(1));
        if have.abs_diff(series) < series / 50 {
            return view;
        }
    }
}

/// The series of a page as gauges of the prometheus crate.
fn anchor(page: &Page) -> Registry {
    let mut families: BTreeMap<&str, Vec<&Series>> = BTreeMap::new();
    for series in page.series() {
        families.entry(&series.name).or_default().push(series);
    }
    let registry = Registry::new();
    for (name, series) in families {
        let labels: Vec<&str> = series[0].labels.keys().map(String::as_str).collect();
        let family = GaugeVec::new(Opts::new(name, "A family of the page."), &labels).unwrap();
        registry.register(Box::new(family.clone())).unwrap();
        for one in series {
            let values: Vec<&str> = one.labels.values().map(String::as_str).collect();
            family.with_label_values(&values).set(one.value);
        }
    }
    registry
}

/// The HTTP server of cxpulse with a view, on threads of its own.
#[derive(Debug)]
struct Serving {
    address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

impl Serving {
    fn start(view: &View, export: &Export) -> Self {
        // A manual clock: the page never becomes too old to be served again.
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(view.at.unwrap()));
        let registry = Registry::new();
        let metrics =
            SelfMetrics::new(&registry, Arc::clone(&clock), KnownLabels::default()).unwrap();
        let settings = Settings::default();
        let shared = Shared::new(&settings, registry, metrics, clock, Arc::new(view.clone()));
        shared.set_exported(Exported {
            settings: export.clone(),
            extras: Vec::new(),
        });
        shared.set_caught_up();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::new(shared, &settings).unwrap();
        runtime.spawn(server.serve(listener, std::future::pending()));
        let serving = Self {
            address,
            _runtime: runtime,
        };
        // The first scrape renders and compresses.
        serving.scrape(&[("Accept-Encoding", "gzip")]);
        serving
    }

    fn scrape(&self, headers: &[(&str, &str)]) -> Duration {
        thread::yield_now();
        let address = self.address.to_string();
        let (took, answer) =
            wall(|| http::request(&address, "GET", "/metrics", headers, b"").unwrap());
        assert_eq!(answer.status, 200);
        took
    }
}
