//! The `cx_*` families: name, type and HELP. The order is the order of the page.

use crate::kpi::Kpi;

/// A family of the metrics page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// The value of a KPI; for `handle_time` its quantiles.
    Value(Kpi),
    Samples,
    Lower,
    Upper,
    WindowNumerator,
    WindowDenominator,
    Interactions,
    SurveyResponses,
    NpsResponses,
    ContactsFirst,
    ContactsRetracted,
    ContactsUnidentified,
    KpiNumerator,
    KpiDenominator,
    HandleTime,
    Definition,
    AlertState,
    AlertInsufficient,
}

/// The families besides the values of KPIs.
const OTHERS: [Family; 17] = [
    Family::Samples,
    Family::Lower,
    Family::Upper,
    Family::WindowNumerator,
    Family::WindowDenominator,
    Family::Interactions,
    Family::SurveyResponses,
    Family::NpsResponses,
    Family::ContactsFirst,
    Family::ContactsRetracted,
    Family::ContactsUnidentified,
    Family::KpiNumerator,
    Family::KpiDenominator,
    Family::HandleTime,
    Family::Definition,
    Family::AlertState,
    Family::AlertInsufficient,
];

impl Family {
    /// How many families there are.
    pub(super) const LENGTH: usize = Kpi::ALL.len() + OTHERS.len();

    /// All families in the order of the page.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        Kpi::ALL.into_iter().map(Self::Value).chain(OTHERS)
    }

    /// The place in the order of the page.
    pub(super) const fn index(self) -> usize {
        let values = Kpi::ALL.len();
        match self {
            Self::Value(kpi) => kpi_index(kpi),
            Self::Samples => values,
            Self::Lower => values + 1,
            Self::Upper => values + 2,
            Self::WindowNumerator => values + 3,
            Self::WindowDenominator => values + 4,
            Self::Interactions => values + 5,
            Self::SurveyResponses => values + 6,
            Self::NpsResponses => values + 7,
            Self::ContactsFirst => values + 8,
            Self::ContactsRetracted => values + 9,
            Self::ContactsUnidentified => values + 10,
            Self::KpiNumerator => values + 11,
            Self::KpiDenominator => values + 12,
            Self::HandleTime => values + 13,
            Self::Definition => values + 14,
            Self::AlertState => values + 15,
            Self::AlertInsufficient => values + 16,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Value(kpi) => kpi.family(),
            Self::Samples => "cx_kpi_samples",
            Self::Lower => "cx_kpi_lower",
            Self::Upper => "cx_kpi_upper",
            Self::WindowNumerator => "cx_window_numerator",
            Self::WindowDenominator => "cx_window_denominator",
            Self::Interactions => "cx_interactions_total",
            Self::SurveyResponses => "cx_survey_responses_total",
            Self::NpsResponses => "cx_nps_responses_total",
            Self::ContactsFirst => "cx_contacts_first_total",
            Self::ContactsRetracted => "cx_contacts_retracted_total",
            Self::ContactsUnidentified => "cx_contacts_unidentified_total",
            Self::KpiNumerator => "cx_kpi_numerator_total",
            Self::KpiDenominator => "cx_kpi_denominator_total",
            Self::HandleTime => "cx_handle_time_seconds",
            Self::Definition => "cx_kpi_definition_info",
            Self::AlertState => "cx_alert_state",
            Self::AlertInsufficient => "cx_alert_insufficient",
        }
    }

    /// The TYPE. The quantiles are a summary without sum and count: `quantile` on a gauge is what
    /// `promtool check metrics` refuses.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Value(Kpi::HandleTime) => "summary",
            Self::HandleTime => "histogram",
            Self::Interactions
            | Self::SurveyResponses
            | Self::NpsResponses
            | Self::ContactsFirst
            | Self::ContactsRetracted
            | Self::ContactsUnidentified
            | Self::KpiNumerator
            | Self::KpiDenominator => "counter",
            Self::Value(_)
            | Self::Samples
            | Self::Lower
            | Self::Upper
            | Self::WindowNumerator
            | Self::WindowDenominator
            | Self::Definition
            | Self::AlertState
            | Self::AlertInsufficient => "gauge",
        }
    }

    /// The HELP, one line.
    pub(super) fn help(self) -> &'static str {
        match self {
            Self::Value(kpi) => value_help(kpi),
            Self::Samples => {
                "Interactions, surveys or contacts behind each KPI value in the window; 0 where it has no value; select one breakdown."
            }
            Self::Lower => {
                "Lower end of the 95 % confidence interval of each KPI in the window; select one breakdown."
            }
            Self::Upper => {
                "Upper end of the 95 % confidence interval of each KPI in the window; select one breakdown."
            }
            Self::WindowNumerator => {
                "Numerator of each KPI in the window, for means the sum; adds up over partitions of a stream; select one breakdown."
            }
            Self::WindowDenominator => {
                "Denominator of each KPI in the window; adds up over partitions of a stream; select one breakdown."
            }
            Self::Interactions => {
                "Interactions counted at their first version; select one breakdown."
            }
            Self::SurveyResponses => {
                "Survey answers by question, counted at their first version; select one breakdown."
            }
            Self::NpsResponses => {
                "Recommendation answers by category (promoter 9 to 10, passive 7 to 8, detractor 0 to 6), counted at their first version; select one breakdown."
            }
            Self::ContactsFirst => "First contacts of a customer and issue; select one breakdown.",
            Self::ContactsRetracted => {
                "First contact resolution credits taken back because of a repeat contact; select one breakdown."
            }
            Self::ContactsUnidentified => {
                "Handled inbound interactions without a customer, which take no part in first contact resolution; select one breakdown."
            }
            Self::KpiNumerator => {
                "Numerator of each ratio KPI since the start of the counters; select one breakdown."
            }
            Self::KpiDenominator => {
                "Denominator of each ratio KPI since the start of the counters; select one breakdown."
            }
            Self::HandleTime => {
                "Handle time of handled interactions, counted at their first version; select one breakdown."
            }
            Self::Definition => {
                "Formula that this instance runs for each KPI, always 1; the same everywhere, on the KPI itself select one breakdown."
            }
            Self::AlertState => {
                "State of each alert instance (0 inactive, 1 pending, 2 firing); an alert looks at one breakdown, on its KPI select one breakdown."
            }
            Self::AlertInsufficient => {
                "1 while an alert instance lacks the samples or history to be judged; on its KPI select one breakdown."
            }
        }
    }
}

