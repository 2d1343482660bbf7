//! The JetStream API calls that are needed, as JSON over request and reply.
//!
//! The client library has them too, but only with a feature per server version; and what the
//! server makes of a request (its echo) has to be checked here anyway, since old servers ignore
//! what they do not know.

mod shapes;

use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::{Client, Request};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use shapes::{
    ConsumerEcho, ConsumerInfo, ConsumerRequest, Copies, Copy, Deliver, Delivered, StreamConfig,
    StreamInfo, StreamRequest, StreamState,
};

/// Asks JetStream.
#[derive(Clone, Debug)]
pub struct Api {
    client: Client,
    /// How long an answer may take.
    limit: Duration,
}

/// How long an answer may take unless said otherwise.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No answer in time; also when the right to ask is missing.
    #[error("no answer on {subject}")]
    Unanswered {
        /// Where the request was sent.
        subject: String,
    },
    /// Nobody listens: JetStream is not enabled, or has no leader now.
    #[error("JetStream does not answer on {subject}")]
    NoResponders {
        /// Where the request was sent.
        subject: String,
    },
    /// The server says no.
    #[error("{description} (error {code})")]
    Refused {
        /// The server's error code (`err_code`).
        code: u64,
        /// The server's words.
        description: String,
    },
    /// The answer is not what the API promises.
    #[error("unexpected answer on {subject}: {reason}")]
    Malformed {
        /// Where the request was sent.
        subject: String,
        /// What is wrong with the answer.
        reason: String,
    },
}

impl ApiError {
    const STREAM_NOT_FOUND: u64 = 10_059;

    /// There is no stream of that name.
    pub fn is_stream_not_found(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if *code == Self::STREAM_NOT_FOUND)
    }
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    code: u64,
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

#[derive(Deserialize)]
struct StreamNames {
    #[serde(default)]
    streams: Option<Vec<String>>,
}

#[derive(Serialize)]
struct ConsumerCreate<'a> {
    stream_name: &'a str,
    action: &'static str,
    config: ConsumerConfig<'a>,
}

#[derive(Serialize)]
struct ConsumerConfig<'a> {
    #[serde(flatten)]
    request: &'a ConsumerRequest,
    ack_policy: &'static str,
    replay_policy: &'static str,
    num_replicas: u32,
    mem_storage: bool,
}

impl Api {
    /// The API of the account that `client` is logged in to.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            limit: ANSWER_WITHIN,
        }
    }

    /// The same, with another limit for an answer.
    #[must_use]
    pub fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Describes a stream.
    ///
    /// # Errors
    ///
    /// See [`ApiError`]; [`ApiError::is_stream_not_found`] when there is none.
    pub async fn stream_info(&self, stream: &str) -> Result<StreamInfo, ApiError> {
        self.call(format!("$JS.API.STREAM.INFO.{stream}"), &Value::Null)
            .await
    }

    /// Creates a stream.
    ///
    /// # Errors
    ///
    /// See [`ApiError`].
    pub async fn create_stream(&self, request: &StreamRequest) -> Result<StreamInfo, ApiError> {
        self.call(format!("$JS.API.STREAM.CREATE.{}", request.name), request)
            .await
    }

    /// The streams that store `subject`.
    ///
    /// # Errors
    ///
    /// See [`ApiError`].
    pub async fn streams_of(&self, subject: &str) -> Result<Vec<String>, ApiError> {
        let request = serde_json::json!({ "subject": subject });
        let names: StreamNames = self.call("$JS.API.STREAM.NAMES".into(), &request).await?;
        Ok(names.streams.unwrap_or_default())
    }

    /// Creates a consumer and checks that the server understood all of the request.
    ///
    /// # Errors
    ///
    /// See [`ApiError`].
    pub async fn create_consumer(
        &self,
        stream: &str,
        request: &ConsumerRequest,
    ) -> Result<ConsumerInfo, ApiError> {
        let subject = format!("$JS.API.CONSUMER.CREATE.{stream}.{}", request.name);
        let create = ConsumerCreate {
            stream_name: stream,
            action: "create",
            config: ConsumerConfig {
                request,
                ack_policy: "none",
                replay_policy: "instant",
                num_replicas: 1,
                mem_storage: true,
            },
        };
        let info: ConsumerInfo = self.call(subject.clone(), &create).await?;
        let mut echo = info.config.filter_subjects.clone();
        echo.extend(info.config.filter_subject.clone());
        if !same_set(&echo, &request.filter_subjects) {
            return Err(ApiError::Malformed {
                subject,
                reason: "the server ignored filter_subjects (nats-server 2.10 or newer is needed)"
                    .into(),
            });
        }
        Ok(info)
    }

    /// Deletes a consumer.
    ///
    /// # Errors
    ///
    /// See [`ApiError`].
    pub async fn delete_consumer(&self, stream: &str, consumer: &str) -> Result<(), ApiError> {
        let subject = format!("$JS.API.CONSUMER.DELETE.{stream}.{consumer}");
        let _: Value = self.call(subject, &Value::Null).await?;
        Ok(())
    }

    async fn call<T: DeserializeOwned>(
        &self,
        subject: String,
        body: &impl Serialize,
    ) -> Result<T, ApiError> {
        let payload = match serde_json::to_vec(body) {
            // An empty request has an empty payload.
            Ok(text) if text == b"null" => Vec::new(),
            Ok(text) => text,
            Err(error) => return Err(malformed(subject, &error)),
        };
        let request = Request::new()
            .payload(payload.into())
            .timeout(Some(self.limit));
        let answered = self.client.send_request(subject.clone(), request);
        // The client's own limit begins when it has taken the request, which may itself take long.
        let answered = tokio::time::timeout(self.limit, answered);
        let Ok(answer) = answered.await else {
            return Err(ApiError::Unanswered { subject });
        };
        match answer {
            Ok(message) => parse(subject, &message.payload),
            Err(error) if error.kind() == RequestErrorKind::NoResponders => {
                Err(ApiError::NoResponders { subject })
            }
            Err(_) => Err(ApiError::Unanswered { subject }),
        }
    }
}

