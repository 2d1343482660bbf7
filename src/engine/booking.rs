//! From a record to its contribution: routes, contact chains, panes and counters, and the one place
//! that says what an interaction or survey adds to which count.

use std::sync::Arc;

use smallvec::SmallVec;

use super::Dimensions;
use super::chain::{Effects, FirstContact, Inserted};
use super::chains::Chains;
use super::contact::{Contact, Tie};
use super::first_rows::Fate;
use super::ledger::{Body, Entry, InteractionBody, Ledger, SurveyBody};
use super::panes::Panes;
use super::routes::{RouteId, Routes};
use super::row::Row;
use super::settings::Settings;
use super::tally::{ContactTally, Tallies};
use crate::event::{Direction, Event, IdHash, Interaction, Survey};
use crate::kpi::{self, Count, FcrMatch, FcrMethod, Totals};
use crate::time::{Timestamp, millis_of};
use crate::window::WindowGeometry;

/// Whether a record that is booked counts in the counters of its keys, as each does once, or leaves
/// them as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counters {
    Move,
    Stay,
}

/// Gives contributions and takes them back.
#[derive(Debug)]
pub(super) struct Booking {
    rules: Rules,
    pub(super) routes: Routes,
    pub(super) chains: Chains,
    pub(super) panes: Panes,
    /// Counters on their way to their keys.
    tallies: Tallies,
    pub(super) handle_time_bounds_ms: Vec<u64>,
}

/// The definitions that decide what a record adds.
#[derive(Debug)]
struct Rules {
    short_abandon_ms: u64,
    csat_satisfied_from_milli: i32,
    by_flag: bool,
    match_on: FcrMatch,
    transfer_fails: bool,
    horizon_ms: i64,
    lateness_ms: i64,
    join_ms: i64,
}

impl Booking {
    pub(super) fn new(settings: &Settings, geometries: &[WindowGeometry]) -> Self {
        let fcr = &settings.kpis.fcr;
        let by_flag = fcr.method == FcrMethod::Flag;
        let horizon_ms = millis_of(fcr.horizon);
        let lateness_ms = millis_of(settings.allowed_lateness);
        let has_quantiles = settings
            .breakdowns
            .iter()
            .map(|set| settings.kpis.handle_time_breakdowns.contains(set))
            .collect();
        Self {
            rules: Rules {
                short_abandon_ms: u64::try_from(settings.kpis.short_abandon.as_millis())
                    .unwrap_or(u64::MAX),
                csat_satisfied_from_milli: settings.kpis.csat_satisfied_from_milli,
                by_flag,
                match_on: fcr.match_on,
                transfer_fails: fcr.transfer_fails,
                horizon_ms,
                lateness_ms,
                join_ms: millis_of(settings.kpis.survey_join_within),
            },
            routes: Routes::new(settings),
            chains: Chains::new(horizon_ms, lateness_ms, fcr.max_contacts),
            panes: Panes::new(geometries, has_quantiles, !by_flag),
            tallies: Tallies::default(),
            handle_time_bounds_ms: settings.kpis.handle_time_bounds_ms.clone(),
        }
    }

    /// The route of an event's own dimensions; the caller holds a reference.
    pub(super) fn route_of(&mut self, dimensions: &(impl Dimensions + ?Sized)) -> RouteId {
        self.routes.acquire_of(dimensions)
    }

    /// The values of an event's routed dimensions.
    pub(super) fn values_of(
        &self,
        dimensions: &(impl Dimensions + ?Sized),
    ) -> Vec<Option<Box<str>>> {
        let values = self.routes.values_of(dimensions);
        values.map(|value| value.map(Box::from)).collect()
    }

    pub(super) fn acquire(&mut self, values: &[Option<&str>]) -> RouteId {
        self.routes.acquire(values)
    }

    pub(super) fn release(&mut self, route: RouteId) {
        self.routes.release(route);
    }

    pub(super) fn count_overflow(&mut self, route: RouteId) {
        self.routes.count_overflow(route);
    }

    pub(super) fn is_full(&self) -> bool {
        self.panes.is_full() || self.tallies.is_full()
    }

    /// Contacts remembered.
    pub(super) fn contacts(&self) -> usize {
        self.chains.len()
    }

    pub(super) fn effective_horizon_ms(&self, stream_time: Option<Timestamp>) -> i64 {
        self.chains.effective_horizon_ms(stream_time)
    }

