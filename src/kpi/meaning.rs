//! What a KPI is called among people, and which way it should go.

use super::{Kpi, Polarity, Settings};

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
}

impl Kpi {
    /// The name people know it by.
    pub fn title(self) -> &'static str {
        match self {
            Self::Fcr => "First contact resolution so far",
            Self::FcrMature => "First contact resolution",
            Self::FcrCorrected => "First contact resolution, corrected",
            Self::FcrSurvey => "Resolved, says the customer",
            Self::Resolution => "Resolved, says the agent",
            Self::Aht => "Average handle time",
            Self::HandleTime => "Handle time",
            Self::Asa => "Average speed of answer",
            Self::ServiceLevel => "Service level",
            Self::Abandonment => "Abandonment",
            Self::Transfer => "Transfers",
            Self::Csat => "Customer satisfaction",
            Self::CsatScore => "Satisfaction score",
            Self::Ces => "Customer effort",
            Self::Nps => "Net promoter score",
            Self::TimeToResolution => "Time to resolution",
        }
    }

    /// Which way is better.
    ///
    /// ```
    /// use cxpulse::kpi::{Better, Kpi, Settings};
    /// assert_eq!(Kpi::Nps.better(&Settings::default()), Better::Higher);
    /// assert_eq!(Kpi::Abandonment.better(&Settings::default()), Better::Lower);
    /// ```
    pub fn better(self, settings: &Settings) -> Better {
        match self {
            Self::Fcr
            | Self::FcrMature
            | Self::FcrCorrected
            | Self::FcrSurvey
            | Self::Resolution
            | Self::ServiceLevel
            | Self::Csat
            | Self::CsatScore
            | Self::Nps => Better::Higher,
            Self::Aht
            | Self::HandleTime
            | Self::Asa
            | Self::Abandonment
            | Self::Transfer
            | Self::TimeToResolution => Better::Lower,
            Self::Ces => match settings.ces_polarity {
                Polarity::LowIsEasy => Better::Lower,
                Polarity::HighIsEasy => Better::Higher,
            },
        }
    }
}
