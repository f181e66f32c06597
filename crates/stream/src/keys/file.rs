//! Keys in a file.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use zeroize::{Zeroize, Zeroizing};

use super::{KeyError, KeyId, KeyProvider, MemoryKeys, WrappedKey};
use crate::key::{DataKey, KEY_BYTES};

/// The longest key file, in bytes: over 200 keys with the longest names.
pub const KEY_FILE_BYTES_MAX: usize = 64 << 10;
/// What a line begins with.
const MARK: &str = "rio-key-1";
/// Permission bits of group and others.
#[cfg(unix)]
const OTHERS: u32 = 0o077;

/// Keys of a text file, one a line: `rio-key-1 NAME` and 64 hexadecimal digits; `#` begins a comment.
///
/// The first key wraps new data keys, all of them unwrap: a new key is put before the old ones, which stay for what they wrapped. On
/// Unix the file must be closed to everybody but its owner. The content is read once and wiped.
#[derive(Debug, Clone)]
pub struct FileKeys(MemoryKeys);

impl FileKeys {
    /// Reads a key file.
    ///
    /// # Errors
    ///
    /// [`KeyError::File`], [`KeyError::Mode`], [`KeyError::Unfit`], [`KeyError::Line`], [`KeyError::Twice`], [`KeyError::Empty`].
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::File { path: path.to_owned(), source: Arc::new(source) };
        let file = File::open(path).map_err(failed)?;
        check_access(&file, path)?;
        // Room for all of it at once, so that no copy is left behind by growing.
        let mut text = Zeroizing::new(Vec::with_capacity(KEY_FILE_BYTES_MAX + 1));
        file.take(KEY_FILE_BYTES_MAX as u64 + 1).read_to_end(&mut text).map_err(failed)?;
        if text.len() > KEY_FILE_BYTES_MAX {
            return Err(KeyError::Unfit {
                path: path.to_owned(),
                what: "is longer than 64 KiB; expected a few lines",
            });
        }
        let mut keys = MemoryKeys::empty();
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let wrong = || KeyError::Line { path: path.to_owned(), line: index + 1 };
            let line = std::str::from_utf8(line).map_err(|_| wrong())?.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut words = line.split_ascii_whitespace();
            let (Some(MARK), Some(id), Some(digits), None) =
                (words.next(), words.next(), words.next(), words.next())
            else {
                return Err(wrong());
            };
            keys.add(KeyId::new(id)?, key_of(digits).ok_or_else(wrong)?)?;
        }
        if keys.ids().next().is_none() {
            return Err(KeyError::Empty);
        }
        Ok(Self(keys))
    }

    /// Makes a file with one random key, mode 600, and returns the key's name. A file that exists is not touched.
    ///
    /// # Errors
    ///
    /// [`KeyError::File`]; [`KeyError::Random`].
    pub fn create(path: &Path) -> Result<KeyId, KeyError> {
        let failed = |source| KeyError::File { path: path.to_owned(), source: Arc::new(source) };
        let mut name = [0; 8];
        aws_lc_rs::rand::fill(&mut name).map_err(|_| KeyError::Random)?;
        let key = DataKey::written(|key| aws_lc_rs::rand::fill(key).map_err(|_| KeyError::Random))?;
        let id = KeyId::new(&hex(&name))?;
        let digits = Zeroizing::new(hex(key.expose()));
        let mut text = Zeroizing::new(String::with_capacity(KEY_FILE_BYTES_MAX.min(256)));
        for part in [
            "# Keep this file: without it, what was encrypted with it is lost.\n",
            MARK,
            " ",
            id.as_str(),
            " ",
            &digits,
            "\n",
        ] {
            text.push_str(part);
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(failed)?;
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        if let Err(error) = written {
            // Half a key file would be taken for a damaged one.
            _ = fs::remove_file(path);
            return Err(failed(error));
        }
        Ok(id)
    }

    /// The names of the keys, the one for new data first.
    pub fn ids(&self) -> impl Iterator<Item = &KeyId> {
        self.0.ids()
    }
}

impl KeyProvider for FileKeys {
    fn wrap(&self, key: &DataKey, context: &[u8]) -> Result<WrappedKey, KeyError> {
        self.0.wrap(key, context)
    }

