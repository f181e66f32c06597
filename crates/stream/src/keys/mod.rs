//! Where the keys of objects are kept: each object has a random data key of its own, which a provider wraps with a key that it holds.
//!
//! * `provider`: [`KeyProvider`], [`WrappedKey`], [`KeyId`].
//! * `wrap`: how the providers here wrap a key.
//! * `memory`: [`MemoryKeys`], keys that the program brings.
//! * `file`: [`FileKeys`], keys in a file that nobody else can read.
//!
//! What holds: a wrapped key can be unwrapped for the object it was made for only; keys are wiped when they are dropped and no
//! message shows them.

mod error;
mod file;
mod memory;
mod provider;
mod wrap;

pub use error::KeyError;
pub use file::{FileKeys, KEY_FILE_BYTES_MAX};
pub use memory::MemoryKeys;
pub use provider::{KEY_ID_BYTES_MAX, KeyId, KeyProvider, WRAPPED_BYTES_MAX, WrappedKey};
