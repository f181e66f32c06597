//! What the test file holds, and how a read is checked.
//!
//! Every 4 KiB block is one template of random bytes (the same for all blocks of a file) with nine 16-byte stamps in it:
//! one at the start of each 512-byte sector and one at the block's end. A stamp is derived from the file's seed, the
//! block's index, the place in the block, and the block's generation, which a write raises. So a sector that comes from
//! another place, another file or an older write does not verify, and a write has to set nine stamps, not 4 KiB.

use std::ops::Range;

use crate::rng::{Rng, mix};

/// The unit that is stamped and checked.
pub const BLOCK: usize = 4096;

const SECTOR: usize = 512;
const SECTORS: usize = BLOCK / SECTOR;
const STAMP: usize = 16;
/// Where the last stamp of a block starts.
const TAIL: usize = BLOCK - STAMP;
/// Spreads the generation word away from the address word.
const GENERATION_SALT: u64 = 0xD6E8_FEB8_6659_FD93;

/// The contents of one test file.
#[derive(Debug, Clone)]
pub struct Content {
    seed: u64,
    template: Box<[u8]>,
}

/// What was wrong with a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the block at offset {block_offset} is wrong at byte {byte}: {kind}")]
pub struct Mismatch {
    /// Offset in the file of the 4 KiB block.
    pub block_offset: u64,
    /// First byte of the checked piece within the block.
    pub byte: usize,
    /// What kind of difference it is.
    pub kind: MismatchKind,
}

/// The kinds of [`Mismatch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MismatchKind {
    /// A stamp does not belong to this place of this file.
    #[error("the stamp is of another place or damaged")]
    Stamp,
    /// Two stamps of one block are of different writes.
    #[error("the stamps of one block are of different writes")]
    Torn,
    /// The block is of another write than the last one to it.
    #[error("the block is not what was last written to it")]
    Stale,
    /// Bytes between the stamps differ.
    #[error("bytes between the stamps differ")]
    Body,
}

impl Content {
    /// The content that belongs to `seed`.
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::new(mix(seed));
        let template = (0..BLOCK / 8).flat_map(|_| rng.next().to_le_bytes()).collect();
        Self { seed, template }
    }

    /// Writes whole blocks of content into `buf`, for the file's range from `offset`. Both are multiples of 4 KiB.
    pub fn fill(&self, offset: u64, generation: u32, buf: &mut [u8]) {
        for block in buf.chunks_exact_mut(BLOCK) {
            block.copy_from_slice(&self.template);
        }
        self.stamp(offset, generation, buf);
    }

    /// Sets the stamps alone, in a buffer that [`fill`](Self::fill) or a verified read has filled before.
    pub fn stamp(&self, offset: u64, generation: u32, buf: &mut [u8]) {
        let first = offset / BLOCK as u64;
        for (index, block) in (first..).zip(buf.chunks_exact_mut(BLOCK)) {
            for place in 0..=SECTORS {
                let (address, salted) = self.words(index, place);
                let at = stamp_at(place);
                block[at..at + 8].copy_from_slice(&address.to_le_bytes());
                let word = salted ^ u64::from(generation);
                block[at + 8..at + STAMP].copy_from_slice(&word.to_le_bytes());
            }
        }
    }

    /// Checks the first and the last stamp of each block, one stamp between them and one word of the body, the latter
    /// two chosen by `sample`. `expected` is the generation where the caller knows it.
    pub fn check(&self, offset: u64, buf: &[u8], expected: Option<u32>, sample: u64) -> Result<(), Mismatch> {
        let first = offset / BLOCK as u64;
        let mut sample = sample;
        for (index, block) in (first..).zip(buf.chunks_exact(BLOCK)) {
            sample = sample.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17) ^ index;
            let generation = self.check_ends(index, block, expected)?;
            let sector = 1 + (sample as usize) % (SECTORS - 1);
            self.check_stamp(index, sector, block, Some(generation))?;
            let word = (STAMP / 8) + (sample >> 32) as usize % ((SECTOR - 2 * STAMP) / 8);
            let at = sector * SECTOR + word * 8;
            self.check_body(index, block, at..at + 8)?;
        }
        Ok(())
    }

    /// Checks every byte.
    pub fn check_fully(&self, offset: u64, buf: &[u8], expected: Option<u32>) -> Result<(), Mismatch> {
        let first = offset / BLOCK as u64;
        for (index, block) in (first..).zip(buf.chunks_exact(BLOCK)) {
            let generation = self.check_ends(index, block, expected)?;
            for sector in 0..SECTORS {
                self.check_stamp(index, sector, block, Some(generation))?;
                let end = if sector + 1 == SECTORS { TAIL } else { (sector + 1) * SECTOR };
                self.check_body(index, block, sector * SECTOR + STAMP..end)?;
            }
        }
        Ok(())
    }

    fn check_ends(&self, index: u64, block: &[u8], expected: Option<u32>) -> Result<u32, Mismatch> {
        let generation = self.check_stamp(index, 0, block, None)?;
        self.check_stamp(index, SECTORS, block, Some(generation))?;
        match expected {
            Some(expected) if expected != generation => Err(mismatch(index, 8, MismatchKind::Stale)),
            _ => Ok(generation),
        }
    }

    fn check_stamp(
        &self,
        index: u64,
        place: usize,
        block: &[u8],
        expected: Option<u32>,
    ) -> Result<u32, Mismatch> {
        let at = stamp_at(place);
        let (address, salted) = self.words(index, place);
        let generation = u32::try_from(word_at(block, at + 8) ^ salted);
        match (word_at(block, at) == address, generation) {
            (true, Ok(generation)) if expected.is_none_or(|expected| expected == generation) => {
                Ok(generation)
            }
            (true, Ok(_)) => Err(mismatch(index, at, MismatchKind::Torn)),
            _ => Err(mismatch(index, at, MismatchKind::Stamp)),
        }
    }

    fn check_body(&self, index: u64, block: &[u8], range: Range<usize>) -> Result<(), Mismatch> {
        let byte = range.start;
        if block[range.clone()] == self.template[range] {
            Ok(())
        } else {
            Err(mismatch(index, byte, MismatchKind::Body))
        }
    }

    /// The two words of a stamp for generation 0.
    fn words(&self, index: u64, place: usize) -> (u64, u64) {
        let address = mix(self.seed ^ (index * (SECTORS as u64 + 1) + place as u64));
        (address, address.rotate_left(23) ^ GENERATION_SALT)
    }
}

