//! The readings of a view one by one: what replay, the API and the event stream print.

use std::collections::{BTreeMap, BTreeSet};

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::text::{quantile_name, whole};
use crate::engine::{BreakdownView, HISTORY_KPIS, KeyView, View, WindowView};
use crate::kpi::{Kpi, QUANTILES, Quantiles, Reading};

/// Which rows are wanted. The default wants all but those of windows kept for an alert alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    kpis: BTreeSet<Kpi>,
    windows: BTreeSet<usize>,
    breakdowns: BTreeSet<usize>,
    /// Only keys with these values; a breakdown without the dimension has none.
    dimensions: BTreeMap<String, String>,
}

/// A filter that asks for what is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// No KPI has that name.
    #[error("unknown kpi `{0}`; there are {1}")]
    Kpi(String, String),
    /// The view has no such window.
    #[error("unknown window `{0}`; there are {1}")]
    Window(String, String),
    /// The view has no such breakdown.
    #[error("unknown breakdown `{0}`; there are {1}")]
    Breakdown(String, String),
    /// Nothing can be narrowed by that name.
    #[error("unknown parameter `{0}`; there are {1}")]
    Parameter(String, String),
}

impl Filter {
    /// Wants only the KPI of that name, and those added before.
    ///
    /// # Errors
    /// When there is no such KPI.
    pub fn add_kpi(&mut self, name: &str) -> Result<(), FilterError> {
        let kpi = Kpi::from_name(name).ok_or_else(|| {
            FilterError::Kpi(name.to_owned(), join(Kpi::ALL.into_iter().map(Kpi::name)))
        })?;
        self.kpis.insert(kpi);
        Ok(())
    }

    /// Wants only the window of that name, and those added before. A window that is kept for an
    /// alert alone shows when it is asked for.
    ///
    /// # Errors
    /// When the view has no such window.
    pub fn add_window(&mut self, view: &View, name: &str) -> Result<(), FilterError> {
        let names = || view.windows.iter().map(|window| &*window.name);
        let window = names().position(|window| window == name);
        let window = window.ok_or_else(|| FilterError::Window(name.to_owned(), join(names())))?;
        self.windows.insert(window);
        Ok(())
    }

    /// Wants only the breakdown of that label, and those added before.
    ///
    /// # Errors
    /// When the view has no such breakdown.
    pub fn add_breakdown(&mut self, view: &View, label: &str) -> Result<(), FilterError> {
        let labels = || view.breakdowns.iter().map(|breakdown| &*breakdown.label);
        let breakdown = labels().position(|breakdown| breakdown == label);
        let breakdown =
            breakdown.ok_or_else(|| FilterError::Breakdown(label.to_owned(), join(labels())))?;
        self.breakdowns.insert(breakdown);
        Ok(())
    }

    /// Wants only the keys at which a dimension has this value; of several for one dimension the
    /// last counts.
    ///
    /// # Errors
    /// When no breakdown of the view has that dimension.
    pub fn add_dimension(
        &mut self,
        view: &View,
        name: &str,
        value: &str,
    ) -> Result<(), FilterError> {
        let known: BTreeSet<&str> = view
            .breakdowns
            .iter()
            .flat_map(|breakdown| breakdown.dimensions.iter().map(String::as_str))
            .collect();
        if !known.contains(name) {
            let all = ["kpi", "window", "breakdown"].into_iter().chain(known);
            return Err(FilterError::Parameter(name.to_owned(), join(all)));
        }
        self.dimensions.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    fn wants_key(&self, breakdown: &BreakdownView, key: &KeyView) -> bool {
        self.dimensions.iter().all(|(name, value)| {
            let mut values = breakdown.dimensions.iter().zip(key.values.iter());
            values.any(|(own, shown)| own == name && **shown == **value)
        })
    }

    fn wants_kpi(&self, kpi: Kpi) -> bool {
        self.kpis.is_empty() || self.kpis.contains(&kpi)
    }

    fn wants_window(&self, index: usize, window: &WindowView) -> bool {
        if self.windows.is_empty() {
            !window.for_alert_only
        } else {
            self.windows.contains(&index)
        }
    }

    fn wants_breakdown(&self, index: usize) -> bool {
        self.breakdowns.is_empty() || self.breakdowns.contains(&index)
    }
}

fn join<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

/// One KPI in one window at one key.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The KPI.
    pub kpi: Kpi,
    /// The window.
    pub window: &'a WindowView,
    /// The breakdown.
    pub breakdown: &'a BreakdownView,
    /// The key.
    pub key: &'a KeyView,
    /// The figures.
    pub reading: Reading,
}

