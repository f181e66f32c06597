//! Takes the chart library out of the `plotly` crate and stores it compressed, so that neither its text nor the crate is linked.

use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;

/// The first words of the library's licence comment.
const START: &str = "/**\n* plotly.js v";
const END: &str = "</script>";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let page = plotly::Plot::offline_js_sources();
    let start =
        page.find(START).ok_or("the plotly crate brings no plotly.js where this script looks for it")?;
    let length = page[start..].find(END).ok_or("plotly.js does not end with its script element")?;
    let path = PathBuf::from(std::env::var("OUT_DIR")?).join("plotly.min.js.gz");
    let mut out = GzEncoder::new(std::fs::File::create(path)?, Compression::best());
    out.write_all(page[start..start + length].trim_end().as_bytes())?;
    out.finish()?;
    Ok(())
}