fn stamp_at(place: usize) -> usize {
    if place == SECTORS { TAIL } else { place * SECTOR }
}

fn word_at(block: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&block[at..at + 8]);
    u64::from_le_bytes(word)
}

fn mismatch(index: u64, byte: usize, kind: MismatchKind) -> Mismatch {
    Mismatch { block_offset: index * BLOCK as u64, byte, kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(content: &Content, offset: u64, generation: u32, count: usize) -> Vec<u8> {
        let mut buf = vec![0; count * BLOCK];
        content.fill(offset, generation, &mut buf);
        buf
    }

    #[test]
    fn what_is_filled_verifies() {
        let content = Content::new(1);
        let buf = blocks(&content, 8192, 9, 3);
        assert_eq!(content.check_fully(8192, &buf, None), Ok(()));
        assert_eq!(content.check_fully(8192, &buf, Some(9)), Ok(()));
        for sample in 0..1000 {
            assert_eq!(content.check(8192, &buf, Some(9), sample), Ok(()));
        }
    }

    #[test]
    fn every_flipped_byte_is_caught_by_the_full_check() {
        let content = Content::new(2);
        let mut buf = blocks(&content, 0, 0, 1);
        for at in 0..BLOCK {
            buf[at] ^= 0x10;
            assert!(content.check_fully(0, &buf, None).is_err(), "byte {at}");
            buf[at] ^= 0x10;
        }
        assert_eq!(content.check_fully(0, &buf, None), Ok(()));
    }

    #[test]
    fn a_flip_at_either_end_is_caught_by_every_light_check() {
        let content = Content::new(2);
        for at in (0..16).chain(BLOCK - 16..BLOCK) {
            let mut buf = blocks(&content, 0, 5, 1);
            buf[at] ^= 1;
            assert!((0..64).all(|sample| content.check(0, &buf, None, sample).is_err()), "byte {at}");
        }
    }

    #[test]
    fn the_samples_of_the_light_check_reach_every_sector() {
        let content = Content::new(3);
        for sector in 1..SECTORS {
            let mut buf = blocks(&content, 0, 5, 1);
            buf[sector * SECTOR] ^= 1;
            let mut rng = Rng::new(11);
            assert!((0..200).any(|_| content.check(0, &buf, None, rng.next()).is_err()), "sector {sector}");
        }
    }

    #[test]
    fn a_block_of_another_place_file_or_write_is_caught() {
        let content = Content::new(4);
        let buf = blocks(&content, 4096, 1, 1);
        let kind = |result: Result<(), Mismatch>| result.unwrap_err().kind;
        assert_eq!(kind(content.check(0, &buf, None, 0)), MismatchKind::Stamp);
        assert_eq!(kind(Content::new(5).check(4096, &buf, None, 0)), MismatchKind::Stamp);
        assert_eq!(kind(content.check(4096, &buf, Some(2), 0)), MismatchKind::Stale);

        let mut torn = buf;
        torn[2048..].copy_from_slice(&blocks(&content, 4096, 2, 1)[2048..]);
        assert_eq!(kind(content.check(4096, &torn, None, 0)), MismatchKind::Torn);
    }

    #[test]
    fn a_stamp_alone_renews_a_filled_buffer() {
        let content = Content::new(6);
        let mut buf = blocks(&content, 0, 0, 2);
        content.stamp(81920, 77, &mut buf);
        assert_eq!(buf, blocks(&content, 81920, 77, 2));
    }
}
