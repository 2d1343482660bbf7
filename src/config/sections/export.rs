//! `[export]`: what is on the metrics page.

use crate::export::Settings;
use crate::kpi::{self, FcrMethod, Kpi};

use super::super::report::{Given, Report};
use super::super::section::Section;
use super::super::setting::{Fault, Setting};
use super::super::suggestion::nearest;
use super::super::tree::Node;
use super::window::Windows;

pub(super) fn read(
    root: &mut Section,
    report: &mut Report,
    kpis: &kpi::Settings,
    windows: &Windows,
) -> Settings {
    let default = Settings::default();
    let mut section = root.child(report, "export");
    let chosen = section.read(report, "kpis", default.kpis);
    for (index, kpi) in chosen.value.iter().enumerate() {
        if chosen.value.iter().take(index).any(|other| other == kpi) {
            report.problem(
                &chosen.at,
                format!("`{}` is listed twice", kpi.name()),
                "take one of them out",
            );
        }
    }
    if chosen.at.origin.is_given() {
        advise_on_absent(&chosen, kpis, windows, report);
    }
    let intervals = section.read(report, "intervals", default.intervals).value;
    let partials = section.read(report, "partials", default.partials).value;
    let max_series = section.read(report, "max_series", default.max_series);
    max_series.not_zero(report, "kpis = [] exports none");
    section.finish(report);
    Settings {
        kpis: chosen.value,
        intervals,
        partials,
        max_series: max_series.value,
    }
}

/// Some KPIs do not exist everywhere; on the page they would be missed in vain.
fn advise_on_absent(
    chosen: &Given<Vec<Kpi>>,
    kpis: &kpi::Settings,
    windows: &Windows,
    report: &mut Report,
) {
    let by_flag = kpis.fcr.method == FcrMethod::Flag;
    for kpi in &chosen.value {
        let followed = matches!(kpi, Kpi::FcrMature | Kpi::FcrCorrected);
        if followed && by_flag {
            report.warning(
                &chosen.at,
                format!(
                    "`{}` does not exist with kpis.fcr.method = \"flag\"",
                    kpi.name()
                ),
                "leave it out",
            );
        } else if *kpi == Kpi::FcrCorrected && !windows.any_longer_than(kpis.fcr.horizon) {
            report.warning(
                &chosen.at,
                "`fcr_corrected` exists only in windows longer than kpis.fcr.horizon",
                "add such a [[window]]",
            );
        }
    }
}

impl Setting for Kpi {
    fn parse(node: &Node) -> Result<Self, Fault> {
        let name = String::parse(node)?;
        Self::from_name(&name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name);
            let hint = match nearest(&name, names) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("one of {}", names.join(", ")),
            };
            Fault::new(format!("`{name}` is not a KPI"), hint)
        })
    }

    fn show(&self) -> String {
        self.name().to_owned().show()
    }
}