/// The past hours of one KPI in one window at one key.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Series<'a> {
    /// Name of the KPI.
    pub kpi: &'static str,
    /// Name of the window.
    pub window: &'a str,
    /// Label of the breakdown.
    pub breakdown: &'a str,
    /// Dimension and value.
    pub key: BTreeMap<&'a str, &'a str>,
    /// The values, the newest last; nothing where there was none.
    pub values: Vec<Option<f64>>,
}

/// The history that `filter` wants, in the order of [`rows`].
pub fn series<'a>(view: &'a View, filter: &'a Filter) -> impl Iterator<Item = Series<'a>> {
    let windows = view.windows.iter().enumerate();
    let windows = windows.filter(|(index, window)| filter.wants_window(*index, window));
    let windows: Vec<_> = windows.collect();
    let kpis = HISTORY_KPIS
        .into_iter()
        .filter(|kpi| filter.wants_kpi(*kpi));
    kpis.flat_map(move |kpi| {
        windows.clone().into_iter().flat_map(move |window| {
            rows_of_window(view, filter, kpi, window).filter_map(move |row| {
                let breakdown = view
                    .breakdowns
                    .iter()
                    .position(|breakdown| breakdown.label == row.breakdown.label)?;
                let values = view
                    .history
                    .values(kpi, window.0, breakdown, &row.key.values)?;
                Some(Series {
                    kpi: kpi.name(),
                    window: &window.1.name,
                    breakdown: &row.breakdown.label,
                    key: row
                        .breakdown
                        .dimensions
                        .iter()
                        .map(String::as_str)
                        .zip(row.key.values.iter().map(|value| &**value))
                        .collect(),
                    values: values.collect(),
                })
            })
        })
    })
}

/// The rows of a view that `filter` wants, ordered by KPI, window, breakdown and key, each in the
/// order of [`Kpi::ALL`] and of the view. There is a row wherever the KPI exists, at `overall` and
/// at every live key; none before anything has been accepted.
pub fn rows<'a>(view: &'a View, filter: &'a Filter) -> impl Iterator<Item = Row<'a>> {
    let kpis = Kpi::ALL.into_iter().filter(|_| view.at.is_some());
    kpis.filter(|kpi| filter.wants_kpi(*kpi))
        .flat_map(move |kpi| {
            let windows = view.windows.iter().enumerate();
            let windows = windows.filter(|(index, window)| filter.wants_window(*index, window));
            windows.flat_map(move |window| rows_of_window(view, filter, kpi, window))
        })
}

fn rows_of_window<'a>(
    view: &'a View,
    filter: &'a Filter,
    kpi: Kpi,
    (window_index, window): (usize, &'a WindowView),
) -> impl Iterator<Item = Row<'a>> {
    let breakdowns = view.breakdowns.iter().enumerate();
    let breakdowns = breakdowns.filter(|(index, _)| filter.wants_breakdown(*index));
    breakdowns.flat_map(move |(breakdown_index, breakdown)| {
        let keys = breakdown.keys.iter().enumerate();
        let shown = keys.filter(|(_, key)| {
            (key.live || breakdown.dimensions.is_empty()) && filter.wants_key(breakdown, key)
        });
        shown.filter_map(move |(key_index, key)| {
            let reading = view.reading(kpi, window_index, breakdown_index, key_index)?;
            Some(Row {
                kpi,
                window,
                breakdown,
                key,
                reading,
            })
        })
    })
}

impl Row<'_> {
    /// The processed history reaches back over everything this figure looks at.
    pub fn complete(&self) -> bool {
        self.window.complete_for(self.kpi)
    }

    /// The dimensions of the key with their values, in configured order.
    pub fn dimensions(&self) -> impl Iterator<Item = (&str, &str)> {
        let names = self.breakdown.dimensions.iter().map(String::as_str);
        names.zip(self.key.values.iter().map(|value| &**value))
    }
}

