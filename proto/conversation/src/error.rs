//! What can go wrong, by whose fault.

use mls_rs::error::MlsError;

/// Why something does not enter a conversation, or does not leave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConversationError {
    /// The member that made it is at fault: it means nothing, or is against the rules.
    #[error("not a message of this conversation")]
    Refused,
    /// The member that made it, or the network: it was opened before, and its key is gone.
    #[error("opened before")]
    OpenedBefore,
    /// It comes later than members wait for what follows an epoch.
    #[error("too late to follow its epoch")]
    TooLate,
    /// A refusal: so many epochs follow each other or lie beside each other that no more are taken.
    #[error("too many epochs at once")]
    TooManyEpochs,
    /// A refusal: this device is not a member any more.
    #[error("removed from the conversation")]
    Removed,
    /// A mistake of the caller: there is no such epoch, device or key package.
    #[error("unknown epoch, device or key package")]
    Unknown,
    /// A local fault: rows are damaged, or the library failed.
    #[error("the conversation's state does not work")]
    State,
}

impl ConversationError {
    /// Sorts an error of a message from outside.
    pub(crate) fn of_message(error: &MlsError) -> Self {
        match error {
            MlsError::KeyMissing(_) | MlsError::CantProcessMessageFromSelf => Self::OpenedBefore,
            MlsError::WelcomeKeyPackageNotFound => Self::Unknown,
            MlsError::InvalidEpoch => Self::TooLate,
            _ => Self::Refused,
        }
    }
}
