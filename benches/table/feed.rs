//! The workload as messages, a chunk at a time, so that a long run needs little memory.

use bytes::Bytes;
use cxpulse::simulate::workload::{Settings, Workload};
use cxpulse::source::Envelope;
use cxpulse::time::Timestamp;

/// Messages of the workload in order.
#[derive(Debug)]
pub(crate) struct Feed {
    workload: Workload,
    settings: Settings,
    next: u64,
}

impl Feed {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            workload: Workload::new(1, settings.clone()),
            settings,
            next: 0,
        }
    }

    /// When the next line is due.
    pub(crate) fn now(&self) -> Timestamp {
        let steps = i64::try_from(self.next).unwrap();
        let per_second = i64::from(self.settings.events_per_second);
        self.settings.start.plus_millis(steps * 1000 / per_second)
    }

    /// The next `count` lines, one a message.
    pub(crate) fn chunk(&mut self, count: u64) -> Vec<Envelope> {
        let mut text = String::new();
        let mut ends = Vec::new();
        for line in self.next..self.next + count {
            self.workload.write_line(line, &mut text);
            ends.push(text.len());
        }
        let text = Bytes::from(text);
        let mut from = 0;
        let mut messages = Vec::with_capacity(ends.len());
        for end in ends {
            self.next += 1;
            messages.push(Envelope {
                sequence: self.next,
                stored_at: self.now(),
                subject: Bytes::from_static(b"cx.interactions.bench"),
                headers: None,
                payload: text.slice(from..end),
            });
            from = end;
        }
        messages
    }
}
