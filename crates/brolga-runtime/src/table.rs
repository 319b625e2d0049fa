//! Aligned tables for reports.

use std::fmt;

/// Writes rows under a heading; the first `left` columns are aligned left, the others, numbers, right.
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

/// Bytes in the unit that suits them: `832 B`, `1.5 KiB`, `24.0 MiB`.
#[must_use]
pub fn bytes(count: usize) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut size = count as f64 / 1024.0;
    if size < 1.0 {
        return format!("{count} B");
    }
    let mut unit = 0;
    while size >= 999.95 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn bytes_have_units() {
        let text = [0, 1023, 1024, 1536, 1 << 20, 3 << 30, usize::MAX].map(bytes);
        assert_eq!(text[..6], ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "3.0 GiB"]);
        assert_eq!(text[6], "16777216.0 TiB");
    }
}
