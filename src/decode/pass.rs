//! One message being decoded: from the text of an event to an item of the result.

use super::decoded::{Decoded, Place, Verdict};
use super::decoder::Work;
use super::fault::{Problem, invalid_json, not_json, too_large, unknown_type};
use super::json::SyntaxError;
use super::plan::Plan;
use super::reader::{Reader, check_id};
use super::surroundings::Surroundings;
use super::{interaction, survey};
use crate::event::{IdHasher, Kind, Reject};
use crate::source::Envelope;

/// One message being decoded.
#[derive(Debug)]
pub(super) struct Pass<'d> {
    pub(super) plan: &'d Plan,
    pub(super) hasher: &'d IdHasher,
    pub(super) work: &'d mut Work,
    pub(super) envelope: &'d Envelope,
    pub(super) message: u32,
    pub(super) next_index: u32,
    pub(super) out: &'d mut Decoded,
}

/// A text that events stand in: the payload, or the data of a cloud event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'f> {
    pub(super) bytes: &'f [u8],
    /// For the data of a cloud event: where and what that is.
    pub(super) inside: Option<Inside>,
    /// The id of the cloud event whose data this is.
    pub(super) cloud_event_id: Option<Result<&'f str, Problem>>,
    /// Objects here may be `CloudEvents` in structured mode.
    pub(super) may_be_envelope: bool,
}

/// Facts about the structured cloud event whose data is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inside {
    /// The envelope in the payload: what its events have as received.
    pub(super) raw: (u32, u32),
    /// Index in the message of the first event of the data.
    pub(super) first_index: u32,
}

/// Whether an event is alone in its text or one of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Company {
    Alone,
    Several,
}

impl<'d> Pass<'d> {
    /// Reads the event whose text is `range` and whose values have just been noted.
    pub(super) fn captured(&mut self, frame: &Frame<'_>, range: (usize, usize), company: Company) {
        let length = range.1 - range.0;
        if length > self.plan.max_event_bytes {
            let reject = too_large("event", length, self.plan.max_event_bytes);
            return self.reject(frame, range, reject);
        }
        let bytes = frame.bytes.get(range.0..range.1).unwrap_or_default();
        let Ok(text) = simdutf8::basic::from_utf8(bytes) else {
            return self.reject(frame, range, invalid_json("not UTF-8"));
        };
        let specversion = self.plan.cloud_event.specversion.place;
        let tokens = self.work.capture.tokens();
        if frame.may_be_envelope
            && tokens
                .get(specversion)
                .is_some_and(|token| token.is_present())
        {
            return self.cloud_event(text, range);
        }
        self.read(frame, text, range, company);
    }

    /// Reads the fields of the event `text` and appends what comes of it. An event is large, and every
    /// copy of it is felt: it is appended where it is made.
    fn read(&mut self, frame: &Frame<'_>, text: &str, range: (usize, usize), company: Company) {
        let kind = match self.kind(text) {
            Ok(kind) => kind,
            Err(reject) => return self.reject(frame, range, reject),
        };
        let mark = self.out.mark();
        let place = self.place(frame, range);
        let around = self.surroundings(frame, company);
        let tokens = self.work.capture.tokens();
        let mut reader = Reader::new(text, tokens, &mut self.work.scratch);
        let content = &mut self.work.content;
        let plan = self.plan;
        let read = match kind {
            Kind::Interaction => {
                let fields = &plan.interaction;
                interaction::read(fields, &mut reader, &around, content, place, self.out)
            }
            Kind::Survey => survey::read(plan, &mut reader, &around, content, place, self.out),
        };
        match read {
            Ok(()) => self.next_index += 1,
            Err(fault) => {
                self.out.rewind(mark);
                self.reject(frame, range, fault.reject(kind));
            }
        }
    }

    /// The kind by the kind field, else by the subject.
    fn kind(&mut self, text: &str) -> Result<Kind, Reject> {
        let plan = self.plan;
        let tokens = self.work.capture.tokens();
        let mut reader = Reader::new(text, tokens, &mut self.work.scratch);
        let token = reader.token(&plan.kind);
        if !token.is_present() {
            return self.kind_by_subject();
        }
        let name = &plan.kind.name;
        match reader.string(token) {
            Some("interaction") => Ok(Kind::Interaction),
            Some("survey") => Ok(Kind::Survey),
            Some(_) => Err(unknown_type(&format!(
                "{name}: must be `interaction` or `survey`"
            ))),
            None => Err(unknown_type(&format!("{name}: must be a string"))),
        }
    }

    /// The kind by the subject alone.
    pub(super) fn kind_by_subject(&self) -> Result<Kind, Reject> {
        let subject = self.envelope.subject_text();
        if self.plan.interaction_subject.matches(subject) {
            Ok(Kind::Interaction)
        } else if self.plan.survey_subject.matches(subject) {
            Ok(Kind::Survey)
        } else {
            let name = &self.plan.kind.name;
            Err(unknown_type(&format!(
                "{name}: absent, and the subject is neither that of interactions nor of surveys"
            )))
        }
    }

    fn surroundings<'s>(&self, frame: &Frame<'s>, company: Company) -> Surroundings<'s>
    where
        'd: 's,
    {
        let first_index = frame.inside.map_or(0, |inside| inside.first_index);
        let headers = self.envelope.headers.as_deref();
        Surroundings {
            hasher: self.hasher,
            cloud_event_id: frame.cloud_event_id,
            cloud_event_index: (company == Company::Several).then(|| self.next_index - first_index),
            message_id: headers
                .and_then(|headers| headers.message_id.as_deref())
                .filter(|id| !id.is_empty()),
        }
    }

    pub(super) fn is_binary_cloud_event(&self) -> bool {
        let headers = self.envelope.headers.as_deref();
        headers.is_some_and(|headers| headers.cloud_event)
    }

    /// The id of a cloud event in binary mode.
    pub(super) fn binary_cloud_event_id(&self) -> Option<Result<&'d str, Problem>> {
        let headers = self.envelope.headers.as_deref()?;
        let id = headers.cloud_event_id.as_deref()?;
        (headers.cloud_event && !id.is_empty()).then(|| check_id(id))
    }

    pub(super) fn not_json(
        &mut self,
        frame: &Frame<'_>,
        range: (usize, usize),
        error: SyntaxError,
    ) {
        let length = range.1 - range.0;
        let reject = if length > self.plan.max_event_bytes {
            too_large("event", length, self.plan.max_event_bytes)
        } else if frame.bytes.get(range.0) == Some(&b'{') {
            not_json(error)
        } else {
            invalid_json("not a JSON object")
        };
        self.reject(frame, range, reject);
    }

    pub(super) fn reject(&mut self, frame: &Frame<'_>, range: (usize, usize), reject: Reject) {
        let place = self.place(frame, range);
        self.out.push(place, Verdict::Reject(reject));
        self.next_index += 1;
    }

    /// Where the next event is.
    #[inline]
    fn place(&self, frame: &Frame<'_>, range: (usize, usize)) -> Place {
        Place {
            message: self.message,
            index: self.next_index,
            raw: match frame.inside {
                Some(inside) => inside.raw,
                None => raw_range(range),
            },
            first_span: self.out.next_span(),
        }
    }
}

/// A range of the payload as an item has it. Only a message that is too large can go beyond 32 bits.
pub(super) fn raw_range(range: (usize, usize)) -> (u32, u32) {
    let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    (place(range.0), place(range.1))
}
