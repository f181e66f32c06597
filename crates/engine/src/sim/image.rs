//! File content: what reads see, what a power loss leaves, and the changes between the two.

use super::faults::Faults;
use super::rng::Rng;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Unit of allocation, and of sharing between images.
pub(super) const PAGE: u64 = 4096;
/// What a device writes or does not write as a whole.
pub(super) const SECTOR: u64 = 512;
/// Unsynced bytes of a file above which the oldest half becomes durable by itself, as a kernel writes back under memory
/// pressure. Without a bound a test that never syncs would keep every write it made.
const UNSYNCED_BYTES_MAX: usize = 16 << 20;

type Page = [u8; PAGE as usize];
static ZEROS: Page = [0; PAGE as usize];

/// Sparse content and its length. Clones share pages until one of them writes. Bytes beyond the length are zero.
#[derive(Debug, Clone, Default)]
pub(super) struct Image {
    pages: BTreeMap<u64, Arc<Page>>,
    len: u64,
}

impl Image {
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn pages(&self) -> u64 {
        self.pages.len() as u64
    }

    pub(super) fn has_page(&self, number: u64) -> bool {
        self.pages.contains_key(&number)
    }

    /// Hands the bytes of a range to `each`, in pieces with their distance from `offset`; stops at the end of the file
    /// and returns the number of bytes.
    pub(super) fn read(&self, offset: u64, len: u64, mut each: impl FnMut(usize, &[u8])) -> u64 {
        let end = offset.saturating_add(len).min(self.len);
        let mut position = offset;
        while position < end {
            let (number, start) = (position / PAGE, (position % PAGE) as usize);
            let take = (PAGE as usize - start).min((end - position) as usize);
            let page = self.pages.get(&number).map_or(&ZEROS, |page| &**page);
            each((position - offset) as usize, &page[start..start + take]);
            position += take as u64;
        }
        end.saturating_sub(offset)
    }

    pub(super) fn to_vec(&self) -> Vec<u8> {
        let mut all = vec![0; self.len as usize];
        self.read(0, self.len, |at, bytes| all[at..at + bytes.len()].copy_from_slice(bytes));
        all
    }

    pub(super) fn write(&mut self, offset: u64, data: &[u8]) {
        let mut position = offset;
        let mut rest = data;
        while !rest.is_empty() {
            let (number, start) = (position / PAGE, (position % PAGE) as usize);
            let take = (PAGE as usize - start).min(rest.len());
            self.page_mut(number)[start..start + take].copy_from_slice(&rest[..take]);
            rest = &rest[take..];
            position += take as u64;
        }
        self.len = self.len.max(position);
    }

    fn page_mut(&mut self, number: u64) -> &mut Page {
        Arc::make_mut(self.pages.entry(number).or_insert_with(|| Arc::new(ZEROS)))
    }

    pub(super) fn set_len(&mut self, len: u64) {
        if len < self.len {
            self.zero(len, u64::MAX - len);
        }
        self.len = len;
    }

    /// Makes a range zero without changing the length; whole pages are given back.
    pub(super) fn zero(&mut self, offset: u64, len: u64) {
        let end = offset.saturating_add(len);
        let touched: Vec<u64> =
            self.pages.range(offset / PAGE..end.div_ceil(PAGE)).map(|(n, _)| *n).collect();
        for number in touched {
            let base = number * PAGE;
            let from = offset.saturating_sub(base) as usize;
            let upto = (end - base).min(PAGE) as usize;
            if (from, upto) == (0, PAGE as usize) {
                self.pages.remove(&number);
            } else {
                self.page_mut(number)[from..upto].fill(0);
            }
        }
    }

    fn copy_sector(&mut self, from: &Image, sector: u64) {
        let (number, start) = (sector * SECTOR / PAGE, (sector * SECTOR % PAGE) as usize);
        let range = start..start + SECTOR as usize;
        let source = from.pages.get(&number).map_or(&ZEROS, |page| &**page);
        self.page_mut(number)[range.clone()].copy_from_slice(&source[range]);
    }
}

/// Something that happened to a file since it was last synced.
#[derive(Debug, Clone)]
enum Change {
    Write { offset: u64, data: Arc<[u8]> },
    Resize { len: u64 },
    Zero { offset: u64, len: u64 },
}

