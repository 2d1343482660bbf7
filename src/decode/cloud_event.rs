//! `CloudEvents` 1.0 in structured mode: an envelope with the event in `data` or `data_base64`.
//! Binary mode needs no unwrapping: its payload is the data.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::fault::{Fault, Problem, invalid_json};
use super::pass::{Frame, Inside, Pass, raw_range};
use super::plan::CloudEventFields;
use super::reader::{Reader, check_id, fault};
use super::token::TokenKind;
use crate::event::Reject;

/// Where the data of an envelope is.
enum Data<'t> {
    /// In the envelope itself.
    Plain(&'t [u8]),
    /// In the buffer for decoded base64.
    Decoded,
    /// It is neither an object nor an array.
    Scalar,
}

impl Pass<'_> {
    /// Unwraps the cloud event `text`, which is `range` of the payload and whose members have just
    /// been noted, and reads the event or the array of events in it.
    pub(super) fn cloud_event(&mut self, text: &str, range: (usize, usize)) {
        // Taken out of the working memory for as long as the data is read through it.
        let mut id = std::mem::take(&mut self.work.envelope_id);
        let mut decoded = std::mem::take(&mut self.work.data);
        let tokens = self.work.capture.tokens();
        let mut reader = Reader::new(text, tokens, &mut self.work.scratch);
        let plan = self.plan;
        let fields = &plan.cloud_event;
        let id_check = copy_id(fields, &mut reader, &mut id);
        let data = find_data(fields, &mut reader, &mut decoded);
        let frame = Frame {
            bytes: match data {
                Ok(Data::Plain(bytes)) => bytes,
                Ok(Data::Decoded) => &decoded,
                Ok(Data::Scalar) | Err(_) => &[],
            },
            inside: Some(Inside {
                raw: raw_range(range),
                first_index: self.next_index,
            }),
            cloud_event_id: id_check.map(|check| check.map(|()| id.as_str())),
            may_be_envelope: false,
        };
        match data {
            Ok(Data::Plain(_) | Data::Decoded) => self.event_or_array(&frame),
            Ok(Data::Scalar) => self.reject(&frame, range, invalid_json("data: not an object")),
            Err(fault) => {
                let reject = self.reject_without_data(fault);
                self.reject(&frame, range, reject);
            }
        }
        self.work.envelope_id = id;
        self.work.data = decoded;
    }

    /// The reject of an envelope without readable data: its kind is that of the subject.
    fn reject_without_data(&self, fault: Fault<'_>) -> Reject {
        match self.kind_by_subject() {
            Ok(kind) => fault.reject(kind),
            Err(reject) => reject,
        }
    }
}

/// Copies the id of an envelope into `id`; `None` when it has none.
fn copy_id(
    fields: &CloudEventFields,
    reader: &mut Reader<'_, '_>,
    id: &mut String,
) -> Option<Result<(), Problem>> {
    id.clear();
    match reader.dimension(&fields.id) {
        Ok(None) => None,
        Ok(Some(text)) => {
            id.push_str(text);
            Some(check_id(text).map(|_| ()))
        }
        Err(fault) => Some(Err(fault.problem())),
    }
}

/// Finds the data of an envelope; `decoded` takes it where it is in base64.
fn find_data<'t, 'p>(
    fields: &'p CloudEventFields,
    reader: &mut Reader<'t, '_>,
    decoded: &mut Vec<u8>,
) -> Result<Data<'t>, Fault<'p>> {
    let data = reader.token(&fields.data);
    if let TokenKind::Object | TokenKind::Array = data.kind() {
        return Ok(Data::Plain(data.of(reader.text()).as_bytes()));
    }
    if data.is_present() {
        return Ok(Data::Scalar);
    }
    let encoded = reader.token(&fields.data_base64);
    if !encoded.is_present() {
        return fault(&fields.data, Problem::Missing);
    }
    let Some(encoded) = reader.string(encoded) else {
        return fault(&fields.data_base64, Problem::NotText);
    };
    decoded.clear();
    // With all of its padding or without any.
    let base64 = if encoded.ends_with('=') {
        STANDARD
    } else {
        STANDARD_NO_PAD
    };
    match base64.decode_vec(encoded, decoded) {
        Ok(()) => Ok(Data::Decoded),
        Err(_) => fault(&fields.data_base64, Problem::NotBase64),
    }
}
