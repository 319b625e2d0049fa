//! A line of text with carets under a part of it, as compilers show mistakes.

use std::fmt;

/// The widest part of a line that is shown.
const WIDTH: usize = 100;

/// A mistake in a line of text.
#[derive(Debug)]
pub(crate) struct Snippet<'a> {
    /// The text before the message, such as `file:line:column: error`.
    pub(crate) title: String,
    /// The message.
    pub(crate) message: &'a str,
    /// The number of the line, from 1, if it is known.
    pub(crate) line: Option<usize>,
    /// The line.
    pub(crate) text: &'a str,
    /// The first character of the mistake, from 1.
    pub(crate) column: usize,
    /// The number of characters of the mistake.
    pub(crate) length: usize,
    /// The advice.
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

/// The part of a line around a character that is shown, and the character's position in it.
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
