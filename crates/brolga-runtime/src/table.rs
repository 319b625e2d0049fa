//! Aligned tables for reports.

use std::fmt;

pub use brolga_memory::bytes;

/// Writes rows under a heading; the first `left` columns are aligned left, the others, numbers,
/// right.
///
/// # Errors
/// Those of `f`.
pub fn write_table(
    f: &mut dyn fmt::Write,
    left: usize,
    heading: &[&str],
    rows: &[impl AsRef<[String]>],
) -> fmt::Result {
    let mut widths: Vec<usize> = heading.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row.as_ref()) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut line = |cells: &[&str]| {
        let mut text = String::new();
        for (column, (cell, &width)) in cells.iter().zip(&widths).enumerate() {
            if column > 0 {
                text.push_str("  ");
            }
            text +=
                &if column < left { format!("{cell:<width$}") } else { format!("{cell:>width$}") };
        }
        writeln!(f, "{}", text.trim_end())
    };
    line(heading)?;
    rows.iter()
        .try_for_each(|row| line(&row.as_ref().iter().map(String::as_str).collect::<Vec<_>>()))
}
