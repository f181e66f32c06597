//! Size classes: which sizes memory comes in.
//!
//! One to four pages, then four sizes per doubling: 5, 6, 7, 8, 10, 12, 14, 16, 20 pages and so on. A request is served by the
//! smallest class that holds it, so what is lost inside a buffer is below one page for requests of up to four pages, and
//! below a fifth of the buffer (a quarter of the request) for larger ones.

/// Granularity of all classes.
pub(crate) const PAGE: usize = 4096;
/// Number of classes that are the same in every pool.
pub(crate) const CLASSES: usize = 96;
/// The largest size.
pub(crate) const BYTES_MAX: usize = bytes(CLASSES - 1);

const PER_DOUBLING: usize = 4;

/// The smallest class for a request of `len` bytes; `None` above [`BYTES_MAX`]. A request of nothing gets one page.
pub(crate) fn class_of(len: usize) -> Option<usize> {
    if len > BYTES_MAX {
        return None;
    }
    let pages = len.div_ceil(PAGE).max(1);
    if pages <= PER_DOUBLING {
        return Some(pages - 1);
    }
    // Sizes of a doubling lie in (4, 8] * 2^doubling.
    let doubling = ((pages - 1) / PER_DOUBLING).ilog2() as usize;
    let steps = pages.div_ceil(1 << doubling) - PER_DOUBLING;
    Some(PER_DOUBLING * (1 + doubling) + steps - 1)
}

/// Size of a class in bytes.
pub(crate) const fn bytes(class: usize) -> usize {
    pages(class) * PAGE
}

/// Size of a class in pages.
pub(crate) const fn pages(class: usize) -> usize {
    if class < PER_DOUBLING {
        return class + 1;
    }
    let doubling = (class - PER_DOUBLING) / PER_DOUBLING;
    let steps = (class - PER_DOUBLING) % PER_DOUBLING + 1;
    (PER_DOUBLING + steps) << doubling
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_grow_by_a_quarter_of_a_doubling() {
        let pages: Vec<usize> = (0..14).map(|class| bytes(class) / PAGE).collect();
        assert_eq!(pages, [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24]);
        const { assert!(BYTES_MAX == 128 << 30) };
    }

    #[test]
    fn each_class_serves_its_own_size_and_the_next_byte_goes_to_the_next() {
        for class in 0..CLASSES {
            assert_eq!(class_of(bytes(class)), Some(class));
            assert_eq!(class_of(bytes(class) + 1), (class + 1 < CLASSES).then_some(class + 1));
        }
        assert_eq!(class_of(0), Some(0));
        assert_eq!(class_of(usize::MAX), None);
    }

    proptest::proptest! {
        #[test]
        fn the_waste_is_bounded(len in 1usize..(1 << 36)) {
            let size = bytes(class_of(len).unwrap());
            proptest::prop_assert!(size >= len);
            let lost = size - len;
            proptest::prop_assert!(lost < PAGE || lost * 5 < size);
        }
    }
}
