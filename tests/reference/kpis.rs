//! Every KPI of one window and one key, from the list of its records.
use super::chains::Link;
use super::record::{Interaction, Survey};
use super::setup::{Formula, Method, Setup};
use super::stats::{self, Reading};

/// Steps of the survival analysis.
const STEPS: i64 = 28;

/// The records of one key, cut to the cohorts of one window.
#[derive(Debug, Default)]
pub(crate) struct Cohort<'a> {
    /// Interactions of the window and their links.
    pub contacts: Vec<(&'a Interaction, Option<Link>)>,
    pub surveys: Vec<&'a Survey>,
    /// First contacts followed for the whole horizon.
    pub mature: Vec<Link>,
    /// First contacts of the corrected cohort, with how long each has been followed, counted from the end of its pane.
    pub followed: Vec<(Link, i64)>,
}

/// Names and readings of all KPIs that exist for a window of `length_ms`, at a breakdown with or without quantiles.
pub(crate) fn all(
    setup: &Setup,
    cohort: &Cohort<'_>,
    length_ms: i64,
    with_handle_time: bool,
) -> Vec<(&'static str, Reading)> {
    let surveys = &cohort.surveys;
    let mut readings = vec![
        ("fcr", fcr(setup, cohort)),
        (
            "fcr_survey",
            share(surveys.iter().filter_map(|survey| survey.resolved)),
        ),
        (
            "resolution",
            share(handled(cohort).filter_map(|contact| contact.resolved)),
        ),
        ("aht", stats::mean(&handle_times(cohort))),
        ("asa", stats::mean(&answer_waits(cohort))),
        ("service_level", service_level(setup, cohort)),
        ("abandonment", abandonment(setup, cohort)),
        (
            "transfer",
            share(handled(cohort).map(|contact| contact.transferred)),
        ),
        (
            "csat",
            share(
                surveys
                    .iter()
                    .filter_map(|survey| Some(survey.csat? >= setup.csat_satisfied_from)),
            ),
        ),
        (
            "csat_score",
            stats::mean(
                &surveys
                    .iter()
                    .filter_map(|survey| survey.csat)
                    .collect::<Vec<_>>(),
            ),
        ),
        (
            "ces",
            stats::mean(
                &surveys
                    .iter()
                    .filter_map(|survey| survey.ces)
                    .collect::<Vec<_>>(),
            ),
        ),
        ("nps", nps(surveys)),
        ("time_to_resolution", stats::mean(&resolution_times(cohort))),
    ];
    if with_handle_time {
        readings.push(("handle_time", stats::quantiles(handle_times(cohort))));
    }
    if setup.fcr.method == Method::RepeatContact {
        readings.push((
            "fcr_mature",
            share(cohort.mature.iter().map(Link::resolved)),
        ));
        if length_ms > setup.fcr.horizon_ms {
            readings.push(("fcr_corrected", fcr_corrected(setup, cohort)));
        }
    }
    readings
}

/// The share of `true`.
fn share(answers: impl Iterator<Item = bool>) -> Reading {
    let answers: Vec<bool> = answers.collect();
    stats::ratio(
        answers.iter().filter(|answer| **answer).count(),
        answers.len(),
    )
}

fn handled<'a>(cohort: &Cohort<'a>) -> impl Iterator<Item = &'a Interaction> {
    cohort
        .contacts
        .iter()
        .map(|(contact, _)| *contact)
        .filter(|contact| !contact.abandoned)
}

fn fcr(setup: &Setup, cohort: &Cohort<'_>) -> Reading {
    if setup.fcr.method == Method::Flag {
        let inbound = handled(cohort).filter(|contact| contact.inbound);
        let passed = |contact: &Interaction| !(setup.fcr.transfer_fails && contact.transferred);
        return share(inbound.filter_map(|contact| Some(contact.resolved? && passed(contact))));
    }
    let links = cohort.contacts.iter().filter_map(|(_, link)| *link);
    share(links.filter(|link| link.first).map(|link| link.resolved()))
}