    /// The ledger entry of a version. Takes over the caller's reference to `route`.
    pub(super) fn entry(
        &mut self,
        event: &Event,
        order: u64,
        route: RouteId,
        counted: bool,
        ledger: &Ledger,
    ) -> Entry {
        let record = event.record();
        let (route, body) = match event {
            Event::Interaction(interaction) => {
                (route, Body::Interaction(self.interaction_body(interaction)))
            }
            Event::Survey(survey) => {
                let body = self.survey_body(survey, route);
                (
                    self.joined_route(record.event_time, &body, ledger),
                    Body::Survey(body),
                )
            }
        };
        Entry {
            event_time: record.event_time,
            version_time: record.version_time,
            order,
            content: record.content,
            excluded: record.excluded,
            counted,
            route,
            body,
        }
    }

    fn interaction_body(&self, interaction: &Interaction) -> InteractionBody {
        InteractionBody {
            chain: self.chain(interaction),
            inbound: interaction.direction == Direction::Inbound,
            abandoned: interaction.abandoned,
            transferred: interaction.transferred,
            resolved: interaction.resolved,
            wait_ms: interaction.wait_ms,
            handle_ms: interaction.handle_ms,
        }
    }

    /// The chain that an event will have a contact in, unless it is withdrawn.
    pub(super) fn chain_of(&self, event: &Event) -> Option<IdHash> {
        match event {
            Event::Interaction(interaction) => self.chain(interaction),
            Event::Survey(_) => None,
        }
    }

    /// The chain of a handled inbound interaction with a customer.
    fn chain(&self, interaction: &Interaction) -> Option<IdHash> {
        let is_contact = interaction.direction == Direction::Inbound && !interaction.abandoned;
        let issue = match self.rules.match_on {
            FcrMatch::CustomerAndIssue => interaction.issue,
            FcrMatch::Customer => None,
        };
        let customer = interaction.customer.filter(|_| is_contact)?;
        Some(customer.with(issue))
    }

    fn survey_body(&self, survey: &Survey, own_route: RouteId) -> SurveyBody {
        let lacks_dimensions = self.routes.route(own_route).lacks_values;
        SurveyBody {
            joins: survey
                .interaction
                .filter(|_| lacks_dimensions && !survey.record.excluded),
            own_route,
            csat_milli: survey.csat_milli,
            ces_milli: survey.ces_milli,
            nps: survey.nps,
            resolved: survey.resolved,
        }
    }

    /// The route of a survey with its missing dimensions taken from the winning version of its
    /// interaction, when that one is known, not withdrawn, and the survey was submitted between the
    /// allowed lateness before its end and `survey_join_within` after it. A new reference.
    fn joined_route(
        &mut self,
        submitted: Timestamp,
        survey: &SurveyBody,
        ledger: &Ledger,
    ) -> RouteId {
        let interaction = survey
            .joins
            .and_then(|id| ledger.get(id))
            .filter(|interaction| {
                let after_ms = submitted.millis_since(interaction.event_time);
                !interaction.excluded
                    && after_ms >= -self.rules.lateness_ms
                    && after_ms <= self.rules.join_ms
            });
        let Some(interaction) = interaction else {
            self.routes.retain(survey.own_route);
            return survey.own_route;
        };
        let own = &self.routes.route(survey.own_route).values;
        let taken = &self.routes.route(interaction.route).values;
        let values: Vec<Option<Arc<str>>> = own
            .iter()
            .zip(taken)
            .map(|(own, taken)| own.clone().or_else(|| taken.clone()))
            .collect();
        let values: Vec<Option<&str>> = values.iter().map(Option::as_deref).collect();
        self.routes.acquire(&values)
    }

    /// Books a survey anew when what it takes from its interaction has changed.
    pub(super) fn rejoin(&mut self, survey_id: IdHash, ledger: &mut Ledger) {
        let Some(place) = ledger.find(survey_id) else {
            return;
        };
        let entry = ledger.at(place);
        let Body::Survey(survey) = &entry.body else {
            return;
        };
        let route = self.joined_route(entry.event_time, survey, ledger);
        if route == entry.route {
            self.routes.release(route);
            return;
        }
        self.book(&entry, -1, Counters::Stay);
        self.routes.release(entry.route);
        let moved = Entry { route, ..entry };
        self.book(&moved, 1, Counters::Stay);
        ledger.set_route(place, route);
    }

    /// Gives up the references of an entry that has left the ledger.
    pub(super) fn forget(&mut self, entry: &Entry) {
        self.routes.release(entry.route);
        if let Body::Survey(survey) = &entry.body {
            self.routes.release(survey.own_route);
        }
    }

