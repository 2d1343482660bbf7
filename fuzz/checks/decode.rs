//! Any bytes as a message: the decoder says the same as the reference, an event or a reason, and
//! what a dead letter would carry is one short line.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use super::library;
use library::decode::{Decoder, Settings};
use library::event::HashKey;
use library::source::{Envelope, MessageHeaders};

#[path = "../../src/decode/tests/reference/mod.rs"]
#[expect(
    clippy::shadow_unrelated,
    clippy::string_slice,
    clippy::wildcard_enum_match_arm,
    reason = "taken in from the unit tests, which expect the same"
)]
mod reference;

const KEY: HashKey = HashKey::from_bytes([3; 16]);

/// Longest event of the small settings, so that inputs of a fuzzer are too long now and then.
const SMALL_EVENT: usize = 200;

/// The first byte says what is around the payload.
pub(crate) fn check(input: &[u8]) {
    // Kept from input to input: nothing may be left over from one message to the next.
    thread_local! {
        static DECODERS: RefCell<Vec<(Settings, Decoder)>> = RefCell::new(decoders());
    }
    let Some((&around, payload)) = input.split_first() else {
        return;
    };
    let envelope = Envelope {
        subject: ["", "cx.interactions.eu", "cx.surveys.eu", "other"][usize::from(around >> 2 & 3)]
            .into(),
        headers: (around >= 128).then(|| Box::new(headers(around))),
        payload: payload.to_vec().into(),
        ..Envelope::default()
    };
    DECODERS.with_borrow_mut(|decoders| {
        let place = usize::from(around & 3) % decoders.len();
        let (settings, decoder) = &mut decoders[place];
        reference::compare(decoder, settings, &envelope, &mut HashMap::new());
    });
}

fn headers(around: u8) -> MessageHeaders {
    MessageHeaders {
        dead_letter: false,
        message_id: (around & 16 != 0).then(|| "m".into()),
        cloud_event: around & 32 != 0,
        cloud_event_id: (around & 64 != 0).then(|| "c".into()),
    }
}

fn decoders() -> Vec<(Settings, Decoder)> {
    let small = Settings {
        max_event_bytes: SMALL_EVENT,
        max_message_bytes: 4 * SMALL_EVENT,
        ..Settings::default()
    };
    let all = [Settings::default(), small, reference::mapped()];
    all.into_iter()
        .map(|settings| {
            let decoder = Decoder::new(Arc::new(settings.clone()), KEY);
            (settings, decoder)
        })
        .collect()
}
