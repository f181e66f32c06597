//! The history on disk: an embedded database that is whole after a kill at any moment.

use super::{Entry, Sample, Tier};
use redb::{Database, DatabaseError, ReadableDatabase, StorageError, TableDefinition};
use std::path::{Path, PathBuf};

/// Samples by tier and end. One table for all tiers, so that an interval is one transaction with one table to open.
const SAMPLES: TableDefinition<(u8, u64), &[u8]> = TableDefinition::new("samples-v1");
/// Memory that the database may use as its cache.
const CACHE_BYTES: usize = 4 << 20;

/// A history file. One process at a time.
#[derive(Debug)]
pub struct HistoryFile {
    database: Database,
    set_aside: Option<PathBuf>,
}

/// Why the file could not be opened, read or written. The monitor goes on in memory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryFileError {
    /// Another process, or another monitor of this one, has it open.
    #[error("the history file {} is in use by another monitor; give each its own file", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// Damaged, and it could not be moved out of the way.
    #[error("the history file {} is damaged and cannot be moved aside: {source}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why it could not be moved.
        #[source]
        source: std::io::Error,
    },
    /// The file cannot be opened or created.
    #[error("the history file {} cannot be opened: {source}; check the directory and its permissions", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The database's error.
        #[source]
        source: Box<redb::Error>,
    },
    /// Reading or writing failed, for example because the disk is full. What was written before is untouched.
    #[error("the history file failed: {0}")]
    Database(#[source] Box<redb::Error>),
}

fn failed(error: impl Into<redb::Error>) -> HistoryFileError {
    HistoryFileError::Database(Box::new(error.into()))
}

impl HistoryFile {
    /// Opens or creates the file. A damaged one is renamed to the same name with `.damaged` at its end, replacing an earlier one of
    /// that name, and a new one is begun; [`set_aside`](Self::set_aside) tells.
    ///
    /// # Errors
    ///
    /// [`HistoryFileError`].
    pub fn open(path: &Path) -> Result<Self, HistoryFileError> {
        match open(path) {
            Ok(database) => Ok(Self { database, set_aside: None }),
            Err(DatabaseError::DatabaseAlreadyOpen) => Err(HistoryFileError::InUse { path: path.to_owned() }),
            Err(error) if is_damage(&error) => {
                let mut name = path.as_os_str().to_owned();
                name.push(".damaged");
                let aside = PathBuf::from(name);
                std::fs::rename(path, &aside)
                    .map_err(|source| HistoryFileError::Damaged { path: path.to_owned(), source })?;
                let database = open(path).map_err(|error| not_opened(path, error))?;
                Ok(Self { database, set_aside: Some(aside) })
            }
            Err(error) => Err(not_opened(path, error)),
        }
    }

    /// Where a damaged file was moved by [`open`](Self::open).
    #[must_use]
    pub fn set_aside(&self) -> Option<&Path> {
        self.set_aside.as_deref()
    }

    /// Writes samples and forgets those that their tiers no longer reach back to, in one transaction that is durable on return.
    ///
    /// # Errors
    ///
    /// [`HistoryFileError::Database`]; then nothing of this call is in the file.
    pub fn append(&self, entries: &[Entry]) -> Result<(), HistoryFileError> {
        let transaction = self.database.begin_write().map_err(failed)?;
        {
            let mut table = transaction.open_table(SAMPLES).map_err(failed)?;
            for Entry { tier, sample } in entries {
                let key = (*tier as u8, sample.end);
                table.insert(key, sample.encode().as_slice()).map_err(failed)?;
                let oldest = sample.end.saturating_sub(tier.reach().as_secs());
                table.retain_in((*tier as u8, 0)..(*tier as u8, oldest), |_, _| false).map_err(failed)?;
            }
        }
        transaction.commit().map_err(failed)
    }

    /// Samples of a tier that end in `from..=to`, in seconds since 1970, oldest first. Damaged ones are left out.
    ///
    /// # Errors
    ///
    /// [`HistoryFileError::Database`].
    pub fn range(&self, tier: Tier, from: u64, to: u64) -> Result<Vec<Sample>, HistoryFileError> {
        let transaction = self.database.begin_read().map_err(failed)?;
        let table = match transaction.open_table(SAMPLES) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut samples = Vec::new();
        for row in table.range((tier as u8, from)..=(tier as u8, to)).map_err(failed)? {
            let (_, bytes) = row.map_err(failed)?;
            samples.extend(Sample::decode(bytes.value()).ok());
        }
        Ok(samples)
    }
}

fn open(path: &Path) -> Result<Database, DatabaseError> {
    Database::builder().set_cache_size(CACHE_BYTES).create(path)
}

fn not_opened(path: &Path, error: DatabaseError) -> HistoryFileError {
    HistoryFileError::Open { path: path.to_owned(), source: Box::new(error.into()) }
}

/// Whether the content is at fault: not the access to it, which renaming would not mend.
fn is_damage(error: &DatabaseError) -> bool {
    match error {
        DatabaseError::Storage(StorageError::Corrupted(_)) | DatabaseError::UpgradeRequired(_) => true,
        // What is no database at all.
        DatabaseError::Storage(StorageError::Io(error)) => error.kind() == std::io::ErrorKind::InvalidData,
        _ => false,
    }
}
