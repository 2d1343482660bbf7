//! `[kpis]`: how the KPIs are defined here.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::kpi::{Fcr, FcrMatch, FcrMethod, ServiceLevelFormula, ServiceLevelRule, Settings};
use crate::{decode, time};

use super::super::duration::format_duration;
use super::super::report::{Given, Report};
use super::super::section::Section;
use super::dimension::{self, Known};
use super::{breakdown, scale};

/// The definitions, and the scales for decoding.
pub(super) struct Kpis {
    pub(super) settings: Settings,
    pub(super) csat_scale_milli: (i32, i32),
    pub(super) ces_scale_milli: (i32, i32),
}

/// Steps of the survival estimate; the horizon has at least a millisecond for each.
const SHORTEST_HORIZON: Duration = Duration::from_millis(28);

/// Longest horizon: two years of contacts in memory are more than anyone can mean.
const LONGEST_HORIZON: Duration = Duration::from_hours(730 * 24);

pub(super) fn read(
    root: &mut Section,
    report: &mut Report,
    sets: &Given<Vec<Vec<String>>>,
    known: &Known,
) -> Kpis {
    let default = Settings::default();
    let scales = decode::Settings::default();
    let mut section = root.child(report, "kpis");
    let short_abandon = section.read(report, "short_abandon", default.short_abandon);
    let survey_join_within = section.read(report, "survey_join_within", default.survey_join_within);
    let service_level = read_service_level(&mut section, report, known);
    let (csat_scale, satisfied_from) =
        scale::read_csat(&mut section, report, scales.csat_scale_milli);
    let (ces_scale, ces_polarity) = scale::read_ces(&mut section, report, scales.ces_scale_milli);
    let fcr = read_fcr(&mut section, report);
    let handle_time = read_handle_time(&mut section, report, sets);
    section.finish(report);
    Kpis {
        settings: Settings {
            short_abandon: short_abandon.value,
            survey_join_within: survey_join_within.value,
            service_level_formula: service_level.formula,
            service_level_target: service_level.target,
            service_level_rules: service_level.rules,
            csat_satisfied_from_milli: satisfied_from,
            ces_polarity,
            fcr,
            handle_time_breakdowns: handle_time.0,
            handle_time_bounds_ms: handle_time.1,
        },
        csat_scale_milli: csat_scale,
        ces_scale_milli: ces_scale,
    }
}

struct ServiceLevel {
    formula: ServiceLevelFormula,
    target: Duration,
    rules: Vec<ServiceLevelRule>,
}

fn read_service_level(kpis: &mut Section, report: &mut Report, known: &Known) -> ServiceLevel {
    let default = Settings::default();
    let mut section = kpis.child(report, "service_level");
    let formulas = ServiceLevelFormula::ALL.map(|formula| (formula.name(), formula));
    let formula = section.choice(report, "formula", default.service_level_formula, &formulas);
    let target = section.read(report, "target", default.service_level_target);
    check_target(&target, report);
    let mut rules: Vec<ServiceLevelRule> = Vec::new();
    for rule in section.children(report, "where").unwrap_or_default() {
        let at = rule.at();
        let Some(rule) = read_rule(rule, report, known) else {
            continue;
        };
        if rules.iter().any(|earlier| earlier.matches == rule.matches) {
            report.problem(
                &at,
                "an earlier rule matches the same",
                "the first match counts",
            );
        }
        rules.push(rule);
    }
    section.finish(report);
    ServiceLevel {
        formula: formula.value,
        target: target.value,
        rules,
    }
}

fn check_target(target: &Given<Duration>, report: &mut Report) {
    target.not_zero(report, "target = \"20s\"");
}

