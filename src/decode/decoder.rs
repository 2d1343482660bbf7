//! The decoder: what lasts from message to message.

use std::sync::Arc;

use super::capture::Capture;
use super::content::Content;
use super::decoded::Decoded;
use super::pass::Pass;
use super::plan::Plan;
use super::reader::Scratch;
use super::settings::Settings;
use crate::event::{HashKey, IdHasher};
use crate::source::Envelope;

/// Turns messages into events and rejects. Cheap to make and to keep, one per thread.
///
/// ```
/// use std::sync::Arc;
/// use cxpulse::decode::{Decoded, Decoder, Settings, Verdict};
/// use cxpulse::event::HashKey;
/// use cxpulse::source::Envelope;
///
/// let mut decoder = Decoder::new(Arc::new(Settings::default()), HashKey::from_bytes([7; 16]));
/// let message = Envelope {
///     subject: "cx.surveys.eu".into(),
///     payload: r#"{"survey_id":"s1","submitted_at":"2026-01-31T12:00:00Z","nps":9,"queue":"sales"}"#.into(),
///     ..Envelope::default()
/// };
/// let mut decoded = Decoded::default();
/// decoder.decode(&message, 0, &mut decoded);
/// let item = &decoded.items[0];
/// assert!(matches!(item.verdict, Verdict::Event(_)));
/// assert_eq!(decoded.dimension(item, 1), Some("sales"));
/// ```
#[derive(Debug)]
pub struct Decoder {
    plan: Plan,
    hasher: IdHasher,
    work: Work,
}

/// Memory that lasts from event to event. Grows to the largest event seen.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) capture: Capture,
    pub(super) scratch: Scratch,
    pub(super) content: Content,
    /// The id of the cloud event being unwrapped.
    pub(super) envelope_id: String,
    /// The decoded `data_base64` of the same.
    pub(super) data: Vec<u8>,
}

impl Decoder {
    /// A decoder for these settings. `key` keys the hashes that stand in for ids.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "threads share one copy of the settings and each hands in its own handle"
    )]
    pub fn new(settings: Arc<Settings>, key: HashKey) -> Self {
        let plan = Plan::new(&settings);
        let work = Work {
            capture: Capture::new(&plan.names, plan.kind.place),
            scratch: Scratch::default(),
            content: Content::default(),
            envelope_id: String::new(),
            data: Vec::new(),
        };
        Self {
            plan,
            hasher: IdHasher::new(key),
            work,
        }
    }

    /// Appends the events and rejects of one message to `out`, in order. `message` is the index that
    /// the items carry. A blank payload and an empty array give nothing; bad input is a reject,
    /// never an error.
    pub fn decode(&mut self, envelope: &Envelope, message: u32, out: &mut Decoded) {
        out.dimensions = self.plan.interaction.dimensions.len();
        let pass = Pass {
            plan: &self.plan,
            hasher: &self.hasher,
            work: &mut self.work,
            envelope,
            message,
            next_index: 0,
            out,
        };
        pass.run();
    }
}
