//! How long what is stored takes to be seen: from the store time of a message to the view that shows
//! it.

use prometheus::Histogram;

use crate::time::Timestamp;

/// What has been processed since the last view.
#[derive(Debug, Default)]
pub(super) struct Freshness {
    /// Store times and how many events came with each; a busy stream has many in a millisecond.
    unseen: Vec<(Timestamp, u32)>,
}

impl Freshness {
    /// An event of a message stored then has been processed.
    pub(super) fn processed(&mut self, stored_at: Timestamp) {
        match self.unseen.last_mut() {
            Some((last, events)) if *last == stored_at => *events += 1,
            Some(_) | None => self.unseen.push((stored_at, 1)),
        }
    }

    /// A view that shows all of it was made at `now`.
    pub(super) fn shown(&mut self, now: Timestamp, seconds: &Histogram) {
        let seconds = seconds.local();
        for (stored_at, events) in self.unseen.drain(..) {
            let took_ms = now.millis_since(stored_at).max(0);
            for _ in 0..events {
                seconds.observe(Timestamp::from_millis(took_ms).as_seconds());
            }
        }
        seconds.flush();
    }
}

#[cfg(test)]
mod tests {
    use prometheus::HistogramOpts;

    use super::*;

    #[test]
    fn each_event_is_observed_once_by_the_view_that_shows_it() {
        let histogram = Histogram::with_opts(HistogramOpts::new("a", "b")).unwrap();
        let at = Timestamp::from_millis;
        let mut freshness = Freshness::default();
        for stored_ms in [1000, 1000, 1500, 9000] {
            freshness.processed(at(stored_ms));
        }
        freshness.shown(at(2000), &histogram);
        assert_eq!(histogram.get_sample_count(), 4);
        // The clock of the server is ahead for the last.
        assert!((histogram.get_sample_sum() - 2.5).abs() < 1e-9);
        freshness.shown(at(3000), &histogram);
        assert_eq!(histogram.get_sample_count(), 4);
    }
}