fn fcr_corrected(setup: &Setup, cohort: &Cohort<'_>) -> Reading {
    let horizon = setup.fcr.horizon_ms;
    let failed = cohort
        .followed
        .iter()
        .filter(|(link, _)| link.failed)
        .count();
    let steps_followed = |followed_ms: i64| (STEPS * followed_ms / horizon).min(STEPS);
    let repeat_step = |link: &Link| {
        link.repeat_after
            .map(|delay| (STEPS * delay / horizon).min(STEPS - 1))
    };
    let mut steps = Vec::new();
    for step in 0..STEPS {
        let at_risk = cohort.followed.iter().filter(|(link, followed_ms)| {
            let repeated_before = repeat_step(link).is_some_and(|repeat| repeat < step);
            !link.failed && steps_followed(*followed_ms) > step && !repeated_before
        });
        let (mut risks, mut repeats) = (0, 0);
        for (link, _) in at_risk {
            risks += 1;
            repeats += usize::from(repeat_step(link) == Some(step));
        }
        steps.push((risks, repeats));
    }
    stats::corrected(cohort.followed.len(), failed, &steps)
}

/// The own figure of the record, else talk, hold and wrap-up; unknown without talk.
fn handle_times(cohort: &Cohort<'_>) -> Vec<i64> {
    let parts = |contact: &Interaction| {
        Some(contact.talk? + contact.hold.unwrap_or(0) + contact.wrap.unwrap_or(0))
    };
    handled(cohort)
        .filter_map(|contact| contact.handle.or_else(|| parts(contact)))
        .collect()
}

fn answer_waits(cohort: &Cohort<'_>) -> Vec<i64> {
    handled(cohort)
        .filter(|contact| contact.inbound)
        .filter_map(|contact| contact.wait)
        .collect()
}

fn resolution_times(cohort: &Cohort<'_>) -> Vec<i64> {
    cohort
        .contacts
        .iter()
        .filter_map(|(_, link)| link.as_ref()?.resolution_ms)
        .collect()
}

fn service_level(setup: &Setup, cohort: &Cohort<'_>) -> Reading {
    let short = setup.short_abandon_ms;
    let (mut answered, mut answered_in_target) = (0, 0);
    let (mut lost, mut lost_in_target, mut lost_short) = (0, 0, 0);
    for (contact, _) in cohort
        .contacts
        .iter()
        .filter(|(contact, _)| contact.inbound)
    {
        let in_target = contact
            .wait
            .is_some_and(|wait| wait <= target(setup, contact));
        if contact.abandoned {
            lost += 1;
            lost_in_target += usize::from(in_target);
            lost_short += usize::from(contact.wait.is_some_and(|wait| wait <= short));
        } else if contact.wait.is_some() {
            answered += 1;
            answered_in_target += usize::from(in_target);
        }
    }
    let (hits, all) = match setup.service_level.formula {
        Formula::ExcludeShort => (answered_in_target, answered + lost - lost_short),
        Formula::AbandonPositive => (answered_in_target + lost_in_target, answered + lost),
        Formula::AnsweredOnly => (answered_in_target, answered),
        Formula::AbandonNegative => (answered_in_target, answered + lost),
        Formula::IgnoreEarlyAbandon => (answered_in_target, answered + lost - lost_in_target),
        Formula::ShortPositive => (answered_in_target + lost_short, answered + lost),
    };
    stats::ratio(hits, all)
}

/// The target of the first rule that fits the contact, else the general one.
fn target(setup: &Setup, contact: &Interaction) -> i64 {
    let fits = |wanted: Option<&String>, dimension: &str| {
        let own = contact
            .dims
            .get(dimension)
            .map_or("unknown", String::as_str);
        wanted.is_none_or(|wanted| wanted == own)
    };
    let mut rules = setup.service_level.rules.iter();
    let rule = rules
        .find(|rule| fits(rule.channel.as_ref(), "channel") && fits(rule.queue.as_ref(), "queue"));
    rule.map_or(setup.service_level.target_ms, |rule| rule.target_ms)
}

fn abandonment(setup: &Setup, cohort: &Cohort<'_>) -> Reading {
    let inbound: Vec<_> = cohort
        .contacts
        .iter()
        .filter(|(contact, _)| contact.inbound)
        .collect();
    let abandoned: Vec<_> = inbound
        .iter()
        .filter(|(contact, _)| contact.abandoned)
        .collect();
    let is_short = |contact: &Interaction| {
        contact
            .wait
            .is_some_and(|wait| wait <= setup.short_abandon_ms)
    };
    let short = abandoned
        .iter()
        .filter(|(contact, _)| is_short(contact))
        .count();
    stats::ratio(abandoned.len() - short, inbound.len() - short)
}

fn nps(surveys: &[&Survey]) -> Reading {
    let scores: Vec<i64> = surveys.iter().filter_map(|survey| survey.nps).collect();
    let promoters = scores.iter().filter(|score| **score >= 9_000).count();
    let detractors = scores.iter().filter(|score| **score <= 6_000).count();
    stats::promoter_score(promoters, detractors, scores.len())
}
