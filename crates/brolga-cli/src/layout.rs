//! Lines that fit a terminal, and colours.

use std::io::IsTerminal;

use clap::ValueEnum;
use clap::builder::styling::{AnsiColor, Style};

/// The width of lines that are wrapped.
pub(crate) const WIDTH: usize = 80;

/// The text in lines of at most [`WIDTH`] columns where it has blanks to break at; the first begins
/// with `head`, the others with `indent` blanks.
pub(crate) fn wrapped(head: &str, text: &str, indent: usize) -> String {
    let mut lines = head.to_owned();
    let mut column = head.chars().count();
    let mut first = true;
    for word in text.split(' ') {
        let width = word.chars().count();
        if !first && column + 1 + width > WIDTH && column > indent {
            lines.push('\n');
            lines.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else if !first {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += width;
        first = false;
    }
    lines.push('\n');
    lines
}

/// When text is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless the variable NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Color {
    /// Whether text for standard output is coloured now.
    pub(crate) fn is_on(self) -> bool {
        let wanted = || std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => wanted() && std::io::stdout().is_terminal(),
        }
    }
}

/// The text in a colour, if that is on.
pub(crate) fn painted(text: &str, color: AnsiColor, on: bool) -> String {
    if !on {
        return text.to_owned();
    }
    let style = Style::new().fg_color(Some(color.into()));
    let mut lines = String::new();
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        lines.push_str(&format!("{style}{line}{style:#}{end}"));
    }
    lines
}

/// A number of things: `1 kernel`, `3 kernels`.
pub(crate) fn number_of(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// A count with a unit: `950`, `12.3 k`, `4.56 M`.
pub(crate) fn count(number: u64) -> String {
    const UNITS: [&str; 5] = ["k", "M", "G", "T", "P"];
    let mut value = number as f64 / 1e3;
    if number < 1000 {
        return number.to_string();
    }
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1e3;
        unit += 1;
    }
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_wrapped() {
        let text = vec!["word"; 30].join(" ");
        let lines = wrapped("  - ", &text, 6);
        assert!(lines.lines().all(|line| line.chars().count() <= WIDTH), "{lines}");
        assert_eq!(lines.split_whitespace().count(), 31);
        assert_eq!(lines.lines().count(), 2);
        assert_eq!(wrapped("a ", "b", 2), "a b\n");
        let long = "x".repeat(100);
        assert_eq!(wrapped("", &long, 2), format!("{long}\n"));
    }

    #[test]
    fn counts_have_units() {
        let text = [0, 999, 1000, 12_340, 999_600, 4_560_000].map(count);
        assert_eq!(text, ["0", "999", "1.00 k", "12.3 k", "1.00 M", "4.56 M"]);
        assert_eq!(count(u64::MAX), "18447 P");
    }

    #[test]
    fn colours_end_with_the_line() {
        assert_eq!(
            painted("a\nb\n", AnsiColor::Red, true),
            "\u{1b}[31ma\u{1b}[0m\n\u{1b}[31mb\u{1b}[0m\n"
        );
        assert_eq!(painted("a\n", AnsiColor::Red, false), "a\n");
    }
}
