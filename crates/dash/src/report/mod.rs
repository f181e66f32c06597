//! Reports of one file, and pictures.
