//! What a person does with the account for life, and when going away for good.

mod backup;
mod passphrase;
mod shred;
