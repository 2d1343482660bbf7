//! Rows at one instant: which records each window and key holds, and what they come to.
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::chains::{self, Link};
use super::kpis::{self, Cohort};
use super::ledger::Ledger;
use super::output::{Place, Row};
use super::record::{Interaction, Record, Survey};
use super::setup::{Day, Method, Setup, Window};
use super::time;

const DAY_MS: i64 = 86_400_000;

/// One record that counts, with the dimensions it is booked under before known values are looked at.
struct Fact<'a> {
    time: i64,
    dims: BTreeMap<String, String>,
    what: What<'a>,
}

enum What<'a> {
    Contact(&'a Interaction, Option<Link>),
    Answers(&'a Survey),
}

/// The event times a window covers at an instant, and its cohorts.
struct Cover {
    window: Range<i64>,
    mature: Range<i64>,
    corrected: Range<i64>,
}

/// All rows at instant `at`.
pub(crate) fn rows(setup: &Setup, ledger: &Ledger, at: i64) -> BTreeMap<Place, Row> {
    let facts = facts(setup, ledger);
    let covers: Vec<_> = setup
        .windows
        .iter()
        .map(|window| cover(setup, window, at))
        .collect();
    let mut rows = BTreeMap::new();
    for breakdown in &setup.breakdowns {
        let booked: Vec<_> = facts
            .iter()
            .map(|fact| (key_of(setup, breakdown, fact), fact))
            .collect();
        for key in keys(setup, breakdown, &booked, &covers) {
            for (window, cover) in setup.windows.iter().zip(&covers) {
                let own = booked
                    .iter()
                    .filter(|(own, _)| *own == key)
                    .map(|(_, fact)| *fact);
                let cohort = cohort(window, cover, own);
                let with_handle_time = setup.handle_time_breakdowns.contains(breakdown);
                for (kpi, reading) in kpis::all(setup, &cohort, window.length_ms, with_handle_time)
                {
                    let place = Place {
                        breakdown: name(breakdown),
                        key: breakdown.iter().cloned().zip(key.iter().cloned()).collect(),
                        window: window.name.clone(),
                        kpi: kpi.to_owned(),
                    };
                    let complete = complete(setup, ledger, cover, kpi);
                    rows.insert(place, Row { reading, complete });
                }
            }
        }
    }
    rows
}

fn name(breakdown: &[String]) -> String {
    if breakdown.is_empty() {
        "overall".to_owned()
    } else {
        breakdown.join(",")
    }
}

fn facts<'a>(setup: &Setup, ledger: &'a Ledger) -> Vec<Fact<'a>> {
    let winners = ledger.winners();
    let interactions: Vec<&Interaction> = winners
        .iter()
        .filter_map(|record| {
            if let Record::Interaction(one) = record {
                Some(one)
            } else {
                None
            }
        })
        .collect();
    let links = chains::links(setup, &interactions);
    let mut facts = Vec::new();
    for record in winners {
        facts.push(match record {
            Record::Interaction(one) => Fact {
                time: one.ended_at,
                dims: one.dims.clone(),
                what: What::Contact(one, links.get(&one.id).copied()),
            },
            Record::Survey(survey) => Fact {
                time: survey.submitted_at,
                dims: joined(setup, survey, &interactions),
                what: What::Answers(survey),
            },
        });
    }
    facts
}

/// The dimensions of a survey: its own, the missing ones from the contact it is about where that is near enough.
fn joined(
    setup: &Setup,
    survey: &Survey,
    interactions: &[&Interaction],
) -> BTreeMap<String, String> {
    let named = interactions
        .iter()
        .find(|one| Some(&one.id) == survey.interaction.as_ref());
    let reach = -setup.allowed_lateness_ms..=setup.survey_join_within_ms;
    let near = named.filter(|one| reach.contains(&(survey.submitted_at - one.ended_at)));
    let mut dims = near.map(|one| one.dims.clone()).unwrap_or_default();
    dims.extend(survey.dims.clone());
    dims
}

