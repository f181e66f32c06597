//! The BLAKE3 hash of a content from those of its frames, so that each can be hashed where it is compressed.
//!
//! A frame of a power of two of at least 1 KiB is a subtree of BLAKE3's tree (specification, section 2.1), and so is what is left at the
//! end. Chaining values are merged as soon as it is known that more follows: the last merge alone makes the root.

use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

/// What a frame contributes to the hash of the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct FrameHash {
    chaining: [u8; 32],
    /// The hash of the frame if it is the whole content; of frame 0 alone.
    root: Option<[u8; 32]>,
}

impl FrameHash {
    /// Of a frame that begins at byte `offset` of the content, a multiple of the block size. `plain` is not empty.
    pub(super) fn of(plain: &[u8], offset: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.set_input_offset(offset);
        hasher.update(plain);
        let root = (offset == 0).then(|| *hasher.finalize().as_bytes());
        Self { chaining: hasher.finalize_non_root(), root }
    }
}

/// Puts the hashes of frames together, in order. It holds one chaining value for each bit of their number: at most 40.
#[derive(Debug, Default)]
pub(super) struct ContentHash {
    stack: Vec<[u8; 32]>,
    /// The latest frame, of which it is not yet known whether another follows.
    held: Option<FrameHash>,
    /// Frames below `held`.
    merged: u64,
}

impl ContentHash {
    pub(super) fn push(&mut self, frame: FrameHash) {
        if let Some(held) = self.held.replace(frame) {
            self.merged += 1;
            let mut right = held.chaining;
            // As many merges as the number of frames has zeros at its end: a binary counter.
            for _ in 0..self.merged.trailing_zeros() {
                let Some(left) = self.stack.pop() else { break };
                right = merge_subtrees_non_root(&left, &right, Mode::Hash);
            }
            self.stack.push(right);
        }
    }

    /// The hash of the content so far.
    pub(super) fn finish(&self) -> [u8; 32] {
        let Some(held) = &self.held else { return *blake3::hash(b"").as_bytes() };
        let Some((first, others)) = self.stack.split_first() else {
            return held.root.unwrap_or_default();
        };
        let right = others
            .iter()
            .rev()
            .fold(held.chaining, |right, left| merge_subtrees_non_root(left, &right, Mode::Hash));
        *merge_subtrees_root(first, &right, Mode::Hash).as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_length_gives_the_hash_of_the_whole() {
        let data: Vec<u8> = (0..70_000u32).map(|i| (i.wrapping_mul(i) >> 3) as u8).collect();
        for block in [1024, 4096] {
            for length in
                (0..20).map(|n| n * block).flat_map(|n| [n, n + 1, n + 1023]).filter(|n| *n <= data.len())
            {
                let (content, mut hash, mut offset) = (&data[..length], ContentHash::default(), 0);
                for frame in content.chunks(block) {
                    hash.push(FrameHash::of(frame, offset));
                    offset += frame.len() as u64;
                }
                assert_eq!(hash.finish(), *blake3::hash(content).as_bytes(), "{length} in blocks of {block}");
            }
        }
    }
}