    /// Gives the contribution of a version; a withdrawn one has none. A first version counts in the
    /// counters of its keys.
    pub(super) fn give(&mut self, entry: &Entry, event: &Event, counters: Counters) {
        self.book(entry, 1, counters);
        let mut inserted = Inserted::default();
        if let (Some(chain), Event::Interaction(interaction)) = (chain_of(entry), event) {
            let contact = self.rules.contact(entry.route, interaction);
            let mut effects = Booked::default();
            inserted = self
                .chains
                .insert(chain, contact, &mut self.routes, &mut effects);
            self.book_effects(&effects);
        }
        if counters == Counters::Move {
            self.tally(entry, inserted);
        }
    }

    /// Takes the contribution of a version back; `event` is another version of the same record.
    pub(super) fn take(&mut self, entry: &Entry, event: &Event) {
        self.book(entry, -1, Counters::Stay);
        let (Some(chain), Event::Interaction(interaction)) = (chain_of(entry), event) else {
            return;
        };
        let tie = Tie::of(interaction.tie, interaction.record.id);
        let mut effects = Booked::default();
        let unchained = self
            .chains
            .remove(chain, entry.event_time, tie, &mut effects);
        self.book_effects(&effects);
        if let Some(route) = unchained {
            self.routes.release(route);
        }
    }

    /// Books what a record adds by itself, or takes it back with `sign` -1. What is folded counts in
    /// the counters as well; where it is not to, that is undone here.
    fn book(&mut self, entry: &Entry, sign: i64, counters: Counters) {
        if entry.excluded {
            return;
        }
        let target_ms = self.routes.route(entry.route).target_ms;
        let delta = self
            .panes
            .delta(entry.event_time, entry.route, &mut self.routes);
        let is_folded = delta.is_some();
        if let Some(delta) = delta {
            self.rules
                .record(&mut delta.totals, &entry.body, target_ms, sign);
            if let Some(handle_ms) = handled_ms(&entry.body) {
                delta.handle_time(handle_ms, if sign > 0 { 1 } else { -1 });
            }
        }
        let is_counted = counters == Counters::Move;
        if is_folded == is_counted {
            return;
        }
        let sign = if is_counted { sign } else { -sign };
        let mut totals = Totals::default();
        self.rules.record(&mut totals, &entry.body, target_ms, sign);
        let mut row = Row::default();
        row.fill(&totals, std::iter::empty());
        self.routes.count_records(entry.route, &row);
    }

    fn book_effects(&mut self, effects: &Booked) {
        for effect in &effects.0 {
            effect.book(&mut self.panes, &mut self.routes, &self.rules);
        }
    }

    /// Counts what the counters of a first version's keys have beside its totals.
    fn tally(&mut self, entry: &Entry, inserted: Inserted) {
        let routes = &mut self.routes;
        if let Some(handle_ms) = handled_ms(&entry.body) {
            let bounds_ms = &self.handle_time_bounds_ms;
            let bucket = bounds_ms.partition_point(|bound_ms| *bound_ms < handle_ms);
            let bucket = u16::try_from(bucket).unwrap_or(u16::MAX);
            self.tallies.handle_time(entry.route, bucket, routes);
        }
        if let Body::Interaction(interaction) = &entry.body {
            let is_contact = interaction.inbound && !interaction.abandoned;
            if is_contact && interaction.chain.is_none() {
                let unidentified = ContactTally::Unidentified;
                self.tallies.contact(entry.route, unidentified, routes);
            }
        }
        if inserted.first {
            let first = ContactTally::First;
            self.tallies.contact(entry.route, first, routes);
        }
        if let Some(route) = inserted.retracted {
            let retracted = ContactTally::Retracted;
            self.tallies.contact(route, retracted, routes);
        }
    }

    /// Folds what has been gathered into windows, panes and counters.
    pub(super) fn fold(&mut self) {
        self.panes.fold(&mut self.routes);
        let buckets = self.handle_time_bounds_ms.len() + 1;
        let has_quantiles = self.panes.has_quantiles();
        self.tallies.fold(buckets, has_quantiles, &mut self.routes);
    }

    /// Forgets contacts and panes that are no longer needed once stream time is here. No record of a
    /// contact up to `settled_until` is remembered.
    pub(super) fn expire(&mut self, stream_time: Timestamp, settled_until: Timestamp) {
        self.chains
            .expire(stream_time, settled_until, &mut self.routes);
        self.panes.trim(stream_time, &mut self.routes);
    }
}

/// The chain that a version has a contact in.
fn chain_of(entry: &Entry) -> Option<IdHash> {
    match &entry.body {
        Body::Interaction(interaction) if !entry.excluded => interaction.chain,
        Body::Interaction(_) | Body::Survey(_) => None,
    }
}

