//! Cuts input up, for tests that any chunking gives the same.

/// Cuts `data` into pieces of the sizes of `cuts`, in turn.
pub(crate) fn pieces<'a>(data: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let (mut rest, mut pieces) = (data, Vec::new());
    for cut in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, behind) = rest.split_at((*cut).clamp(1, rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    pieces
}