impl Serialize for Row<'_> {
    /// A row as it stands in replay and API output; absent figures are left out.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let reading = &self.reading;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("kpi", self.kpi.name())?;
        map.serialize_entry("window", &*self.window.name)?;
        map.serialize_entry("breakdown", &*self.breakdown.label)?;
        map.serialize_entry("key", &Key(self))?;
        optional(&mut map, "value", reading.value)?;
        map.serialize_entry("samples", &reading.samples)?;
        optional(&mut map, "numerator", reading.numerator.map(Number))?;
        optional(&mut map, "denominator", reading.denominator.map(Number))?;
        optional(&mut map, "lower", reading.lower)?;
        optional(&mut map, "upper", reading.upper)?;
        optional(&mut map, "quantiles", reading.quantiles.map(ByName))?;
        map.serialize_entry("complete", &self.complete())?;
        map.end()
    }
}

fn optional<M: SerializeMap, T: Serialize>(
    map: &mut M,
    name: &str,
    value: Option<T>,
) -> Result<(), M::Error> {
    match value {
        Some(value) => map.serialize_entry(name, &value),
        None => Ok(()),
    }
}

/// The key of a row as an object, dimension to value.
struct Key<'a>(&'a Row<'a>);

impl Serialize for Key<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.dimensions())
    }
}

/// A count or sum: whole ones are written as integers.
struct Number(f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match whole(self.0) {
            Some(value) => serializer.serialize_i64(value),
            None => serializer.serialize_f64(self.0),
        }
    }
}

/// Quantiles as an object: `{"0.5": 281.0, ...}`.
struct ByName(Quantiles);

impl Serialize for ByName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names = QUANTILES.into_iter().map(quantile_name);
        serializer.collect_map(names.zip(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::sample_view;
    use super::*;

    fn of(view: &View, filter: &Filter) -> Vec<(&'static str, String, String, Vec<String>)> {
        rows(view, filter)
            .map(|row| {
                let key = row
                    .dimensions()
                    .map(|(_, value)| value.to_owned())
                    .collect();
                let (window, breakdown) = (&row.window.name, &row.breakdown.label);
                (
                    row.kpi.name(),
                    window.to_string(),
                    breakdown.to_string(),
                    key,
                )
            })
            .collect()
    }

    #[test]
    fn rows_stand_in_order_and_only_where_the_kpi_exists() {
        let view = sample_view();
        let rows = of(&view, &Filter::default());
        assert_eq!(rows[0], ("fcr", "5m".into(), "overall".into(), vec![]));
        assert_eq!(
            rows[1],
            ("fcr", "5m".into(), "queue".into(), vec!["billing".into()])
        );
        // The key `gone` is not live, the window `30m` is for an alert alone.
        assert!(rows.iter().all(|row| row.1 != "30m" && row.3 != ["gone"]));
        // Quantiles are kept at overall and queue, corrected FCR in no window this short.
        assert!(
            rows.iter()
                .all(|row| row.0 != "handle_time" || row.2 != "channel")
        );
        assert!(rows.iter().all(|row| row.0 != "fcr_corrected"));
    }

    #[test]
    fn filters_narrow_and_name_what_they_do_not_know() {
        let view = sample_view();
        let mut filter = Filter::default();
        filter.add_kpi("aht").unwrap();
        filter.add_window(&view, "30m").unwrap();
        filter.add_breakdown(&view, "overall").unwrap();
        let rows = of(&view, &filter);
        assert_eq!(rows, [("aht", "30m".into(), "overall".into(), vec![])]);
        let error = filter.add_window(&view, "2m").unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown window `2m`; there are 5m, 1h, 30m"
        );
        assert!(filter.add_kpi("joy").is_err());
        assert!(filter.add_breakdown(&view, "team").is_err());
    }

    #[test]
    fn fcr_needs_the_horizon_before_the_window_too() {
        let mut view = sample_view();
        view.windows[0].complete = true;
        view.windows[0].complete_for_fcr = false;
        let filter = Filter::default();
        let complete = |kpi| {
            let row = rows(&view, &filter).find(|row| row.kpi == kpi).unwrap();
            row.complete()
        };
        assert!(!complete(Kpi::Fcr));
        assert!(!complete(Kpi::FcrMature));
        assert!(complete(Kpi::FcrSurvey));
        assert!(complete(Kpi::Aht));
    }

    #[test]
    fn nothing_accepted_is_no_row() {
        let mut view = sample_view();
        view.at = None;
        assert_eq!(rows(&view, &Filter::default()).count(), 0);
    }
}
