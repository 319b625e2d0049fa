//! A line of text with a caret under a part of it, as compilers show mistakes.

use std::fmt;

/// The widest part of a line that is shown.
const WIDTH: usize = 100;

/// A mistake in a line of text.
#[derive(Debug)]
pub(crate) struct Snippet<'a> {
    /// What stands in front of the message, such as `file:line:column: error`.
    pub(crate) title: String,
    /// What is wrong.
    pub(crate) message: &'a str,
    /// The number of the line, from 1, if it is known.
    pub(crate) line: Option<usize>,
    /// The line.
    pub(crate) text: &'a str,
    /// The first character of the mistake, from 1.
    pub(crate) column: usize,
    /// The number of characters of the mistake.
    pub(crate) length: usize,
    /// What to do.
    pub(crate) help: Option<&'a str>,
}

impl fmt::Display for Snippet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, start) = window(self.text, self.column - 1);
        let visible = text.chars().count();
        let length = self.length.min(visible.saturating_sub(start)).max(1);
        let number = self.line.map_or_else(String::new, |line| format!("{line} "));
        let gutter = " ".repeat(number.len());
        let caret = format!("{}^{}", " ".repeat(start), "~".repeat(length - 1));
        writeln!(f, "{}: {}", self.title, self.message)?;
        writeln!(f, "{}", format!("  {number}| {text}").trim_end())?;
        write!(f, "  {gutter}| {caret}")?;
        self.help.map_or(Ok(()), |help| write!(f, "\n  help: {help}"))
    }
}

/// The part of a line around a character that is shown, and the character's place in it.
fn window(line: &str, column: usize) -> (String, usize) {
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    let count = line.chars().count();
    if count <= WIDTH {
        return (line.chars().map(shown).collect(), column);
    }
    let start = column.saturating_sub(WIDTH / 2).min(count - WIDTH);
    let part: String = line.chars().skip(start).take(WIDTH).map(shown).collect();
    let (before, after) =
        (if start > 0 { "… " } else { "" }, if start + WIDTH < count { " …" } else { "" });
    (format!("{before}{part}{after}"), column - start + before.chars().count())
}

/// The candidate that was most likely meant, if one is near.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let near = |candidate: &&str| distance(name, candidate) <= name.len().max(candidate.len()) / 3;
    candidates
        .into_iter()
        .filter(near)
        .min_by_key(|candidate| (distance(name, candidate), *candidate))
}

/// How many letters must be inserted, removed, replaced or exchanged with their neighbour to turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) =
        (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let moved = rows[i - 1][j].min(rows[i][j - 1]) + 1;
                let exchanged = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                let exchanged = if exchanged { rows[i - 2][j - 2] + 1 } else { usize::MAX };
                replaced.min(moved).min(exchanged)
            };
        }
    }
    rows[a.len()][b.len()]
}
