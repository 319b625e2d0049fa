//! The directives of a test: its comments that say what is tested.

use brolga_ir::ParseError;
use brolga_ir::spelling::nearest;

use super::error::TestError;
use crate::error::PassError;

/// The words of directives, which stand before a colon.
const WORDS: [&str; 5] = ["passes", "check", "check-next", "check-not", "expect"];

/// The directives of a file.
#[derive(Debug)]
pub(super) struct Directives {
    /// `default`, or names separated by commas.
    pub(super) passes: String,
    pub(super) expectation: Expectation,
}

/// What the result must be.
#[derive(Debug, Clone)]
pub(super) enum Expectation {
    /// The file does not say.
    Nothing,
    /// Lines with these texts, in order.
    Checks(Vec<Check>),
    /// These lines and no others.
    Whole {
        /// The span of `// expect:`.
        title: Span,
        /// Each with its span in the file.
        lines: Vec<(String, Span)>,
        /// The offset of the line after `// expect:`, or of the end of the file.
        start: usize,
    },
}

/// A line that the result must have, or not have.
#[derive(Debug, Clone)]
pub(super) struct Check {
    pub(super) kind: CheckKind,
    /// The text, with each run of blanks as one space.
    pub(super) text: String,
    pub(super) span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CheckKind {
    /// `check`
    Somewhere,
    /// `check-next`
    Next,
    /// `check-not`
    Nowhere,
}

/// A part of a line of the file.
#[derive(Debug, Clone)]
pub(super) struct Span {
    /// From 1.
    pub(super) line: usize,
    /// The first character, from 1.
    pub(super) column: usize,
    /// The number of characters.
    pub(super) length: usize,
    /// The line.
    pub(super) text: String,
}

impl Span {
    /// The part of a line that starts at this byte.
    fn new(line: usize, text: &str, part: &str, at: usize) -> Self {
        let (column, length) = (text[..at].chars().count() + 1, part.chars().count().max(1));
        Self { line, column, length, text: text.to_owned() }
    }

    /// An error that points here.
    pub(super) fn mistake(&self, file: &str, message: &str, help: Option<&str>) -> ParseError {
        ParseError {
            line: self.line,
            column: self.column,
            length: self.length,
            message: message.to_owned(),
            help: help.map(str::to_owned),
            file: file.into(),
            text: self.text.clone(),
        }
    }
}

/// The first character of a file.
pub(super) fn start_of(text: &str) -> Span {
    Span::new(1, text.lines().next().unwrap_or_default(), "", 0)
}

/// The text with each run of blanks as one space.
pub(super) fn normalised(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Reads the directives of a file.
///
/// # Errors
/// All mistakes in the directives.
pub(super) fn read(text: &str, file: &str) -> Result<Directives, TestError> {
    let mut reader = Reader { file, passes: None, checks: vec![], whole: None, mistakes: vec![] };
    let mut start = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        start += line.len();
        reader.line(number + 1, line.trim_end(), start);
    }
    reader.finish(text)
}

struct Reader<'a> {
    file: &'a str,
    passes: Option<String>,
    checks: Vec<Check>,
    whole: Option<Expectation>,
    mistakes: Vec<ParseError>,
}

impl Reader<'_> {
    fn report(&mut self, span: &Span, message: &str, help: &str) {
        self.mistakes.push(span.mistake(self.file, message, Some(help)));
    }

    /// Reads a line; `next` is the offset of the line after it.
    fn line(&mut self, number: usize, line: &str, next: usize) {
        let content = line.trim_start();
        let comment = content.strip_prefix("//");
        if let Some(Expectation::Whole { lines, .. }) = &mut self.whole {
            let at = line.len() - content.len();
            let span = Span::new(number, line, content, at);
            match comment {
                Some(comment) => {
                    lines.push((comment.strip_prefix(' ').unwrap_or(comment).to_owned(), span));
                }
                None if content.is_empty() => {}
                None => self.report(
                    &span,
                    "only comments can stand below `// expect:`",
                    "put the graphs above it",
                ),
            }
            return;
        }
        let Some(comment) = comment.map(str::trim_start) else { return };
        if let Some((word, value)) = comment.split_once(':') {
            let (word, value) = (word.trim_end(), value.trim_start());
            let word_at = Span::new(number, line, word, line.len() - comment.len());
            let value_at = Span::new(number, line, value, line.len() - value.len());
            self.directive(word, value, word_at, value_at, next);
        }
    }

    fn directive(&mut self, word: &str, value: &str, word_at: Span, at: Span, next: usize) {
        match word {
            "passes" => self.passes(value, &at),
            "check" => self.check(CheckKind::Somewhere, value, word_at, at),
            "check-next" => self.check(CheckKind::Next, value, word_at, at),
            "check-not" => self.check(CheckKind::Nowhere, value, word_at, at),
            "expect" if value.is_empty() => {
                self.whole =
                    Some(Expectation::Whole { title: word_at, lines: vec![], start: next });
            }
            "expect" => {
                self.report(
                    &at,
                    "nothing can stand after `expect:`",
                    "the result begins on the next line",
                );
            }
            _ => {
                if let Some(near) = nearest(&word.to_lowercase(), WORDS) {
                    let help = format!("did you mean `{near}`?");
                    self.report(&word_at, &format!("there is no directive `{word}`"), &help);
                }
            }
        }
    }

    fn passes(&mut self, value: &str, at: &Span) {
        if self.passes.is_some() {
            self.report(at, "the passes are named twice", "name them in one comment, in order");
        }
        match super::passes(value) {
            Err(PassError::UnknownPass { name, known }) => {
                let help = format!("the passes are {}; `default` runs them all", known.join(", "));
                self.report(at, &format!("there is no pass `{name}`"), &help);
            }
            _ if value.is_empty() => self.report(
                at,
                "no pass is named",
                "name passes, separated by commas; `default` runs them all",
            ),
            _ => {}
        }
        self.passes = Some(value.to_owned());
    }

    fn check(&mut self, kind: CheckKind, value: &str, word_at: Span, at: Span) {
        if value.is_empty() {
            self.report(&at, "there is no text to look for", "write it after the colon");
        }
        if kind == CheckKind::Next {
            match self.checks.last().map(|check| check.kind) {
                None => self.report(
                    &word_at,
                    "there is no check before this one",
                    "`check-next` looks at the line after the one that the previous check took",
                ),
                Some(CheckKind::Nowhere) => self.report(
                    &word_at,
                    "there is no line between `check-next` and the check before it",
                    "remove the `check-not` between them: it cannot fail",
                ),
                Some(CheckKind::Somewhere | CheckKind::Next) => {}
            }
        }
        self.checks.push(Check { kind, text: normalised(value), span: at });
    }

    fn finish(mut self, text: &str) -> Result<Directives, TestError> {
        if self.passes.is_none() {
            self.report(
                &start_of(text),
                "no comment says which passes run",
                "write `// passes: A,B`, or `// passes: default` for all of them",
            );
        }
        if let (Some(Expectation::Whole { title, .. }), false) =
            (&self.whole, self.checks.is_empty())
        {
            let title = title.clone();
            self.report(
                &title,
                "there are checks and a whole result",
                "remove the checks: the whole result has what they look for",
            );
        }
        if !self.mistakes.is_empty() {
            self.mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
            return Err(TestError::Directives(self.mistakes));
        }
        let checks = match self.checks.is_empty() {
            true => Expectation::Nothing,
            false => Expectation::Checks(self.checks),
        };
        let passes = self.passes.unwrap_or_default();
        Ok(Directives { passes, expectation: self.whole.unwrap_or(checks) })
    }
}
