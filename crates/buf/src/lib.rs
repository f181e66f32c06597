//! Owned, aligned buffers.