impl Change {
    fn apply(&self, image: &mut Image) {
        match self {
            Self::Write { offset, data } => image.write(*offset, data),
            Self::Resize { len } => image.set_len(*len),
            Self::Zero { offset, len } => image.zero(*offset, *len),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Write { data, .. } => data.len(),
            _ => 0,
        }
    }
}

/// Both images of a file and the changes that lead from one to the other.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    live: Image,
    durable: Image,
    changes: Vec<Change>,
    unsynced_bytes: usize,
}

impl Content {
    /// A file that has had this content for long.
    pub(super) fn settled(image: Image) -> Self {
        Self { live: image.clone(), durable: image, changes: Vec::new(), unsynced_bytes: 0 }
    }

    pub(super) fn live(&self) -> &Image {
        &self.live
    }

    pub(super) fn durable(&self) -> &Image {
        &self.durable
    }

    pub(super) fn write(&mut self, offset: u64, data: &[u8]) {
        self.change(Change::Write { offset, data: data.into() });
    }

    pub(super) fn set_len(&mut self, len: u64) {
        self.change(Change::Resize { len });
    }

    pub(super) fn zero(&mut self, offset: u64, len: u64) {
        self.change(Change::Zero { offset, len });
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.live);
        self.unsynced_bytes += change.bytes();
        self.changes.push(change);
        if self.unsynced_bytes > UNSYNCED_BYTES_MAX {
            let half = self.changes.len().div_ceil(2);
            self.settle(half);
        }
    }

    /// Everything becomes durable.
    pub(super) fn sync(&mut self) {
        self.settle(self.changes.len());
    }

    /// The oldest `count` changes become durable.
    fn settle(&mut self, count: usize) {
        for change in self.changes.drain(..count) {
            self.unsynced_bytes -= change.bytes();
            change.apply(&mut self.durable);
        }
    }

    /// What [`Fault::SyncFails`](super::Fault::SyncFails) does: some of the changes reach the disk, and none of the
    /// others ever will. With `evict`, memory was short and the failed pages are gone from it too.
    pub(super) fn fail_sync(&mut self, faults: &Faults, rng: &mut Rng, evict: bool) {
        self.durable = self.survivor(faults, rng);
        self.changes.clear();
        self.unsynced_bytes = 0;
        if evict {
            self.live = self.durable.clone();
        }
    }

    /// What a power loss leaves.
    ///
    /// Data: each sector holds what it held at some moment since the last sync. The moments are chosen write by write:
    /// a write is kept, lost, or kept in some sectors. Length, truncation and punched holes: file systems keep these in
    /// order, so the result has those up to some moment and none after it.
    pub(super) fn survivor(&self, faults: &Faults, rng: &mut Rng) -> Image {
        let mut result = self.durable.clone();
        let mut now = self.durable.clone();
        let mut len = result.len();
        let mut metadata_kept = true;
        for change in &self.changes {
            let len_before = now.len();
            change.apply(&mut now);
            let lost = rng.chance(faults.lost_at_crash);
            if now.len() != len_before || !matches!(change, Change::Write { .. }) {
                metadata_kept &= !lost;
                if metadata_kept {
                    len = now.len();
                }
            }
            match change {
                Change::Write { offset, data } if !lost && !data.is_empty() => {
                    let torn = rng.chance(faults.torn_at_crash);
                    let last = (offset + data.len() as u64 - 1) / SECTOR;
                    for sector in offset / SECTOR..=last {
                        if !torn || rng.chance(0.5) {
                            result.copy_sector(&now, sector);
                        }
                    }
                }
                Change::Resize { .. } | Change::Zero { .. } if metadata_kept => change.apply(&mut result),
                _ => {}
            }
        }
        // Sectors were copied regardless of the length; cut them off where the length did not survive.
        result.zero(len, u64::MAX - len);
        result.set_len(len);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(lost: f64, torn: f64) -> Faults {
        Faults { lost_at_crash: lost, torn_at_crash: torn, ..Faults::default() }
    }

    #[test]
    fn images_are_sparse_and_zero_beyond_their_length() {
        let mut image = Image::default();
        image.write(1 << 40, b"far");
        assert_eq!((image.pages(), image.len()), (1, (1 << 40) + 3));
        image.set_len(5000);
        assert_eq!(image.pages(), 0);
        image.write(0, &[7; 5000]);
        image.set_len(10);
        image.set_len(20);
        assert_eq!(image.to_vec(), [vec![7; 10], vec![0; 10]].concat());
        assert_eq!(image.read(18, 100, |_, _| {}), 2);
        assert_eq!(image.read(21, 100, |_, _| {}), 0);
    }

    #[test]
    fn clones_do_not_see_later_writes() {
        let mut one = Image::default();
        one.write(0, b"old");
        let two = one.clone();
        one.write(0, b"new");
        assert_eq!((one.to_vec(), two.to_vec()), (b"new".to_vec(), b"old".to_vec()));
    }

    #[test]
    fn synced_data_survives_and_unsynced_follows_the_plan() {
        let mut content = Content::default();
        content.write(0, b"synced");
        content.sync();
        content.write(0, b"unsync");
        let rng = &mut Rng::new(1);
        assert_eq!(content.survivor(&plan(1.0, 0.0), rng).to_vec(), b"synced");
        assert_eq!(content.survivor(&plan(0.0, 0.0), rng).to_vec(), b"unsync");
        assert_eq!(content.live().to_vec(), b"unsync");
    }

    #[test]
    fn torn_writes_change_whole_sectors_only() {
        let mut content = Content::default();
        content.write(0, &[1; 8 * SECTOR as usize]);
        content.sync();
        content.write(100, &[2; 8 * SECTOR as usize - 100]);
        let rng = &mut Rng::new(3);
        let mut outcomes = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let bytes = content.survivor(&plan(0.0, 1.0), rng).to_vec();
            assert!(bytes[..100].iter().all(|byte| *byte == 1));
            for sector in bytes[SECTOR as usize..].chunks(SECTOR as usize) {
                assert!(sector.iter().all(|byte| *byte == sector[0]), "a sector is torn inside");
            }
            outcomes.insert(bytes);
        }
        assert!(outcomes.len() > 50, "tearing varies: {}", outcomes.len());
    }

    #[test]
    fn lost_writes_do_not_shine_through_in_a_sector_written_later() {
        let mut content = Content::default();
        content.write(0, &[1; SECTOR as usize]);
        content.sync();
        content.write(0, &[2; 10]);
        content.write(10, &[3; 10]);
        let rng = &mut Rng::new(5);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..100 {
            let bytes = content.survivor(&plan(0.5, 0.0), rng).to_vec();
            seen.insert((bytes[0], bytes[10]));
        }
        // The first without the second is possible, the second without the first is not.
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [(1, 1), (2, 1), (2, 3)]);
    }

    #[test]
    fn length_changes_are_lost_from_some_moment_on() {
        let mut content = Content::default();
        content.write(0, &[1; 3000]);
        content.sync();
        content.set_len(1000);
        content.write(1000, &[2; 500]);
        let rng = &mut Rng::new(9);
        let mut lengths = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let image = content.survivor(&plan(0.5, 0.5), rng);
            lengths.insert(image.len());
            assert!(image.len() > 1000 || image.to_vec().iter().all(|byte| *byte == 1));
        }
        assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [1000, 1500, 3000]);
    }

    #[test]
    fn a_failed_sync_gives_up_what_it_did_not_write() {
        let mut content = Content::default();
        content.write(0, b"new");
        content.fail_sync(&plan(1.0, 0.0), &mut Rng::new(1), false);
        content.sync();
        assert_eq!(content.live().to_vec(), b"new");
        assert_eq!(content.durable().len(), 0, "the next sync does not bring it back");
        content.fail_sync(&plan(1.0, 0.0), &mut Rng::new(1), true);
        assert_eq!(content.live().len(), 0, "evicted");
    }

    #[test]
    fn unsynced_changes_are_bounded() {
        let mut content = Content::default();
        let block = vec![1; 1 << 20];
        for index in 0..40 {
            content.write(index << 20, &block);
        }
        assert!(content.unsynced_bytes <= UNSYNCED_BYTES_MAX);
        assert!(content.durable().len() > 0);
        assert_eq!(content.survivor(&plan(0.0, 0.0), &mut Rng::new(1)).to_vec(), content.live().to_vec());
    }
}
