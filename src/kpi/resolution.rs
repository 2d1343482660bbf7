//! Resolution in the words of the agent (`resolution`) and of the customer (`fcr_survey`).

use super::cell::Shares;
use super::{Count, Totals};

/// Counts a handled interaction; one whose `resolved` is unknown takes no part.
pub(crate) fn record_agent(totals: &mut Totals, resolved: Option<bool>, sign: i64) {
    if let Some(resolved) = resolved {
        totals.count(Count::Resolution, sign);
        if resolved {
            totals.count(Count::Resolved, sign);
        }
    }
}

/// Counts a survey; one without `resolved` takes no part.
pub(crate) fn record_customer(totals: &mut Totals, resolved: Option<bool>, sign: i64) {
    if let Some(resolved) = resolved {
        totals.count(Count::SurveyResolution, sign);
        if resolved {
            totals.count(Count::SurveyResolved, sign);
        }
    }
}

/// Handled with `resolved` true / handled with `resolved` known.
pub(super) fn by_agent(totals: &Totals) -> Shares {
    Shares {
        numerator: totals.get(Count::Resolved),
        denominator: totals.get(Count::Resolution),
    }
}

/// Surveys with `resolved` true / surveys with `resolved`.
pub(super) fn by_customer(totals: &Totals) -> Shares {
    Shares {
        numerator: totals.get(Count::SurveyResolved),
        denominator: totals.get(Count::SurveyResolution),
    }
}
