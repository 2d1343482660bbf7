//! Capturing state while it keeps changing: a capture copies a little at a time, and what is about to
//! change and has not been copied yet is copied first. So it holds the state of the one moment at
//! which it began.

use std::sync::Arc;

use super::routes::RouteId;

/// One piece of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// What the bytes are.
    pub kind: SectionKind,
    /// The encoded piece.
    pub bytes: Vec<u8>,
}

impl Section {
    /// Whether no other section of its kind follows.
    pub fn is_last(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// What a section holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SectionKind {
    /// Everything that is there once; always the first section.
    Head,
    /// Entries of the ledger.
    Ledger,
    /// Contacts.
    Chains,
    /// A run of panes.
    Panes,
}

impl SectionKind {
    /// The number in a file.
    pub fn number(self) -> u8 {
        match self {
            Self::Head => 1,
            Self::Ledger => 2,
            Self::Chains => 3,
            Self::Panes => 4,
        }
    }

    /// The kind of that number.
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Head, Self::Ledger, Self::Chains, Self::Panes]
            .into_iter()
            .find(|kind| kind.number() == number)
    }
}

/// Why captured state cannot be taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RestoreError {
    /// The bytes of a section are not those of its kind.
    #[error("section {kind:?} cannot be decoded")]
    Decode {
        /// What it should be.
        kind: SectionKind,
    },
    /// The first section is not the head.
    #[error("state begins without its head")]
    NoHead,
    /// A reference leads nowhere.
    #[error("section {kind:?} refers to a route that does not exist")]
    Dangling {
        /// Where the reference is.
        kind: SectionKind,
    },
    /// Something follows the last section of its kind, or a kind has no last one.
    #[error("a kind of sections does not end where it should")]
    NoEnd,
    /// A record or a contact comes twice.
    #[error("section {kind:?} holds what another one holds")]
    Twice {
        /// What it is.
        kind: SectionKind,
    },
}

/// Canonical numbers of the routes at the moment of the capture.
pub(super) type RouteNumbers = Arc<Vec<u32>>;

/// The canonical number of a route.
pub(super) fn number_of(numbers: &RouteNumbers, route: RouteId) -> RouteId {
    let at = usize::try_from(route.0).unwrap_or(usize::MAX);
    RouteId(numbers.get(at).copied().unwrap_or(u32::MAX))
}

/// Encodes a piece of state. State is always encodable: writing to memory cannot fail.
pub(super) fn encode(piece: &impl serde::Serialize) -> Vec<u8> {
    postcard::to_stdvec(piece).unwrap_or_default()
}

/// Decodes a piece of state, all of `bytes` and nothing else.
pub(super) fn decode<'b, P: serde::Deserialize<'b>>(
    kind: SectionKind,
    bytes: &'b [u8],
) -> Result<P, RestoreError> {
    match postcard::take_from_bytes(bytes) {
        Ok((piece, [])) => Ok(piece),
        Ok(_) | Err(_) => Err(RestoreError::Decode { kind }),
    }
}