/// Reads an answer of the API: an error object or the result.
///
/// # Errors
///
/// [`ApiError::Refused`] or [`ApiError::Malformed`].
pub(crate) fn parse<T: DeserializeOwned>(subject: String, payload: &[u8]) -> Result<T, ApiError> {
    let mut answer: Value = match serde_json::from_slice(payload) {
        Ok(answer) => answer,
        Err(error) => return Err(malformed(subject, &error)),
    };
    if let Some(error) = answer.get_mut("error").map(Value::take) {
        return match serde_json::from_value::<Refusal>(error) {
            Ok(refusal) => Err(ApiError::Refused {
                code: if refusal.err_code == 0 {
                    refusal.code
                } else {
                    refusal.err_code
                },
                description: refusal.description,
            }),
            Err(error) => Err(malformed(subject, &error)),
        };
    }
    serde_json::from_value(answer).map_err(|error| malformed(subject, &error))
}

fn malformed(subject: String, error: &serde_json::Error) -> ApiError {
    ApiError::Malformed {
        subject,
        reason: error.to_string(),
    }
}

fn same_set(one: &[String], other: &[String]) -> bool {
    let sorted = |texts: &[String]| {
        let mut texts = texts.to_vec();
        texts.sort();
        texts
    };
    sorted(one) == sorted(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_keeps_the_servers_words() {
        let answer = br#"{"type":"x","error":{"code":404,"err_code":10059,"description":"stream not found"}}"#;
        let error = parse::<StreamInfo>("s".into(), answer).unwrap_err();
        assert!(error.is_stream_not_found());
        assert_eq!(error.to_string(), "stream not found (error 10059)");
    }

    #[test]
    fn nonsense_is_no_stream() {
        for answer in [&b"{}"[..], b"", b"[]", br#"{"error":7}"#] {
            let error = parse::<StreamInfo>("s".into(), answer).unwrap_err();
            assert!(matches!(error, ApiError::Malformed { .. }), "{error}");
        }
    }

    #[test]
    fn a_consumer_is_asked_for_in_the_words_of_the_api() {
        let request = ConsumerRequest {
            name: "n".into(),
            deliver: Deliver::ByStartSequence { opt_start_seq: 5 },
            filter_subjects: vec!["a.>".into()],
            inactive_threshold: 1,
            description: "d".into(),
        };
        let config = ConsumerConfig {
            request: &request,
            ack_policy: "none",
            replay_policy: "instant",
            num_replicas: 1,
            mem_storage: true,
        };
        let value = serde_json::to_value(config).unwrap();
        assert_eq!(value["deliver_policy"], "by_start_sequence");
        assert_eq!(value["opt_start_seq"], 5);
        assert_eq!(value["filter_subjects"][0], "a.>");
        let all = serde_json::to_value(Deliver::All).unwrap();
        assert_eq!(all["deliver_policy"], "all");
    }
}
