//! Fields of one event.

use serde_json::Value;

use super::super::KEY;
use super::super::library::decode::{Settings, Unit};
use super::super::library::event::{
    Direction, Domain, Event, IdHash, IdHasher, Interaction, Kind, Reason, Record, Survey,
    tie_break,
};
use super::super::library::time::Timestamp;
use super::text::{id_of, is_json_number, is_number_object, number_text, present, text_of};
use super::{Accepted, Lent};

pub(super) struct Fields<'f> {
    pub(super) settings: &'f Settings,
    pub(super) kind: Kind,
    pub(super) value: &'f Value,
}

impl Fields<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        let Some(source) = self.settings.fields(self.kind).get(name) else {
            return present(self.value.get(name));
        };
        let mut value = self.value;
        for step in &source.path {
            if is_number_object(value) {
                return None;
            }
            value = value.as_object()?.get(step)?;
        }
        present(Some(value))
    }

    fn unit_ms(&self, name: &str, default: Unit) -> u32 {
        let source = self.settings.fields(self.kind).get(name);
        source
            .and_then(|source| source.unit)
            .unwrap_or(default)
            .millis()
    }

    fn id(&self, name: &str) -> Result<Option<String>, Reason> {
        self.get(name).map(id_of).transpose()
    }

    fn hash(&self, name: &str, domain: Domain) -> Result<Option<IdHash>, Reason> {
        Ok(self.id(name)?.map(|id| id_hash(domain, id.as_bytes())))
    }

    fn flag(&self, name: &str) -> Result<Option<bool>, Reason> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(Reason::InvalidField),
        }
    }

    fn time(&self, name: &str) -> Result<Option<Timestamp>, Reason> {
        let millis = match self.get(name) {
            None => return Ok(None),
            Some(Value::String(text)) => rfc3339(text),
            Some(value) => number_text(value)
                .and_then(|text| text.parse::<i128>().ok())
                .map(|count| count * i128::from(self.unit_ms(name, Unit::Milliseconds)))
                .filter(|&millis| millis >= 315_532_800_000),
        };
        let millis = millis.filter(|millis| (0..=253_402_300_799_999).contains(millis));
        match millis {
            Some(millis) => Ok(Some(Timestamp::from_millis(i64::try_from(millis).unwrap()))),
            None => Err(Reason::InvalidField),
        }
    }

    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be small and whole"
    )]
    fn duration(&self, name: &str) -> Result<Option<u64>, Reason> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let number = number_text(value).ok_or(Reason::InvalidField)?;
        let millis = number.parse::<f64>().unwrap() * f64::from(self.unit_ms(name, Unit::Seconds));
        if (0.0..=1e12).contains(&millis) {
            Ok(Some(millis.round() as u64))
        } else {
            Err(Reason::InvalidField)
        }
    }

    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        reason = "checked to be small and whole"
    )]
    fn score(&self, name: &str, scale: (i32, i32)) -> Result<Option<i32>, Reason> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let text = match value {
            Value::String(text) if is_json_number(text) => text,
            value => number_text(value).ok_or(Reason::InvalidField)?,
        };
        let milli = (text.parse::<f64>().unwrap() * 1000.0).round();
        if milli >= f64::from(scale.0) && milli <= f64::from(scale.1) {
            Ok(Some(milli as i32))
        } else {
            Err(Reason::InvalidField)
        }
    }

    fn event_id(&self, lent: &Lent) -> Result<(), Reason> {
        match (self.id("event_id")?, &lent.cloud_event_id) {
            (None, Some(id)) => id_of(id).map(|_| ()),
            _ => Ok(()),
        }
    }

    fn dimensions(&self) -> Result<(Vec<Option<String>>, u64), Reason> {
        let mut truncated = 0;
        let mut values = Vec::new();
        for name in &self.settings.dimensions {
            let mut value = self.get(name).map(text_of).transpose()?;
            if let Some(text) = &mut value
                && text.len() > 256
            {
                truncated += 1;
                while text.len() > 256 {
                    text.pop();
                }
            }
            values.push(value);
        }
        Ok((values, truncated))
    }

    pub(super) fn interaction(&self, lent: &Lent) -> Result<Accepted, Reason> {
        if self.get("interaction_id").is_none() || self.get("ended_at").is_none() {
            return Err(Reason::MissingField);
        }
        self.event_id(lent)?;
        let id = self.id("interaction_id")?.unwrap();
        let ended_at = self.time("ended_at")?.unwrap();
        let started_at = self.time("started_at")?;
        if started_at > Some(ended_at) {
            return Err(Reason::InvalidField);
        }
        let mut durations = Vec::new();
        for name in ["wait", "talk", "hold", "wrap", "handle"] {
            durations.push(self.duration(&format!("{name}_seconds"))?);
        }
        let sum =
            durations[1].map(|talk| talk + durations[2].unwrap_or(0) + durations[3].unwrap_or(0));
        let direction = match self.get("direction") {
            None => Direction::Inbound,
            Some(Value::String(text)) if text == "inbound" => Direction::Inbound,
            Some(Value::String(text)) if text == "outbound" => Direction::Outbound,
            Some(_) => return Err(Reason::InvalidField),
        };
        let event = Interaction {
            record: Record {
                id: id_hash(Domain::Interaction, id.as_bytes()),
                event_time: ended_at,
                version_time: self.time("updated_at")?.unwrap_or(ended_at),
                content: 0,
                excluded: self.flag("excluded")?.unwrap_or(false),
            },
            tie: tie_break(id.as_bytes()),
            customer: self.hash("customer_id", Domain::Customer)?,
            issue: self.hash("issue_id", Domain::Issue)?,
            direction,
            abandoned: self.flag("abandoned")?.unwrap_or(false),
            transferred: self.flag("transferred")?.unwrap_or(false),
            resolved: self.flag("resolved")?,
            started_at,
            wait_ms: durations[0],
            handle_ms: durations[4].or(sum),
        };
        let (dimensions, truncated) = self.dimensions()?;
        let mut kept = event.clone();
        kept.record.id = IdHash::default();
        kept.tie = 0;
        Ok(Accepted {
            kept: format!("{kept:?} {durations:?} {dimensions:?}"),
            event: Event::Interaction(event),
            dimensions,
            truncated,
        })
    }

    pub(super) fn survey(
        &self,
        lent: &Lent,
        message_id: Option<String>,
    ) -> Result<Accepted, Reason> {
        let answers = ["csat", "nps", "ces", "resolved"];
        let has_id = self.get("survey_id").is_some()
            || self.get("event_id").is_some()
            || lent.cloud_event_id.is_some()
            || message_id.is_some();
        let has_answer = answers.iter().any(|answer| self.get(answer).is_some());
        if !has_id || !has_answer || self.get("submitted_at").is_none() {
            return Err(Reason::MissingField);
        }
        self.event_id(lent)?;
        let own = self.id("survey_id")?.or(self.id("event_id")?);
        let id = match (own, &lent.cloud_event_id, message_id) {
            (Some(id), _, _) => id,
            (None, Some(id), _) => match lent.index {
                Some(index) => format!("{}#{index}", id_of(id)?),
                None => id_of(id)?,
            },
            (None, None, Some(id)) => id_of(&Value::from(id))?,
            (None, None, None) => unreachable!(),
        };
        if !matches!(self.get("comment"), None | Some(Value::String(_))) {
            return Err(Reason::InvalidField);
        }
        let submitted_at = self.time("submitted_at")?.unwrap();
        let nps = self.score("nps", (0, 10_000))?;
        if nps.is_some_and(|milli| milli % 1000 != 0) {
            return Err(Reason::InvalidField);
        }
        let event = Survey {
            record: Record {
                id: id_hash(Domain::Survey, id.as_bytes()),
                event_time: submitted_at,
                version_time: self.time("updated_at")?.unwrap_or(submitted_at),
                content: 0,
                excluded: self.flag("excluded")?.unwrap_or(false),
            },
            interaction: self.hash("interaction_id", Domain::Interaction)?,
            csat_milli: self.score("csat", self.settings.csat_scale_milli)?,
            ces_milli: self.score("ces", self.settings.ces_scale_milli)?,
            nps: nps.map(|milli| u8::try_from(milli / 1000).unwrap()),
            resolved: self.flag("resolved")?,
        };
        let customer = self.hash("customer_id", Domain::Customer)?;
        let (dimensions, truncated) = self.dimensions()?;
        let mut kept = event.clone();
        kept.record.id = IdHash::default();
        Ok(Accepted {
            kept: format!("{kept:?} {customer:?} {dimensions:?}"),
            event: Event::Survey(event),
            dimensions,
            truncated,
        })
    }
}

