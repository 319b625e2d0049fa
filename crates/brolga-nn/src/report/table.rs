//! Tables as Keras prints them: a heavy frame around the titles, a light one around each row.

use std::fmt;

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub(crate) title: &'static str,
    pub(crate) align: Align,
    /// How many characters a line of a cell may have, without the space on both sides.
    pub(crate) width: usize,
}

/// Where the text of a cell stands.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Align {
    Left,
    Right,
}

/// The length of the longest word, which a column must have if no word of these cells may be cut.
pub(crate) fn longest_word<'a>(cells: impl Iterator<Item = &'a str>) -> usize {
    cells.flat_map(|cell| cell.split(' ')).map(length).max().unwrap_or(0)
}

/// Writes a table. Cells are broken between words; a word that is longer than its column ends with
/// an ellipsis.
pub(crate) fn write_table<const N: usize>(
    f: &mut fmt::Formatter<'_>,
    columns: &[Column; N],
    rows: &[[String; N]],
) -> fmt::Result {
    rule(f, columns, ['┏', '━', '┳', '┓'])?;
    write_row(f, columns, &columns.map(|column| column.title), '┃')?;
    rule(f, columns, ['┡', '━', '╇', '┩'])?;
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            rule(f, columns, ['├', '─', '┼', '┤'])?;
        }
        write_row(f, columns, &row.each_ref().map(String::as_str), '│')?;
    }
    rule(f, columns, ['└', '─', '┴', '┘'])
}

fn rule<const N: usize>(
    f: &mut fmt::Formatter<'_>,
    columns: &[Column; N],
    [left, line, middle, right]: [char; 4],
) -> fmt::Result {
    let lines = columns.map(|column| line.to_string().repeat(column.width + 2));
    writeln!(f, "{left}{}{right}", lines.join(&middle.to_string()))
}

fn write_row<const N: usize>(
    f: &mut fmt::Formatter<'_>,
    columns: &[Column; N],
    cells: &[&str; N],
    bar: char,
) -> fmt::Result {
    let cells: Vec<_> = cells.iter().zip(columns).map(|(cell, c)| wrap(cell, c.width)).collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    for line in 0..height {
        for (cell, &Column { align, width, .. }) in cells.iter().zip(columns) {
            let text = cell.get(line).map_or("", String::as_str);
            match align {
                Align::Left => write!(f, "{bar} {text:<width$} ")?,
                Align::Right => write!(f, "{bar} {text:>width$} ")?,
            }
        }
        writeln!(f, "{bar}")?;
    }
    Ok(())
}

/// The text in lines of at most `width` characters.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if length(line) + 1 + length(word) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.into_iter().map(|line| shorten(line, width)).collect()
}

fn length(text: &str) -> usize {
    text.chars().count()
}

fn shorten(line: String, width: usize) -> String {
    if length(&line) <= width {
        return line;
    }
    line.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("max_pooling2d (MaxPooling2D)", 28), ["max_pooling2d (MaxPooling2D)"]);
        assert_eq!(wrap("max_pooling2d (MaxPooling2D)", 27), ["max_pooling2d", "(MaxPooling2D)"]);
        assert_eq!(wrap("", 5), [""]);
    }

    #[test]
    fn words_that_are_too_long_are_cut() {
        assert_eq!(wrap("abcdef (Dense)", 6), ["abcdef", "(Dens…"]);
        assert_eq!(wrap("äöüß", 3), ["äö…"]);
    }
}
