//! The page of `brolga view`: one file with everything in it.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

/// The version of the data in a page.
pub(crate) const VERSION: u64 = 1;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/style.css");
const APP: &str = include_str!("page/app.js");
/// Dagre, which lays out graphs in layers, with its licence.
const LIBRARY: &str = include_str!("page/dagre.min.js");
const LICENSE: &str = include_str!("page/dagre.LICENSE");

/// The page that shows this data, which is compressed.
///
/// # Errors
/// None: writing to memory does not fail.
pub(crate) fn page(data: &Value) -> std::io::Result<String> {
    let mut encoder = GzEncoder::new(vec![], Compression::best());
    encoder.write_all(data.to_string().as_bytes())?;
    let packed = STANDARD.encode(encoder.finish()?);
    let library = format!("/* dagre\n{LICENSE}*/\n{LIBRARY}");
    let mut page = String::new();
    let mut rest = PAGE;
    for (mark, content) in
        [("{{style}}", STYLE), ("{{data}}", &packed), ("{{library}}", &library), ("{{app}}", APP)]
    {
        let Some((before, after)) = rest.split_once(mark) else { continue };
        page.push_str(before);
        page.push_str(content);
        rest = after;
    }
    page.push_str(rest);
    Ok(page)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_holds_everything() {
        let page = page(&json!({ "title": "</script>" })).expect("memory");
        for part in [STYLE, APP, LIBRARY, LICENSE] {
            assert!(page.contains(part));
        }
        assert!(!page.contains("{{"), "all marks are filled");
        let scripts = page.matches("</script>").count();
        assert_eq!(scripts, 3, "nothing inside of a script ends it");
        for loads in ["src=\"", "href=", "@import", "fetch(", "XMLHttpRequest", "import("] {
            assert!([PAGE, STYLE, APP].iter().all(|part| !part.contains(loads)), "{loads}");
        }
    }
}
