//! The KPIs: what each counts, its formula and its confidence interval. One file per family; a new
//! KPI is a variant of [`Kpi`], its counts in [`totals::Count`] and one small file.
//!
//! Everything counted is an integer in a [`Totals`], so that giving and taking back is exact and
//! the order does not matter. Floats appear only in the `read` functions.

mod abandonment;
mod cell;
mod csat;
mod effort;
mod first_contact;
mod handle_time;
mod interval;
mod meaning;
mod nps;
mod reading;
mod resolution;
mod service_level;
mod settings;
mod speed_of_answer;
mod survival;
mod time_to_resolution;
mod totals;
mod transfer;

pub use cell::Cell;
pub use first_contact::MatureTotals;
pub use handle_time::{Buckets, QUANTILES, Quantiles, bucket_of, value_of_bucket};
pub use interval::{adjusted_wald_nps, normal_mean, wilson};
pub use meaning::Better;
pub use reading::{Reading, Unit};
pub use settings::{
    Fcr, FcrMatch, FcrMethod, Polarity, ServiceLevelFormula, ServiceLevelRule, Settings,
};
pub use survival::{STEPS, Survival, SurvivalStep, repeat_step};
pub use totals::{Count, Measure, Totals};

pub(crate) use abandonment::record as record_abandonment;
pub(crate) use csat::record as record_csat;
pub(crate) use effort::record as record_effort;
pub(crate) use handle_time::record as record_handle_time;
pub(crate) use nps::record as record_nps;
pub(crate) use resolution::{
    record_agent as record_agent_resolution, record_customer as record_customer_resolution,
};
pub(crate) use service_level::record as record_service_level;
pub(crate) use speed_of_answer::record as record_speed_of_answer;
pub(crate) use time_to_resolution::record as record_time_to_resolution;
pub(crate) use transfer::record as record_transfer;

/// A key performance indicator by its contract name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kpi {
    /// First contact resolution so far.
    Fcr,
    /// First contact resolution of contacts followed for the whole horizon.
    FcrMature,
    /// First contact resolution with the optimism of young contacts removed.
    FcrCorrected,
    /// First contact resolution in the customer's words.
    FcrSurvey,
    /// Resolution in the agent's or system's words.
    Resolution,
    /// Average handle time.
    Aht,
    /// Handle time quantiles.
    HandleTime,
    /// Average speed of answer.
    Asa,
    /// Service level.
    ServiceLevel,
    /// Abandonment.
    Abandonment,
    /// Transfer rate.
    Transfer,
    /// Share of satisfied answers.
    Csat,
    /// Mean satisfaction score.
    CsatScore,
    /// Mean effort score.
    Ces,
    /// Net promoter score.
    Nps,
    /// Mean time from the first contact of an episode to its resolution.
    TimeToResolution,
}

impl Kpi {
    /// All KPIs in the order of output.
    pub const ALL: [Self; 16] = [
        Self::Fcr,
        Self::FcrMature,
        Self::FcrCorrected,
        Self::FcrSurvey,
        Self::Resolution,
        Self::Aht,
        Self::HandleTime,
        Self::Asa,
        Self::ServiceLevel,
        Self::Abandonment,
        Self::Transfer,
        Self::Csat,
        Self::CsatScore,
        Self::Ces,
        Self::Nps,
        Self::TimeToResolution,
    ];

    /// The name in configuration, labels and output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fcr => "fcr",
            Self::FcrMature => "fcr_mature",
            Self::FcrCorrected => "fcr_corrected",
            Self::FcrSurvey => "fcr_survey",
            Self::Resolution => "resolution",
            Self::Aht => "aht",
            Self::HandleTime => "handle_time",
            Self::Asa => "asa",
            Self::ServiceLevel => "service_level",
            Self::Abandonment => "abandonment",
            Self::Transfer => "transfer",
            Self::Csat => "csat",
            Self::CsatScore => "csat_score",
            Self::Ces => "ces",
            Self::Nps => "nps",
            Self::TimeToResolution => "time_to_resolution",
        }
    }

    /// The KPI of that name.
    ///
    /// ```
    /// use cxpulse::kpi::Kpi;
    /// assert_eq!(Kpi::from_name("aht"), Some(Kpi::Aht));
    /// assert_eq!(Kpi::from_name("happiness"), None);
    /// ```
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kpi| kpi.name() == name)
    }

    /// The unit of the value.
    pub fn unit(self) -> Unit {
        match self {
            Self::Fcr
            | Self::FcrMature
            | Self::FcrCorrected
            | Self::FcrSurvey
            | Self::Resolution
            | Self::ServiceLevel
            | Self::Abandonment
            | Self::Transfer
            | Self::Csat => Unit::Ratio,
            Self::Aht | Self::HandleTime | Self::Asa | Self::TimeToResolution => Unit::Seconds,
            Self::CsatScore | Self::Ces => Unit::Score,
            Self::Nps => Unit::NetScore,
        }
    }

    /// The gauge family that carries the value on the metrics page.
    pub fn family(self) -> &'static str {
        match self {
            Self::Fcr => "cx_fcr_ratio",
            Self::FcrMature => "cx_fcr_mature_ratio",
            Self::FcrCorrected => "cx_fcr_corrected_ratio",
            Self::FcrSurvey => "cx_fcr_survey_ratio",
            Self::Resolution => "cx_resolution_ratio",
            Self::Aht => "cx_aht_seconds",
            Self::HandleTime => "cx_handle_time_quantile_seconds",
            Self::Asa => "cx_asa_seconds",
            Self::ServiceLevel => "cx_service_level_ratio",
            Self::Abandonment => "cx_abandonment_ratio",
            Self::Transfer => "cx_transfer_ratio",
            Self::Csat => "cx_csat_ratio",
            Self::CsatScore => "cx_csat_score",
            Self::Ces => "cx_ces_score",
            Self::Nps => "cx_nps_score",
            Self::TimeToResolution => "cx_time_to_resolution_seconds",
        }
    }
}