/// The values a record is booked under, in the order of the breakdown.
fn key_of(setup: &Setup, breakdown: &[String], fact: &Fact<'_>) -> Vec<String> {
    let mut key = Vec::new();
    for dimension in breakdown {
        let value = fact.dims.get(dimension).map_or("unknown", String::as_str);
        let listed = setup
            .values
            .get(dimension)
            .is_none_or(|known| known.iter().any(|one| one == value));
        key.push(if listed { value } else { "__other__" }.to_owned());
    }
    key
}

/// The keys that have rows: overall always, else those with something in a window or in a mature cohort.
fn keys(
    setup: &Setup,
    breakdown: &[String],
    booked: &[(Vec<String>, &Fact<'_>)],
    covers: &[Cover],
) -> BTreeSet<Vec<String>> {
    let mut keys = BTreeSet::new();
    if breakdown.is_empty() {
        keys.insert(Vec::new());
    }
    for (key, fact) in booked {
        let first = matches!(fact.what, What::Contact(_, Some(link)) if link.first);
        let matures = first && setup.fcr.method == Method::RepeatContact;
        let shows = |cover: &Cover| {
            cover.window.contains(&fact.time) || (matures && cover.mature.contains(&fact.time))
        };
        if covers.iter().any(shows) {
            keys.insert(key.clone());
        }
    }
    keys
}

fn cover(setup: &Setup, window: &Window, at: i64) -> Cover {
    let (pane, length) = (window.pane_ms, window.length_ms);
    let end = at - window.delay_ms;
    let floor = |instant: i64| instant.div_euclid(pane) * pane;
    let ceiling = -floor(-end);
    let mature = floor(end - setup.fcr.horizon_ms);
    if let Some(day) = &window.day {
        return Cover {
            window: day_start(day, end)..end,
            mature: day_start(day, mature)..mature,
            corrected: 0..0,
        };
    }
    Cover {
        window: ceiling - length..end,
        mature: mature - length..mature,
        corrected: floor(end) - length..floor(end),
    }
}

/// The last start of a day that is not after `at`.
fn day_start(day: &Day, at: i64) -> i64 {
    let (hours, minutes) = day.since.split_once(':').expect("HH:MM");
    let hour_ms = |text: &str| text.parse::<i64>().expect("a number") * 60_000;
    let since_ms = hour_ms(hours) * 60 + hour_ms(minutes);
    let today = (at + time::offset_ms(&day.zone, at)).div_euclid(DAY_MS);
    (today - 1..=today + 1)
        .map(|date| time::instant_of(&day.zone, date * DAY_MS + since_ms))
        .filter(|start| *start <= at)
        .max()
        .expect("a day has begun")
}

fn cohort<'a, 'b: 'a>(
    window: &Window,
    cover: &Cover,
    facts: impl Iterator<Item = &'a Fact<'b>>,
) -> Cohort<'b> {
    let mut cohort = Cohort::default();
    for fact in facts {
        let within = cover.window.contains(&fact.time);
        match fact.what {
            What::Answers(survey) if within => cohort.surveys.push(survey),
            What::Contact(contact, link) if within => cohort.contacts.push((contact, link)),
            What::Answers(_) | What::Contact(..) => {}
        }
        if let What::Contact(_, Some(link)) = fact.what
            && link.first
        {
            if cover.mature.contains(&fact.time) {
                cohort.mature.push(link);
            }
            if cover.corrected.contains(&fact.time) {
                let pane_end = (fact.time.div_euclid(window.pane_ms) + 1) * window.pane_ms;
                cohort.followed.push((link, cover.corrected.end - pane_end));
            }
        }
    }
    cohort
}

/// Whether history reaches back over the window, for the first contacts over the horizon before it too.
fn complete(setup: &Setup, ledger: &Ledger, cover: &Cover, kpi: &str) -> bool {
    let needs_horizon = matches!(kpi, "fcr" | "fcr_mature" | "fcr_corrected");
    let more = if needs_horizon {
        setup.fcr.horizon_ms
    } else {
        0
    };
    ledger
        .earliest
        .is_some_and(|earliest| earliest <= cover.window.start - more)
}
