//! Keys that the program brings.

use std::fmt;

use super::wrap::{unwrap, wrap};
use super::{KeyError, KeyId, KeyProvider, WrappedKey};
use crate::key::DataKey;

/// Keys in memory. The first one wraps new data keys; all of them unwrap, so that keys can be replaced.
///
/// ```
/// use rustfs_rio_stream::DataKey;
/// use rustfs_rio_stream::keys::{KeyId, KeyProvider, MemoryKeys};
///
/// # fn main() -> Result<(), rustfs_rio_stream::keys::KeyError> {
/// let keys = MemoryKeys::new(KeyId::new("2026-q3")?, DataKey::from([7; 32]));
/// let wrapped = keys.wrap(&DataKey::from([1; 32]), b"object 1")?;
/// assert_eq!(keys.unwrap(&wrapped, b"object 1")?.expose(), &[1; 32]);
/// assert!(keys.unwrap(&wrapped, b"object 2").is_err());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct MemoryKeys(Vec<(KeyId, DataKey)>);

impl MemoryKeys {
    /// A provider with one key.
    pub fn new(id: KeyId, key: DataKey) -> Self {
        Self(vec![(id, key)])
    }

    pub(super) fn empty() -> Self {
        Self(Vec::new())
    }

    /// Adds a key that unwraps; it wraps only if it is the first.
    ///
    /// # Errors
    ///
    /// [`KeyError::Twice`].
    pub fn add(&mut self, id: KeyId, key: DataKey) -> Result<(), KeyError> {
        if self.0.iter().any(|(other, _)| *other == id) {
            return Err(KeyError::Twice { id });
        }
        self.0.push((id, key));
        Ok(())
    }

    /// The names of the keys, the one for new data first.
    pub fn ids(&self) -> impl Iterator<Item = &KeyId> {
        self.0.iter().map(|(id, _)| id)
    }
}

impl KeyProvider for MemoryKeys {
    fn wrap(&self, key: &DataKey, context: &[u8]) -> Result<WrappedKey, KeyError> {
        let (id, with) = self.0.first().ok_or(KeyError::Empty)?;
        wrap(id, with, key, context)
    }

    fn unwrap(&self, wrapped: &WrappedKey, context: &[u8]) -> Result<DataKey, KeyError> {
        let found = self.0.iter().find(|(id, _)| *id == wrapped.id);
        let (_, with) = found.ok_or_else(|| KeyError::NotFound { id: wrapped.id.clone() })?;
        unwrap(with, wrapped, context)
    }
}

impl fmt::Debug for MemoryKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}