/// The place in [`Kpi::ALL`].
#[expect(
    clippy::as_conversions,
    reason = "the discriminant of a fieldless enum"
)]
const fn kpi_index(kpi: Kpi) -> usize {
    kpi as usize
}

fn value_help(kpi: Kpi) -> &'static str {
    match kpi {
        Kpi::Fcr => {
            "First contact resolution: share of contacts without a repeat so far; near 1 by construction in windows shorter than the horizon, where cx_fcr_mature_ratio is the one to read; select one breakdown."
        }
        Kpi::FcrMature => {
            "First contact resolution of the contacts of one horizon ago, all followed for the whole horizon; select one breakdown."
        }
        Kpi::FcrCorrected => {
            "First contact resolution corrected by survival analysis for contacts not yet followed for the whole horizon; select one breakdown."
        }
        Kpi::FcrSurvey => {
            "First contact resolution in the customers' words: share of surveys that say the issue was solved; select one breakdown."
        }
        Kpi::Resolution => {
            "Share of handled interactions marked as resolved, of those marked at all; select one breakdown."
        }
        Kpi::Aht => {
            "Average handle time (talk, hold and wrap-up) of handled interactions; select one breakdown."
        }
        Kpi::HandleTime => {
            "Quantiles of the handle time of handled interactions in the window; select one breakdown."
        }
        Kpi::Asa => {
            "Average speed of answer: mean wait of handled inbound interactions; select one breakdown."
        }
        Kpi::ServiceLevel => {
            "Service level: share of inbound interactions answered within the target, by the formula of cx_kpi_definition_info; select one breakdown."
        }
        Kpi::Abandonment => {
            "Share of inbound interactions that left before an answer, short abandons left out; select one breakdown."
        }
        Kpi::Transfer => "Share of handled interactions that were handed on; select one breakdown.",
        Kpi::Csat => "Customer satisfaction: share of satisfied answers; select one breakdown.",
        Kpi::CsatScore => "Mean satisfaction score on the configured scale; select one breakdown.",
        Kpi::Ces => "Mean customer effort score on the configured scale; select one breakdown.",
        Kpi::Nps => "Net promoter score, -100 to 100; select one breakdown.",
        Kpi::TimeToResolution => {
            "Mean time from the start of an issue's first contact to the end of the contact that resolved it; select one breakdown."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_has_one_place_name_and_help() {
        let names: std::collections::BTreeSet<_> = Family::all().map(Family::name).collect();
        assert_eq!(names.len(), Family::LENGTH);
        for (index, family) in Family::all().enumerate() {
            assert_eq!(family.index(), index);
            assert!(family.help().contains("select one breakdown"), "{family:?}");
            assert!(!family.help().contains(['\n', '\\']), "{family:?}");
            let is_total = family.name().ends_with("_total");
            assert_eq!(family.kind() == "counter", is_total, "{family:?}");
        }
    }

    #[test]
    fn fcr_says_that_it_is_a_reading_so_far() {
        let help = Family::Value(Kpi::Fcr).help();
        assert!(help.contains("without a repeat so far"));
        assert!(help.contains("near 1 by construction in windows shorter than the horizon"));
    }
}
