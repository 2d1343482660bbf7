//! Which formula this instance runs for each KPI, as the `definition` label of
//! `cx_kpi_definition_info`. Vendors differ, so a figure names its own.

use std::time::Duration;

use crate::kpi::{Fcr, FcrMatch, FcrMethod, Kpi, Polarity, Settings};

/// The definition behind `kpi`, parts joined by `/`; `None` where the KPI does not exist under
/// these settings (`fcr_mature` and `fcr_corrected` under `fcr.method = "flag"`).
///
/// | KPI | definition |
/// |---|---|
/// | `fcr`, `fcr_mature` | `repeat_contact/<horizon>/<match_on>`, or `flag`; with `/transfer_passes` unless a transfer fails |
/// | `fcr_corrected` | the same and `/kaplan_meier_28_steps` |
/// | `fcr_survey` | `survey_resolved` |
/// | `resolution` | `handled_with_resolved_known` |
/// | `aht` | `handle_else_talk_hold_wrap/mean` |
/// | `handle_time` | `handle_else_talk_hold_wrap/nearest_rank` |
/// | `asa` | `handled_inbound/mean` |
/// | `service_level` | `<formula>/<target>/<short abandon>`, with `/<n>_own_targets` for `where` rules |
/// | `abandonment` | `exclude_short/<short abandon>` |
/// | `transfer` | `handled` |
/// | `csat` | `satisfied_from/<score>` |
/// | `csat_score` | `mean` |
/// | `ces` | `mean/<polarity>` |
/// | `nps` | `promoters_9_10/detractors_0_6` |
/// | `time_to_resolution` | `episode/<horizon>/<match_on>` |
///
/// ```
/// use cxpulse::{export::definition, kpi::{Kpi, Settings}};
/// let settings = Settings::default();
/// assert_eq!(definition(Kpi::Fcr, &settings).unwrap(), "repeat_contact/7d/customer_and_issue");
/// assert_eq!(definition(Kpi::ServiceLevel, &settings).unwrap(), "exclude_short/20s/5s");
/// ```
pub fn definition(kpi: Kpi, settings: &Settings) -> Option<String> {
    let by_flag = settings.fcr.method == FcrMethod::Flag;
    let text = match kpi {
        Kpi::Fcr if by_flag => with_transfers("flag".into(), &settings.fcr),
        Kpi::FcrMature | Kpi::FcrCorrected if by_flag => return None,
        Kpi::Fcr | Kpi::FcrMature => {
            with_transfers(chain("repeat_contact", &settings.fcr), &settings.fcr)
        }
        Kpi::FcrCorrected => {
            let repeats = with_transfers(chain("repeat_contact", &settings.fcr), &settings.fcr);
            format!("{repeats}/kaplan_meier_28_steps")
        }
        Kpi::FcrSurvey => "survey_resolved".into(),
        Kpi::Resolution => "handled_with_resolved_known".into(),
        Kpi::Aht => "handle_else_talk_hold_wrap/mean".into(),
        Kpi::HandleTime => "handle_else_talk_hold_wrap/nearest_rank".into(),
        Kpi::Asa => "handled_inbound/mean".into(),
        Kpi::ServiceLevel => service_level(settings),
        Kpi::Abandonment => format!("exclude_short/{}", length(settings.short_abandon)),
        Kpi::Transfer => "handled".into(),
        Kpi::Csat => format!(
            "satisfied_from/{}",
            f64::from(settings.csat_satisfied_from_milli) / 1000.0
        ),
        Kpi::CsatScore => "mean".into(),
        Kpi::Ces => match settings.ces_polarity {
            Polarity::LowIsEasy => "mean/low_is_easy".into(),
            Polarity::HighIsEasy => "mean/high_is_easy".into(),
        },
        Kpi::Nps => "promoters_9_10/detractors_0_6".into(),
        Kpi::TimeToResolution => chain("episode", &settings.fcr),
    };
    Some(text)
}

fn chain(what: &str, fcr: &Fcr) -> String {
    let matched = match fcr.match_on {
        FcrMatch::CustomerAndIssue => "customer_and_issue",
        FcrMatch::Customer => "customer",
    };
    format!("{what}/{}/{matched}", length(fcr.horizon))
}

fn with_transfers(mut text: String, fcr: &Fcr) -> String {
    if !fcr.transfer_fails {
        text.push_str("/transfer_passes");
    }
    text
}

fn service_level(settings: &Settings) -> String {
    let own_targets = match settings.service_level_rules.len() {
        0 => String::new(),
        rules => format!("/{rules}_own_targets"),
    };
    format!(
        "{}/{}/{}{own_targets}",
        settings.service_level_formula.name(),
        length(settings.service_level_target),
        length(settings.short_abandon)
    )
}

/// A duration in the largest unit that divides it: 168 h is `7d`, 90 s is `90s`.
fn length(duration: Duration) -> String {
    const UNITS: [(u128, &str); 4] = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1000, "s"),
    ];
    let millis = duration.as_millis();
    for (unit_ms, name) in UNITS {
        if millis > 0 && millis.is_multiple_of(unit_ms) {
            return format!("{}{name}", millis / unit_ms);
        }
    }
    format!("{millis}ms")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kpi::ServiceLevelRule;

    #[test]
    fn every_setting_that_changes_a_figure_shows() {
        let mut settings = Settings::default();
        settings.fcr.transfer_fails = false;
        settings.fcr.match_on = FcrMatch::Customer;
        settings.fcr.horizon = Duration::from_hours(36);
        settings.csat_satisfied_from_milli = 4500;
        settings.service_level_rules.push(ServiceLevelRule {
            matches: [("channel".to_owned(), "email".to_owned())].into(),
            target: Duration::from_hours(4),
        });
        let of = |kpi| definition(kpi, &settings).unwrap();
        assert_eq!(of(Kpi::Fcr), "repeat_contact/36h/customer/transfer_passes");
        assert_eq!(of(Kpi::TimeToResolution), "episode/36h/customer");
        assert_eq!(of(Kpi::Csat), "satisfied_from/4.5");
        assert_eq!(of(Kpi::ServiceLevel), "exclude_short/20s/5s/1_own_targets");
        assert_eq!(of(Kpi::Abandonment), "exclude_short/5s");
    }

    #[test]
    fn flag_has_no_mature_reading() {
        let mut settings = Settings::default();
        settings.fcr.method = FcrMethod::Flag;
        assert_eq!(definition(Kpi::Fcr, &settings).unwrap(), "flag");
        assert_eq!(definition(Kpi::FcrMature, &settings), None);
        assert_eq!(definition(Kpi::FcrCorrected, &settings), None);
    }

    #[test]
    fn lengths_take_their_largest_unit() {
        assert_eq!(length(Duration::from_hours(168)), "7d");
        assert_eq!(length(Duration::from_secs(90)), "90s");
        assert_eq!(length(Duration::from_millis(1500)), "1500ms");
        assert_eq!(length(Duration::ZERO), "0ms");
    }
}
