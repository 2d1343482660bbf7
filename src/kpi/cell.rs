//! The counts of one key in one window, and their readings.

use super::interval::{float, normal_mean, wilson};
use super::{
    Count, FcrMethod, Kpi, MatureTotals, Measure, Quantiles, Reading, Settings, Survival, Totals,
};
use super::{abandonment, csat, first_contact, nps, resolution, service_level, transfer};

/// The counts of one key in one window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// Counts of the window itself.
    pub totals: Totals,
    /// First contacts of the mature cohort.
    pub mature: MatureTotals,
    /// Survival counts, in windows longer than the FCR horizon; apart, since most have none.
    pub survival: Option<Box<Survival>>,
    /// Handle-time quantiles, at the breakdowns that keep them.
    pub quantiles: Option<Quantiles>,
}

impl Cell {
    /// The reading of one KPI; `None` where the KPI does not exist: `handle_time` at breakdowns
    /// without quantiles, `fcr_corrected` in windows not longer than the horizon, the mature and
    /// corrected readings under `fcr.method = "flag"`.
    pub fn reading(
        &self,
        kpi: Kpi,
        has_quantiles: bool,
        window_ms: i64,
        settings: &Settings,
    ) -> Option<Reading> {
        self.read(kpi, has_quantiles, window_ms, settings, true)
    }

    /// The same without the interval, which costs more than all else of a reading: for where it is
    /// not shown.
    pub(crate) fn point(
        &self,
        kpi: Kpi,
        has_quantiles: bool,
        window_ms: i64,
        settings: &Settings,
    ) -> Option<Reading> {
        self.read(kpi, has_quantiles, window_ms, settings, false)
    }

    fn read(
        &self,
        kpi: Kpi,
        has_quantiles: bool,
        window_ms: i64,
        settings: &Settings,
        intervals: bool,
    ) -> Option<Reading> {
        let ratio = |shares| ratio(shares, intervals);
        let mean = |count, sum, measure| mean(&self.totals, count, sum, measure, intervals);
        let totals = &self.totals;
        let by_flag = settings.fcr.method == FcrMethod::Flag;
        let horizon_ms = crate::time::millis_of(settings.fcr.horizon);
        match kpi {
            Kpi::Fcr => Some(ratio(first_contact::so_far(totals))),
            Kpi::FcrMature => (!by_flag).then(|| ratio(self.mature.shares())),
            Kpi::FcrCorrected => (!by_flag && window_ms > horizon_ms).then(|| {
                self.survival
                    .as_deref()
                    .map_or_else(Reading::default, Survival::reading)
            }),
            Kpi::FcrSurvey => Some(ratio(resolution::by_customer(totals))),
            Kpi::Resolution => Some(ratio(resolution::by_agent(totals))),
            Kpi::Aht => Some(mean(
                Count::HandleTime,
                Count::HandleTimeMs,
                Measure::HandleTime,
            )),
            Kpi::HandleTime => has_quantiles.then(|| Reading {
                samples: totals.samples(Count::HandleTime),
                quantiles: self.quantiles,
                ..Reading::default()
            }),
            Kpi::Asa => Some(mean(Count::Answered, Count::AnsweredWaitMs, Measure::Wait)),
            Kpi::ServiceLevel => Some(ratio(service_level::shares(
                totals,
                settings.service_level_formula,
            ))),
            Kpi::Abandonment => Some(ratio(abandonment::shares(totals))),
            Kpi::Transfer => Some(ratio(transfer::shares(totals))),
            Kpi::Csat => Some(ratio(csat::shares(totals))),
            Kpi::CsatScore => Some(mean(Count::Csat, Count::CsatMilli, Measure::Csat)),
            Kpi::Ces => Some(mean(Count::Ces, Count::CesMilli, Measure::Ces)),
            Kpi::Nps => Some(nps::reading(totals, intervals)),
            Kpi::TimeToResolution => {
                Some(mean(Count::Episodes, Count::EpisodesMs, Measure::Episode))
            }
        }
    }
}

/// Numerator and denominator of a ratio KPI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shares {
    pub(crate) numerator: i64,
    pub(crate) denominator: i64,
}

/// The reading of a ratio, with its Wilson interval if that is wanted.
fn ratio(shares: Shares, intervals: bool) -> Reading {
    let Shares {
        numerator,
        denominator,
    } = shares;
    let interval = intervals.then(|| wilson(numerator, denominator)).flatten();
    Reading {
        value: (denominator > 0).then(|| float(numerator) / float(denominator)),
        samples: u64::try_from(denominator).unwrap_or(0),
        numerator: Some(float(numerator)),
        denominator: Some(float(denominator)),
        lower: interval.map(|ends| ends.0),
        upper: interval.map(|ends| ends.1),
        quantiles: None,
    }
}

/// The reading of a mean, with its normal interval if that is wanted. Sums are in thousandths of the unit.
fn mean(totals: &Totals, count: Count, sum: Count, measure: Measure, intervals: bool) -> Reading {
    let samples = totals.get(count);
    let sum_milli = totals.get(sum);
    let interval = intervals
        .then(|| normal_mean(samples, sum_milli, totals.squares(measure)))
        .flatten();
    Reading {
        value: (samples > 0).then(|| float(sum_milli) / float(samples) / 1000.0),
        samples: totals.samples(count),
        numerator: Some(float(sum_milli) / 1000.0),
        denominator: Some(float(samples)),
        lower: interval.map(|ends| ends.0),
        upper: interval.map(|ends| ends.1),
        quantiles: None,
    }
}