/// `target` and one key per dimension.
fn read_rule(mut section: Section, report: &mut Report, known: &Known) -> Option<ServiceLevelRule> {
    const FORM: &str = "channel = \"email\", target = \"4h\"";
    let target = section.required::<Duration>(report, "target", FORM);
    let mut matches = BTreeMap::new();
    for name in section.names() {
        let value = section.optional::<String>(report, &name);
        if let Some(value) = value {
            dimension::check_name(&name, &value.at, report);
            known.advise(&name, &value.value, &value.at, report);
            matches.insert(name, value.value);
        }
    }
    let target = target?;
    check_target(&target, report);
    if matches.is_empty() {
        report.problem(&section.at(), "matches nothing in particular", FORM);
    }
    Some(ServiceLevelRule {
        matches,
        target: target.value,
    })
}

fn read_fcr(kpis: &mut Section, report: &mut Report) -> Fcr {
    let default = Fcr::default();
    let mut section = kpis.child(report, "fcr");
    let methods = [
        ("repeat_contact", FcrMethod::RepeatContact),
        ("flag", FcrMethod::Flag),
    ];
    let method = section.choice(report, "method", default.method, &methods);
    let horizon = section.read(report, "horizon", default.horizon);
    horizon.must(
        horizon.value >= SHORTEST_HORIZON,
        report,
        "is shorter than 28ms",
        "how long a customer must stay away: \"7d\"",
    );
    horizon.must(
        horizon.value <= LONGEST_HORIZON,
        report,
        "is longer than 730 days",
        "contacts are remembered for the horizon and twice the lateness",
    );
    let matches = [
        ("customer_and_issue", FcrMatch::CustomerAndIssue),
        ("customer", FcrMatch::Customer),
    ];
    let match_on = section.choice(report, "match_on", default.match_on, &matches);
    let transfer_fails = section.read(report, "transfer_fails", default.transfer_fails);
    let max_contacts = section.read(report, "max_contacts", default.max_contacts);
    max_contacts.not_zero(report, "the default is 20000000");
    section.finish(report);
    Fcr {
        method: method.value,
        horizon: horizon.value,
        match_on: match_on.value,
        transfer_fails: transfer_fails.value,
        max_contacts: max_contacts.value,
    }
}

/// Breakdowns of the quantiles and bounds of the histogram.
fn read_handle_time(
    kpis: &mut Section,
    report: &mut Report,
    sets: &Given<Vec<Vec<String>>>,
) -> (Vec<Vec<String>>, Vec<u64>) {
    let default = Settings::default();
    let mut section = kpis.child(report, "handle_time");
    let given = section.has("breakdowns");
    // Without a word of its own it follows the configured breakdowns.
    let followed = default.handle_time_breakdowns.into_iter();
    let followed = followed.filter(|set| sets.value.contains(set)).collect();
    let breakdowns = section.read(report, "breakdowns", followed);
    if given {
        breakdown::check_sets(&breakdowns, report);
    }
    let mut configured = Vec::new();
    for set in &breakdowns.value {
        if let Some(same) = breakdown::find(&sets.value, set) {
            configured.push(same.clone());
        } else {
            report.problem(
                &breakdowns.at,
                format!("{} is not a configured breakdown", breakdown::show_set(set)),
                "add it to breakdown.sets",
            );
        }
    }
    let bounds = default.handle_time_bounds_ms.into_iter();
    let bounds = bounds.map(Duration::from_millis).collect::<Vec<_>>();
    let bounds = section.read(report, "bounds", bounds);
    check_bounds(&bounds, report);
    section.finish(report);
    let millis = bounds.value.into_iter().map(time::millis_of);
    let millis = millis.map(|bound| u64::try_from(bound).unwrap_or(u64::MAX));
    (configured, millis.collect())
}

fn check_bounds(bounds: &Given<Vec<Duration>>, report: &mut Report) {
    let rising = bounds.value.is_sorted_by(|a, b| a < b);
    bounds.must(
        rising,
        report,
        "the bounds do not rise",
        "[\"30s\", \"1m\", \"5m\"]",
    );
    if let Some(first) = bounds.value.first().filter(|first| first.is_zero()) {
        report.problem(
            &bounds.at,
            format!("`{}` is no upper bound", format_duration(*first)),
            "bounds lie above 0",
        );
    }
}