/// The handle time of a handled interaction, where it is known.
fn handled_ms(body: &Body) -> Option<u64> {
    match body {
        Body::Interaction(interaction) if !interaction.abandoned => interaction.handle_ms,
        Body::Interaction(_) | Body::Survey(_) => None,
    }
}

impl Rules {
    /// What a record adds, but for what follows from its contact chain (CONTRACT section 2).
    fn record(&self, totals: &mut Totals, body: &Body, target_ms: u64, sign: i64) {
        totals.count(Count::Records, sign);
        match body {
            Body::Interaction(interaction) => {
                self.record_interaction(totals, interaction, target_ms, sign);
            }
            Body::Survey(survey) => {
                kpi::record_customer_resolution(totals, survey.resolved, sign);
                if let Some(score) = survey.csat_milli {
                    kpi::record_csat(totals, score, self.csat_satisfied_from_milli, sign);
                }
                if let Some(score) = survey.ces_milli {
                    kpi::record_effort(totals, score, sign);
                }
                if let Some(answer) = survey.nps {
                    kpi::record_nps(totals, answer, sign);
                }
            }
        }
    }

    fn record_interaction(
        &self,
        totals: &mut Totals,
        interaction: &InteractionBody,
        target_ms: u64,
        sign: i64,
    ) {
        let abandoned = interaction.abandoned;
        if interaction.inbound {
            let wait_ms = interaction.wait_ms;
            kpi::record_abandonment(totals, abandoned, wait_ms, self.short_abandon_ms, sign);
            kpi::record_service_level(totals, abandoned, wait_ms, target_ms, sign);
        }
        if abandoned {
            totals.count(Count::Abandoned, sign);
            return;
        }
        kpi::record_transfer(totals, interaction.transferred, sign);
        kpi::record_agent_resolution(totals, interaction.resolved, sign);
        if let Some(handle_ms) = interaction.handle_ms {
            kpi::record_handle_time(totals, handle_ms, sign);
        }
        if !interaction.inbound {
            return;
        }
        if let Some(wait_ms) = interaction.wait_ms {
            kpi::record_speed_of_answer(totals, wait_ms, sign);
        }
        if let (true, Some(resolved)) = (self.by_flag, interaction.resolved) {
            totals.count(Count::FcrFirst, sign);
            if resolved && !(interaction.transferred && self.transfer_fails) {
                totals.count(Count::FcrResolved, sign);
            }
        }
    }

    fn contact(&self, route: RouteId, interaction: &Interaction) -> Contact {
        let event_time = interaction.record.event_time;
        let start = interaction.started_at.unwrap_or(event_time);
        Contact {
            event_time,
            tie: Tie::of(interaction.tie, interaction.record.id),
            start,
            route,
            failed: interaction.resolved == Some(false)
                || (interaction.transferred && self.transfer_fails),
            resolved: interaction.resolved == Some(true),
            first: true,
            episode_start: start,
        }
    }
}

/// Collects what chains give and take back until their tables are free again.
#[derive(Default)]
struct Booked(SmallVec<[Effect; 8]>);

struct Effect {
    moment: Timestamp,
    route: RouteId,
    sign: i32,
    what: What,
}

enum What {
    First(FirstContact),
    Episode(i64),
}

fn unit(sign: i64) -> i32 {
    if sign > 0 { 1 } else { -1 }
}

impl Effects for Booked {
    fn first_contact(&mut self, moment: Timestamp, route: RouteId, first: FirstContact, sign: i64) {
        self.0.push(Effect {
            moment,
            route,
            sign: unit(sign),
            what: What::First(first),
        });
    }

    fn episode(&mut self, moment: Timestamp, route: RouteId, milliseconds: i64, sign: i64) {
        self.0.push(Effect {
            moment,
            route,
            sign: unit(sign),
            what: What::Episode(milliseconds),
        });
    }
}

impl Effect {
    fn book(&self, panes: &mut Panes, routes: &mut Routes, rules: &Rules) {
        let (moment, route, sign) = (self.moment, self.route, self.sign);
        match self.what {
            What::First(_) if rules.by_flag => {}
            What::First(first) => {
                let fate = fate_of(first, rules.horizon_ms);
                panes.first_contact(moment, route, fate, sign, routes);
            }
            What::Episode(milliseconds) => {
                panes.episode(moment, route, milliseconds, sign, routes);
            }
        }
    }
}

fn fate_of(first: FirstContact, horizon_ms: i64) -> Fate {
    match first.repeat_delay_ms {
        _ if first.failed => Fate::Failed,
        Some(delay_ms) => {
            let step = kpi::repeat_step(delay_ms, horizon_ms);
            Fate::Repeated(u8::try_from(step).unwrap_or(u8::MAX))
        }
        None => Fate::Resolved,
    }
}
