//! Tables that fit a terminal of 80 columns.

use brolga_ir::Origin;
use brolga_runtime::table::write_table;

/// The table; the first `left` columns are aligned left, the others right.
pub(crate) fn table(left: usize, heading: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    // Writing to a text does not fail.
    let _ = write_table(&mut text, left, heading, rows);
    text
}

/// The text, with `…` for its middle if it has more characters than fit.
pub(crate) fn cut(text: &str, width: usize) -> String {
    let count = text.chars().count();
    if count <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(1);
    let (head, tail) = (kept / 2, kept - kept / 2);
    let head: String = text.chars().take(head).collect();
    let tail: String = text.chars().skip(count - tail).collect();
    format!("{head}…{tail}")
}

/// The layer and, unless it is the forward one, the role: `conv2d backward`.
pub(crate) fn place(origin: &Origin) -> String {
    let layer = origin.layer.as_deref().unwrap_or("-");
    match origin.role {
        brolga_ir::Role::Forward => layer.to_owned(),
        role => format!("{layer} {}", role.name()),
    }
}

/// `1 thread`, `2 threads`.
pub(crate) fn threads_text(threads: usize) -> String {
    let plural = if threads == 1 { "" } else { "s" };
    format!("{threads} thread{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_lose_their_middle() {
        assert_eq!(cut("conv2d", 6), "conv2d");
        assert_eq!(cut("block_1/conv2d", 9), "bloc…nv2d");
        assert_eq!(cut("äöü", 2), "…ü");
        assert_eq!(cut("abc", 0), "…");
    }
}