fn rfc3339(text: &str) -> Option<i128> {
    let upper = text.to_ascii_uppercase();
    let shape: String = upper
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    let (date_time, rest) = (shape.get(..19)?, shape.get(19..)?);
    if date_time != "0000-00-00T00:00:00" {
        return None;
    }
    let zone = match rest.strip_prefix('.') {
        None => rest,
        Some(fraction) => {
            let zone = fraction.trim_start_matches('0');
            if zone.len() == fraction.len() {
                return None;
            }
            zone
        }
    };
    let zone = &upper[upper.len() - zone.len()..];
    let zone_shape = &shape[shape.len() - zone.len()..];
    let fine_zone = match zone_shape {
        "Z" => true,
        "+00:00" | "-00:00" => &zone[1..3] < "24" && &zone[4..6] < "60",
        _ => false,
    };
    if !fine_zone || &upper[11..13] > "23" || &upper[14..16] > "59" || &upper[17..19] > "59" {
        return None;
    }
    let local: jiff::civil::DateTime = upper[..19].parse().ok()?;
    let seconds = local
        .to_zoned(jiff::tz::TimeZone::UTC)
        .ok()
        .map(|zoned| zoned.timestamp().as_second())?;
    let fraction = &upper[19..upper.len() - zone.len()];
    let millis: String = fraction.trim_start_matches('.').chars().take(3).collect();
    let millis: i128 = format!("{millis:0<3}").parse().unwrap();
    let ahead = if zone == "Z" {
        0
    } else {
        let minutes: i128 =
            zone[1..3].parse::<i128>().unwrap() * 60 + zone[4..6].parse::<i128>().unwrap();
        if zone.starts_with('-') {
            -minutes
        } else {
            minutes
        }
    };
    Some((i128::from(seconds) - ahead * 60) * 1000 + millis)
}

fn id_hash(domain: Domain, id: &[u8]) -> IdHash {
    IdHasher::new(KEY).hash(domain, id)
}
