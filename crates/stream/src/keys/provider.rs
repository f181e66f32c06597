//! What a keeper of keys does.

use std::fmt;

use super::KeyError;
use crate::key::DataKey;

/// The longest name of a key, in bytes.
pub const KEY_ID_BYTES_MAX: usize = 255;
/// The longest wrapped key, in bytes: room for what key services add.
pub const WRAPPED_BYTES_MAX: usize = 1024;

/// The name of a key that wraps others. It is stored in clear.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(String);

impl KeyId {
    /// A name of letters, digits, `-`, `_`, `.`, `:` and `/`.
    ///
    /// # Errors
    ///
    /// [`KeyError::Id`].
    pub fn new(name: &str) -> Result<Self, KeyError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/');
        if name.is_empty() || name.len() > KEY_ID_BYTES_MAX || !name.chars().all(allowed) {
            return Err(KeyError::Id { found: name.chars().take(40).collect() });
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A data key that only its provider can read, as it is stored beside the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// The key that wrapped it.
    pub id: KeyId,
    /// What the provider made: 1 to [`WRAPPED_BYTES_MAX`] bytes.
    pub bytes: Vec<u8>,
}

/// Keeps keys and wraps data keys with them. One provider serves many threads.
///
/// A key service that is asked over a network wraps the key before a pack begins; nothing here waits.
pub trait KeyProvider: Send + Sync + fmt::Debug {
    /// Wraps `key` with the key for new data. `context` names the object: [`unwrap`](Self::unwrap) must fail with another one.
    ///
    /// # Errors
    ///
    /// What the provider reports.
    fn wrap(&self, key: &DataKey, context: &[u8]) -> Result<WrappedKey, KeyError>;

    /// The key that was wrapped for `context`.
    ///
    /// # Errors
    ///
    /// [`KeyError::NotFound`] for an unknown name, [`KeyError::Unwrap`] if it was not made by this key for this context.
    fn unwrap(&self, wrapped: &WrappedKey, context: &[u8]) -> Result<DataKey, KeyError>;
}
