//! `[board]`: what the wallboard shows.

use crate::http::Board;
use crate::kpi::Kpi;

use super::super::report::Report;
use super::super::section::Section;
use super::window::Windows;

pub(super) fn read(root: &mut Section, report: &mut Report, windows: &Windows) -> Board {
    let default = Board::default();
    let mut section = root.child(report, "board");
    let title = section.read(report, "title", default.title).value;
    let window = section.optional::<String>(report, "window");
    if let Some(window) = &window {
        window.must(
            windows.has(&window.value),
            report,
            "is not a window",
            "one of [[window]]: a length, or \"since 00:00 Europe/Rome\"",
        );
    }
    let tiles = section.read(report, "tiles", default.tiles);
    for (index, kpi) in tiles.value.iter().enumerate() {
        if tiles.value.iter().take(index).any(|other| other == kpi) {
            report.problem(
                &tiles.at,
                format!("`{}` is listed twice", kpi.name()),
                "take one of them out",
            );
        }
        tiles.must(
            *kpi != Kpi::HandleTime,
            report,
            "`handle_time` is several figures and has no tile",
            "take `aht`",
        );
    }
    let min_samples = section.read(report, "min_samples", default.min_samples);
    let stale_after = section.read(report, "stale_after", default.stale_after);
    stale_after.not_zero(report, "the default is \"30s\"");
    let mut targets = section.child(report, "targets");
    let mut read_target = |kpi: Kpi| {
        let target = match default.targets.get(&kpi) {
            Some(target) => Some(targets.read(report, kpi.name(), *target).value),
            None => targets
                .optional::<f64>(report, kpi.name())
                .map(|target| target.value),
        };
        target.map(|target| (kpi, target))
    };
    let with_one_value = Kpi::ALL.into_iter().filter(|kpi| *kpi != Kpi::HandleTime);
    let by_kpi = with_one_value.filter_map(&mut read_target).collect();
    targets.finish(report);
    section.finish(report);
    Board {
        title,
        window: window.map(|window| window.value),
        tiles: tiles.value,
        targets: by_kpi,
        min_samples: min_samples.value,
        stale_after: stale_after.value,
    }
}
