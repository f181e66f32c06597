//! A data key: 32 secret bytes that are wiped when they are dropped and that no message shows.

use std::fmt;

use zeroize::Zeroize;

/// Length of a data key in bytes.
pub const KEY_BYTES: usize = 32;

/// A secret of 32 bytes that encrypts the bytes of one object or of one part.
///
/// The bytes are overwritten when the key is dropped; [`fmt::Debug`] does not show them. A key that is moved may leave a copy on the
/// stack, which no safe code can reach to wipe it.
#[derive(Clone)]
pub struct DataKey(Box<[u8; KEY_BYTES]>);

impl DataKey {
    /// Takes over the bytes and wipes the caller's copy.
    pub fn take(bytes: &mut [u8; KEY_BYTES]) -> Self {
        let mut key = Self(Box::new([0; KEY_BYTES]));
        key.0.copy_from_slice(bytes);
        bytes.zeroize();
        key
    }

    /// A key that `write` puts in place, so that there is no other copy.
    pub(crate) fn written<E>(write: impl FnOnce(&mut [u8; KEY_BYTES]) -> Result<(), E>) -> Result<Self, E> {
        let mut key = Self(Box::new([0; KEY_BYTES]));
        write(&mut key.0)?;
        Ok(key)
    }

    /// The bytes, for a cipher or for wrapping the key with another one.
    pub fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl Drop for DataKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl From<[u8; KEY_BYTES]> for DataKey {
    fn from(mut bytes: [u8; KEY_BYTES]) -> Self {
        Self::take(&mut bytes)
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_s_copy_is_wiped_and_nothing_is_shown() {
        let mut bytes = [0xab; KEY_BYTES];
        let key = DataKey::take(&mut bytes);
        assert_eq!(bytes, [0; KEY_BYTES]);
        assert_eq!(key.expose(), &[0xab; KEY_BYTES]);
        assert_eq!(format!("{key:?}"), "DataKey(..)");
    }
}
