//! The files of the pages, part of the binary.

use aws_lc_rs::digest;

/// A file.
pub(crate) struct Asset {
    pub(crate) kind: &'static str,
    pub(crate) bytes: &'static [u8],
    /// Whether the bytes are gzipped.
    pub(crate) is_gzip: bool,
    /// Changes with the bytes.
    pub(crate) tag: String,
}

/// The chart library, gzipped by the build script.
pub(crate) const CHARTS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/plotly.min.js.gz"));

const SCRIPT: &str = "text/javascript; charset=utf-8";
const PAGE: &str = "text/html; charset=utf-8";

/// The file of this name.
pub(crate) fn find(name: &str) -> Option<Asset> {
    let (kind, bytes, is_gzip): (_, &'static [u8], _) = match name {
        "index.html" => (PAGE, include_bytes!("../assets/index.html"), false),
        "login.html" => (PAGE, include_bytes!("../assets/login.html"), false),
        "login.js" => (SCRIPT, include_bytes!("../assets/login.js"), false),
        "style.css" => ("text/css; charset=utf-8", include_bytes!("../assets/style.css"), false),
        "app.js" => (SCRIPT, include_bytes!("../assets/app.js"), false),
        "pages.js" => (SCRIPT, include_bytes!("../assets/pages.js"), false),
        "charts.js" => (SCRIPT, include_bytes!("../assets/charts.js"), false),
        "format.js" => (SCRIPT, include_bytes!("../assets/format.js"), false),
        "favicon.svg" => ("image/svg+xml", include_bytes!("../assets/favicon.svg"), false),
        "plotly.js" => (SCRIPT, CHARTS, true),
        _ => return None,
    };
    let hash = digest::digest(&digest::SHA256, bytes);
    let tag: String = hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Some(Asset { kind, bytes, is_gzip, tag: format!("\"{tag}\"") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn the_chart_library_is_whole_and_nothing_else() {
        let mut text = String::new();
        flate2::read::GzDecoder::new(CHARTS).read_to_string(&mut text).unwrap();
        assert!(text.starts_with("/**\n* plotly.js v") && text.contains("Licensed under the MIT license"));
        assert!(!text.contains("</script>") && text.len() > 1 << 20);
    }

    #[test]
    fn pages_ask_for_nothing_that_is_not_here() {
        for name in ["index.html", "login.html", "app.js", "pages.js", "charts.js", "format.js", "style.css"]
        {
            let text = String::from_utf8(find(name).unwrap().bytes.to_vec()).unwrap();
            for (at, _) in text.match_indices("http") {
                let around = &text[at..(at + 40).min(text.len())];
                assert!(
                    around.starts_with("http://www.w3.org/") || !around.contains("://"),
                    "{name}: {around}"
                );
            }
            for (at, _) in text.match_indices("/assets/") {
                let rest = &text[at + 8..];
                let end = rest.find(['"', '\'']).unwrap();
                assert!(find(&rest[..end]).is_some(), "{name}: {}", &rest[..end]);
            }
        }
    }
}
