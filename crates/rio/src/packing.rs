//! How new objects are packed: with the codec and level in force, which the optimizer may change while objects are written.

use crate::live::LiveParameters;
use rustfs_rio_stream::codec::{Block, Codec, CodecPolicy, Method};
use rustfs_rio_stream::pack::{PackOptions, ReadOptions};
use rustfs_rio_stream::reader::HashReaderDetector;
use std::sync::Arc;

/// The codecs by their numbers in [`LiveParameters::compression`].
const CODECS: [Codec; 8] = [
    Codec::None,
    Codec::Lz4,
    Codec::S2,
    Codec::Snappy,
    Codec::Zstd,
    Codec::Deflate,
    Codec::Gzip,
    Codec::Brotli,
];

/// Asks for each block what is in force. Blocks that do not shrink are stored as they are by the pack itself.
#[derive(Debug)]
struct InForce(Arc<LiveParameters>);

impl CodecPolicy for InForce {
    fn choose(&self, _: &mut Block<'_>) -> Method {
        let (code, level) = self.0.compression();
        let codec = CODECS.get(usize::from(code)).copied().unwrap_or(Codec::Zstd);
        let levels = codec.levels();
        let level = i32::from(level).clamp(*levels.start(), *levels.end());
        Method::with_level(codec, level).unwrap_or(Method::new(codec))
    }
}

impl crate::RuntimeHandle {
    /// Options for packing new objects with the codec and level that are in force when each block is written, counted if a monitor looks on
    /// ([`LiveParameters::compression`]); change the rest as needed.
    #[must_use]
    pub fn pack_options(&self) -> PackOptions {
        let options = PackOptions::new().policy(Arc::new(InForce(self.live_shared())));
        match self.recorder() {
            Some(recorder) => options.recorder(recorder),
            None => options,
        }
    }

    /// Options for reading packs; add keys and a dictionary as needed. What is decrypted, decompressed and checked is counted, if a
    /// monitor looks on.
    #[must_use]
    pub fn read_options(&self) -> ReadOptions {
        match self.recorder() {
            Some(recorder) => ReadOptions::new().recorder(recorder),
            None => ReadOptions::new(),
        }
    }

    /// Counts what a reader, and those below it, compress, encrypt or checksum, if a monitor looks on: a [`HashReader`](crate::HashReader)
    /// or a reader of [`rustfs`](crate::rustfs) or [`rio_v2`](crate::rio_v2). Does nothing otherwise.
    pub fn record_reader(&self, reader: &mut (impl HashReaderDetector + ?Sized)) {
        if let Some(recorder) = self.recorder() {
            reader.record_to(recorder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustfs_rio_stream::codec::Codecs;

    #[tokio::test]
    async fn a_change_is_in_force_for_the_next_block() {
        let runtime = crate::init_runtime().unwrap();
        let live = runtime.live_shared();
        let policy = InForce(Arc::clone(&live));
        let (mut codecs, mut trial) = (Codecs::new(), Vec::new());
        let mut chosen = || policy.choose(&mut Block::new(b"a block", &mut codecs, &mut trial));
        assert_eq!(chosen(), Method::with_level(Codec::Zstd, 3).unwrap());
        live.set_compression(1, 200);
        assert_eq!(chosen().codec(), Codec::Lz4, "a level that the codec lacks is brought into its range");
        live.set_compression(4, 9);
        assert_eq!(chosen(), Method::with_level(Codec::Zstd, 9).unwrap());
        runtime.shutdown(std::time::Duration::from_secs(5)).await;
    }
}