    fn unwrap(&self, wrapped: &WrappedKey, context: &[u8]) -> Result<DataKey, KeyError> {
        self.0.unwrap(wrapped, context)
    }
}

/// Looks at the open file, so that what is checked is what is read.
fn check_access(file: &File, path: &Path) -> Result<(), KeyError> {
    let metadata = file.metadata();
    let metadata =
        metadata.map_err(|source| KeyError::File { path: path.to_owned(), source: Arc::new(source) })?;
    if !metadata.is_file() {
        return Err(KeyError::Unfit { path: path.to_owned(), what: "is not a regular file" });
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let mode = metadata.mode() & 0o777;
        if mode & OTHERS != 0 {
            return Err(KeyError::Mode { path: path.to_owned(), mode });
        }
    }
    Ok(())
}

fn key_of(digits: &str) -> Option<DataKey> {
    let mut bytes = [0; KEY_BYTES];
    let whole = digits.len() == 2 * KEY_BYTES;
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        let digit = |digit: u8| char::from(digit).to_digit(16);
        match (digit(high), digit(low)) {
            (Some(high), Some(low)) => *byte = (high << 4 | low) as u8,
            _ => {
                bytes.zeroize();
                return None;
            }
        }
    }
    let key = DataKey::take(&mut bytes);
    whole.then_some(key)
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    fn file(name: &str, text: &str, mode: u32) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("rio-keys-{}-{name}", std::process::id()));
        fs::write(&path, text).unwrap();
        #[cfg(unix)]
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_new_file_holds_a_key_that_wraps() {
        let path = std::env::temp_dir().join(format!("rio-keys-{}-new", std::process::id()));
        let id = FileKeys::create(&path).unwrap();
        let keys = FileKeys::load(&path).unwrap();
        assert_eq!(keys.ids().collect::<Vec<_>>(), [&id]);
        let wrapped = keys.wrap(&DataKey::from([5; 32]), b"x").unwrap();
        assert_eq!(keys.unwrap(&wrapped, b"x").unwrap().expose(), &[5; 32]);
        assert!(
            matches!(FileKeys::create(&path), Err(KeyError::File { .. })),
            "a key file is never replaced"
        );
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn later_keys_only_unwrap() {
        let (new, old) = ("a".repeat(64), "b".repeat(64));
        let both = file("both", &format!("# two\nrio-key-1 new {new}\nrio-key-1 old {old}\n"), 0o600);
        let before = file("before", &format!("rio-key-1 old {old}"), 0o400);
        let wrapped = FileKeys::load(&before).unwrap().wrap(&DataKey::from([5; 32]), b"x").unwrap();
        let keys = FileKeys::load(&both).unwrap();
        assert_eq!(keys.unwrap(&wrapped, b"x").unwrap().expose(), &[5; 32]);
        assert_eq!(keys.wrap(&DataKey::from([5; 32]), b"x").unwrap().id.as_str(), "new");
        let stranger =
            FileKeys::load(&before).unwrap().unwrap(&keys.wrap(&DataKey::from([5; 32]), b"x").unwrap(), b"x");
        assert!(matches!(stranger, Err(KeyError::NotFound { .. })));
        assert!(!format!("{keys:?}").contains("aaaa"));
        fs::remove_file(both).unwrap();
        fs::remove_file(before).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let path = file("open", &format!("rio-key-1 k {}", "a".repeat(64)), 0o640);
        let error = FileKeys::load(&path).unwrap_err();
        assert!(
            matches!(error, KeyError::Mode { mode: 0o640, .. }) && error.to_string().contains("chmod 600")
        );
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn lines_that_are_no_keys_are_named() {
        for (text, line) in [("rio-key-1 k 12", 1), ("\nrio-key-2 k aa", 2), ("#\n#\nrio-key-1 k", 3)] {
            let path = file(&format!("line-{line}"), text, 0o600);
            assert!(
                matches!(FileKeys::load(&path), Err(KeyError::Line { line: found, .. }) if found == line)
            );
            fs::remove_file(path).unwrap();
        }
        let path = file("none", "# nothing\n", 0o600);
        assert!(matches!(FileKeys::load(&path), Err(KeyError::Empty)));
        fs::remove_file(path).unwrap();
        let missing = FileKeys::load(Path::new("does/not/exist")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
