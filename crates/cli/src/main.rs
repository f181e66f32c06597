//! The rio command.
fn main() {}
