//! The command lines.

use std::path::PathBuf;

use clap::Args;
use rustfs_rio_stream::checksum::Algorithm;

const PACK: &str = "\
Examples:
  rio pack data.csv                                  writes data.csv.rpk, compressed as each block deserves
  rio pack data.csv --codec zstd:9 -o small.rpk      the same codec for every block
  rio key keys.txt; rio pack data.csv --key-file keys.txt   encrypts with AES-256-GCM
  tar c folder | rio pack - -o folder.rpk --checksum sha256 --checksum md5

Exit codes: 0 done, 1 failure, 2 usage, 128+N ended by signal N. The output appears when it is whole.";

const UNPACK: &str = "\
Examples:
  rio unpack data.csv.rpk                  writes data.csv
  rio unpack data.rpk -o - | less          to standard output
  rio unpack data.rpk -o data --key-file keys.txt --force

Exit codes: 0 done, 1 failure, 2 usage, 3 damaged or cut off. The output appears when it is whole.";

const CAT: &str = "\
Examples:
  rio cat data.rpk                         all of the content
  rio cat data.rpk --range 1000..2000      1000 bytes, reading only the frames that hold them
  rio cat data.rpk --range 5000000..       from there to the end

Exit codes: 0 done, 1 failure, 2 usage, 3 damaged or cut off.";

const INSPECT: &str = "\
Examples:
  rio inspect data.rpk                       frames, ratio, index, checksums; every byte is checked
  rio inspect data.rpk --key-file keys.txt   the same for an encrypted pack
  rio inspect object.s2 --json               S2 and Snappy streams, DARE 2.0 and RustFS blocks are recognised too

Exit codes: 0 sound, or not to be checked without a key; 1 failure, 2 usage or unknown file, 3 damaged.";

/// Packs a file: compressed, encrypted if wanted, with checksums, readable at any place.
#[derive(Debug, Args)]
#[command(after_help = PACK)]
pub(crate) struct PackArgs {
    /// The file, or - for standard input.
    pub(super) input: PathBuf,
    /// Where the pack goes, or - for standard output; the input's name with .rpk if not given.
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// adaptive, none, lz4, zstd, s2, snappy, brotli, deflate or gzip; with a level as in zstd:3.
    #[arg(long, default_value = "adaptive")]
    pub(super) codec: String,
    /// Encrypt with the first key of this file; `rio key` makes one.
    #[arg(long, value_name = "FILE")]
    pub(super) key_file: Option<PathBuf>,
    /// Encrypt with ChaCha20-Poly1305, for machines without AES instructions.
    #[arg(long, requires = "key_file")]
    pub(super) chacha: bool,
    /// Checksum of the content to store besides BLAKE3; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub(super) checksum: Vec<Algorithm>,
    /// KiB that are compressed and encrypted together: a power of two, 4 to 16384.
    #[arg(long, default_value_t = 1024, value_name = "KIB")]
    pub(super) block: usize,
    /// Threads; one for each core if not given.
    #[arg(long, value_name = "N")]
    pub(super) threads: Option<usize>,
    /// Replace the output if it exists.
    #[arg(long)]
    pub(super) force: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(super) json: bool,
}

/// Unpacks a pack. Every byte is checked before it is written.
#[derive(Debug, Args)]
#[command(after_help = UNPACK)]
pub(crate) struct UnpackArgs {
    /// The pack, or - for standard input.
    pub(super) input: PathBuf,
    /// Where the content goes, or - for standard output; the input's name without .rpk if not given.
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Keys of encrypted packs.
    #[arg(long, value_name = "FILE")]
    pub(super) key_file: Option<PathBuf>,
    /// Replace the output if it exists.
    #[arg(long)]
    pub(super) force: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(super) json: bool,
}

/// Prints the content of a pack, or a range of it.
#[derive(Debug, Args)]
#[command(after_help = CAT)]
pub(crate) struct CatArgs {
    /// The pack.
    pub(super) input: PathBuf,
    /// Bytes of the content: A..B without B, A.. or ..B.
    #[arg(long, value_name = "A..B")]
    pub(super) range: Option<String>,
    /// Keys of encrypted packs.
    #[arg(long, value_name = "FILE")]
    pub(super) key_file: Option<PathBuf>,
}

/// Says what a file is and whether it is whole; names the first wrong byte.
#[derive(Debug, Args)]
#[command(after_help = INSPECT)]
pub(crate) struct InspectArgs {
    /// The file.
    pub(super) file: PathBuf,
    /// Keys of encrypted packs.
    #[arg(long, value_name = "FILE")]
    pub(super) key_file: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub(super) json: bool,
}

/// Makes a file with a random key that only its owner can read.
#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    /// The file; it must not exist.
    pub(super) file: PathBuf,
}
