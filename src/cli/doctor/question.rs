//! One question to the server: answered, refused, or neither.

use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::{Client, HeaderMap, Message, Request};
use tokio::sync::watch;

use crate::nats::Link;

/// What became of a question.
#[derive(Debug)]
pub(super) enum Answer {
    /// With this message.
    Message(Message),
    /// The right to ask is missing.
    Refused,
    /// Nobody listens.
    Nobody,
    /// Neither answer nor refusal.
    Silence,
}

/// Asks, and watches for what the server refuses.
#[derive(Debug)]
pub(super) struct Questioner {
    pub(super) client: Client,
    refusals: watch::Receiver<Vec<String>>,
    limit: Duration,
}

impl Questioner {
    pub(super) fn new(client: Client, link: &Link, limit: Duration) -> Self {
        Self {
            client,
            refusals: link.refusals(),
            limit,
        }
    }

    /// Publishes to `subject` and waits for the answer.
    pub(super) async fn ask(&mut self, subject: &str, payload: &str) -> Answer {
        self.ask_with(subject, HeaderMap::new(), payload).await
    }

    pub(super) async fn ask_with(
        &mut self,
        subject: &str,
        headers: HeaderMap,
        payload: &str,
    ) -> Answer {
        // An inbox of its own: a delivered message comes under its own subject.
        let request = Request::new()
            .inbox(self.client.new_inbox())
            .headers(headers)
            .payload(payload.to_owned().into())
            .timeout(Some(self.limit));
        let quoted = format!("to \"{subject}\"");
        let refused = self
            .refusals
            .wait_for(|all| all.iter().any(|one| one.contains(&quoted)));
        tokio::select! {
            answer = self.client.send_request(subject.to_owned(), request) => match answer {
                Ok(message) => Answer::Message(message),
                Err(error) if error.kind() == RequestErrorKind::NoResponders => Answer::Nobody,
                Err(_) => Answer::Silence,
            },
            Ok(_) = refused => Answer::Refused,
        }
    }

    /// The subject of a subscription that was refused so far.
    pub(super) fn refused_subscription(&self) -> Option<String> {
        let refusals = self.refusals.borrow();
        let mut subjects = refusals.iter().filter_map(|refusal| {
            let (_, after) = refusal.split_once("for Subscription to \"")?;
            after.split('"').next().map(str::to_owned)
        });
        subjects.next()
    }
}
