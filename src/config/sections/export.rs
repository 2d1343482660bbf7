//! `[export]`: what is on the metrics page.

use crate::export::Settings;
use crate::kpi::Kpi;

use super::super::report::Report;
use super::super::section::Section;
use super::super::setting::{Fault, Setting};
use super::super::suggestion::nearest;
use super::super::tree::Node;

pub(super) fn read(root: &mut Section, report: &mut Report) -> Settings {
    let default = Settings::default();
    let mut section = root.child(report, "export");
    let kpis = section.read(report, "kpis", default.kpis);
    for (index, kpi) in kpis.value.iter().enumerate() {
        if kpis.value.iter().take(index).any(|other| other == kpi) {
            report.problem(&kpis.at, format!("`{}` is listed twice", kpi.name()), "");
        }
    }
    let intervals = section.read(report, "intervals", default.intervals).value;
    let partials = section.read(report, "partials", default.partials).value;
    let max_series = section.read(report, "max_series", default.max_series);
    max_series.must(max_series.value > 0, report, "must be above 0", "");
    section.finish(report);
    Settings {
        kpis: kpis.value,
        intervals,
        partials,
        max_series: max_series.value,
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
