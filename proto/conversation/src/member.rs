//! Members: devices, each with the account that has certified it (SPEC 15.2).

use mls_rs::identity::basic::BasicCredential;
use mls_rs::identity::{CredentialType, SigningIdentity};
use mls_rs::{ExtensionList, IdentityProvider};
use mls_rs_core::error::IntoAnyError;
use mls_rs_core::identity::MemberValidationContext;
use mls_rs_core::time::MlsTime;
use restante_proto::account::{Delegation, DeviceCertificate, Identity};
use restante_proto::keys::{PublicKey, Signature};

/// Bytes of a credential.
const CREDENTIAL_BYTES: usize = 196;

/// A device of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member {
    /// The account.
    pub account: PublicKey,
    /// The device.
    pub device: PublicKey,
}

/// A leaf that names no device of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no device that its account has certified")]
pub struct MemberError;

impl IntoAnyError for MemberError {
    fn into_dyn_error(self) -> Result<Box<dyn std::error::Error + Send + Sync>, Self> {
        Ok(Box::new(self))
    }
}

impl Member {
    /// Returns the member that a leaf names.
    ///
    /// # Errors
    ///
    /// [`MemberError`] when it is not a credential of ours, or the account has not signed the device.
    pub(crate) fn of(identity: &SigningIdentity) -> Result<Self, MemberError> {
        Self::with_delegation(identity).map(|(member, _)| member)
    }

    /// Returns the member that a leaf names, with the number of the delegation that it was certified under.
    ///
    /// # Errors
    ///
    /// As [`Member::of`].
    pub(crate) fn with_delegation(identity: &SigningIdentity) -> Result<(Self, u32), MemberError> {
        let credential = identity.credential.as_basic().ok_or(MemberError)?;
        let bytes: &[u8; CREDENTIAL_BYTES] = credential
            .identifier
            .as_slice()
            .try_into()
            .map_err(|_| MemberError)?;
        let key = |bytes: &[u8]| PublicKey::try_from(bytes).map_err(|_| MemberError);
        let signature = |bytes: &[u8]| Signature::try_from(bytes).map_err(|_| MemberError);
        let (account, rest) = bytes.split_at(32);
        let (number, rest) = rest.split_first_chunk().ok_or(MemberError)?;
        let number = u32::from_be_bytes(*number);
        if number == 0 {
            return Err(MemberError);
        }
        let (delegate, signatures) = rest.split_at(32);
        let (delegation, certificate) = signatures.split_at(64);
        let (account, device) = (key(account)?, key(identity.signature_key.as_bytes())?);
        let certificate = DeviceCertificate {
            delegation: Delegation {
                number,
                key: key(delegate)?,
                signature: signature(delegation)?,
            },
            device,
            signature: signature(certificate)?,
        };
        certificate.verify(&account).map_err(|_| MemberError)?;
        Ok((Self { account, device }, number))
    }
}

/// Returns how a device of one's own is named in its leaf.
///
/// # Layout
///
/// A basic credential: account key (32); number (4), key (32) and signature (64) of the delegation; the delegate's
/// signature over the device key (64).
pub(crate) fn signing_identity(identity: &Identity) -> SigningIdentity {
    let account = identity.account;
    let certificate = identity.certificate();
    let delegation = certificate.delegation;
    let credential = [
        account.as_bytes().as_slice(),
        &delegation.number.to_be_bytes(),
        delegation.key.as_bytes(),
        delegation.signature.as_bytes(),
        certificate.signature.as_bytes(),
    ]
    .concat();
    let key = certificate.device.as_bytes().to_vec().into();
    SigningIdentity::new(BasicCredential::new(credential).into_credential(), key)
}

/// Who may be a member: a device that its account has certified.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Members;

impl IdentityProvider for Members {
    type Error = MemberError;

    fn validate_member(
        &self,
        identity: &SigningIdentity,
        _timestamp: Option<MlsTime>,
        _context: MemberValidationContext<'_>,
    ) -> Result<(), MemberError> {
        Member::of(identity).map(|_| ())
    }

    fn validate_external_sender(
        &self,
        _identity: &SigningIdentity,
        _timestamp: Option<MlsTime>,
        _extensions: Option<&ExtensionList>,
    ) -> Result<(), MemberError> {
        Err(MemberError)
    }

    fn identity(
        &self,
        identity: &SigningIdentity,
        _extensions: &ExtensionList,
    ) -> Result<Vec<u8>, MemberError> {
        Member::of(identity).map(|member| member.device.as_bytes().to_vec())
    }

    fn valid_successor(
        &self,
        predecessor: &SigningIdentity,
        successor: &SigningIdentity,
        _extensions: &ExtensionList,
    ) -> Result<bool, MemberError> {
        Ok(Member::of(predecessor)? == Member::of(successor)?)
    }

    fn supported_types(&self) -> Vec<CredentialType> {
        vec![CredentialType::BASIC]
    }
}
