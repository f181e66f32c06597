//! Which codec an object is compressed with: a look at a sample, costs that were measured, and what they came to before.
//!
//! `sample`: how compressible an object looks. `chooser`: the choice, and what it learns.

pub(crate) mod chooser;
pub(crate) mod sample;

pub use chooser::{
    CodecChoice, CodecChooser, CodecChooserConfig, CodecChooserError, CodecCost, CodecObjective, CodecRecord,
    ObjectView,
};
pub use sample::{Compressibility, OBJECT_CLASSES};
