//! The parser's position in the text, and the mistakes found so far.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::MAX_DEPTH;
use super::error::{ParseError, ParseErrors};
use super::lexer::{Kind, Span, Token, tokens};
use crate::error::Mistake;
use crate::graph::{Graph, Location};
use crate::spelling::nearest;

/// The number of mistakes after which the parser stops.
const MAX_ERRORS: usize = 20;
/// The most characters of a message; longer ones are cut.
const MAX_MESSAGE: usize = 300;

/// Why a part of the text cannot be read. Without a position, the caller knows it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fault {
    pub(super) span: Option<Span>,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Fault {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { span: None, message: message.into(), help: None }
    }

    /// The same fault, at this position if it had none.
    pub(super) fn at(mut self, span: &Span) -> Self {
        self.span.get_or_insert_with(|| span.clone());
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Suggests the nearest candidate, if one is near.
    pub(super) fn did_you_mean<'a>(
        self,
        sigil: impl fmt::Display,
        name: &str,
        of: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        match nearest(name, of) {
            Some(near) => self.help(format!("did you mean `{sigil}{near}`?")),
            None => self,
        }
    }
}

impl From<Mistake> for Fault {
    fn from(mistake: Mistake) -> Self {
        Self { span: None, message: mistake.message, help: mistake.help }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

pub(super) type Parse<T> = Result<T, Fault>;

pub(super) struct Cursor<'a> {
    text: &'a str,
    file: Arc<str>,
    /// Where each line starts.
    lines: Vec<usize>,
    pub(super) tokens: Vec<Token<'a>>,
    locations: HashMap<usize, Location>,
    /// The number of the next token.
    pub(super) at: usize,
    /// The number of brackets and braces of attributes that are open.
    pub(super) brackets: usize,
    /// The functions so far by their names; `None` for one with a mistake.
    pub(super) functions: HashMap<String, Option<Arc<Graph>>>,
    /// The number of bodies of ops that are open.
    pub(super) bodies: usize,
    errors: Vec<ParseError>,
    /// Whether the text ended, or another graph began, inside a body.
    pub(super) broken_off: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str, file: &str) -> Self {
        let breaks =
            text.char_indices().filter(|(_, c)| *c == '\n').map(|(position, _)| position + 1);
        let lines = std::iter::once(0).chain(breaks).collect();
        let (tokens, locations) = tokens(text);
        Self {
            text,
            file: file.into(),
            lines,
            tokens,
            locations,
            at: 0,
            brackets: 0,
            functions: HashMap::new(),
            bodies: 0,
            errors: Vec::new(),
            broken_off: false,
        }
    }

    pub(super) fn peek(&self) -> &Token<'a> {
        &self.tokens[self.at]
    }

    /// The token taken last; before the first one, the first.
    fn last(&self) -> &Token<'a> {
        &self.tokens[self.at.saturating_sub(1)]
    }

    /// Takes a token; the end stays.
    pub(super) fn next(&mut self) -> Token<'a> {
        let token = self.peek().clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    pub(super) fn at_end(&self) -> bool {
        self.peek().kind == Kind::End
    }

    pub(super) fn is_mark(&self, mark: &str) -> bool {
        matches!(self.peek().kind, Kind::Mark(given) if given == mark)
    }

    pub(super) fn is_name(&self, name: &str) -> bool {
        matches!(self.peek().kind, Kind::Name(given) if given == name)
    }

    /// Takes the mark if it comes next.
    pub(super) fn take_mark(&mut self, mark: &str) -> bool {
        let taken = self.is_mark(mark);
        if taken {
            self.next();
        }
        taken
    }

    pub(super) fn expect_mark(&mut self, mark: &str) -> Parse<Span> {
        match self.is_mark(mark) {
            true => Ok(self.next().span),
            false => Err(self.unexpected(&format!("`{mark}`"))),
        }
    }

    /// The fault that the next token, or the end of the line, is unexpected.
    pub(super) fn unexpected(&self, expected: &str) -> Fault {
        let (token, last) = (self.peek(), self.last());
        if token.line == last.line || token.kind == Kind::End {
            return self.unexpected_token(expected);
        }
        let end = last.span.end;
        Fault::new(format!("expected {expected}, but the line ends")).at(&(end..end))
    }

    /// The fault that the next token is unexpected, on any line.
    pub(super) fn unexpected_token(&self, expected: &str) -> Fault {
        let token = self.peek();
        let message = match &token.kind {
            Kind::Bad(reason) => reason.clone(),
            Kind::End => format!("expected {expected}, but the text ends"),
            _ => format!("expected {expected}, found `{}`", &self.text[token.span.clone()]),
        };
        Fault::new(message).at(&token.span)
    }

    /// Fails unless a statement can end here: the next one, `return` or the end of the body
    /// follows.
    pub(super) fn expect_statement_end(&self) -> Parse<()> {
        let next = self.tokens.get(self.at + 1).map(|token| &token.kind);
        let binder = matches!(next, Some(Kind::Mark(":" | ",")));
        let ends = match &self.peek().kind {
            Kind::Mark("}") | Kind::Name("return" | "graph" | "func") | Kind::End => true,
            Kind::Value(_) if binder => true,
            _ => self.peek().first,
        };
        if ends { Ok(()) } else { Err(self.unexpected("the end of the statement")) }
    }

    /// Whether `name(` comes next.
    pub(super) fn begins_function(&self) -> bool {
        let is_name = matches!(self.peek().kind, Kind::Name(_) | Kind::Quoted(_));
        let next = self.tokens.get(self.at + 1).map(|token| &token.kind);
        is_name && matches!(next, Some(Kind::Mark("(")))
    }

    /// The empty span after the token taken last.
    pub(super) fn after(&self) -> Span {
        let end = self.last().span.end;
        end..end
    }

    /// The span from a start to the end of the token taken last.
    pub(super) fn since(&self, start: &Span) -> Span {
        start.start..self.last().span.end.max(start.end)
    }

    /// The location that a comment on the line of the token taken last names.
    pub(super) fn location(&self) -> Option<Location> {
        self.locations.get(&self.last().line).cloned()
    }

    /// Runs `inside` one level deeper.
    pub(super) fn nested<T>(
        &mut self,
        level: impl Fn(&mut Self) -> &mut usize,
        inside: impl FnOnce(&mut Self) -> Parse<T>,
    ) -> Parse<T> {
        if *level(self) == MAX_DEPTH {
            let message = format!("nested deeper than {MAX_DEPTH} levels");
            return Err(Fault::new(message).at(&self.peek().span));
        }
        *level(self) += 1;
        let result = inside(self);
        *level(self) -= 1;
        result
    }

    /// The number of the line, from 1.
    pub(super) fn line_of(&self, span: &Span) -> usize {
        self.lines.partition_point(|&start| start <= span.start)
    }

    pub(super) fn report(&mut self, fault: Fault) {
        let end = self.text.len();
        let Fault { span, message, help } = fault;
        let span = span.unwrap_or(end..end);
        let line = self.line_of(&span);
        let line_start = self.lines[line - 1];
        let text = self.text[line_start..].lines().next().unwrap_or_default();
        // A mistake over several lines is shown on the first.
        let line_end = line_start + text.len();
        let start = span.start.min(line_end);
        let characters = |range: Span| self.text[range].chars().count();
        self.errors.push(ParseError {
            line,
            column: characters(line_start..start) + 1,
            length: characters(start..span.end.clamp(start, line_end)).max(1),
            message: message.chars().take(MAX_MESSAGE).collect(),
            help,
            file: self.file.clone(),
            text: text.to_owned(),
        });
    }

    /// The number of mistakes found.
    pub(super) fn mistakes(&self) -> usize {
        self.errors.len()
    }

    /// Whether enough mistakes were found.
    pub(super) fn is_hopeless(&self) -> bool {
        self.errors.len() >= MAX_ERRORS
    }

    /// The result, if there was no mistake.
    pub(super) fn finish<T>(self, result: T) -> Result<T, ParseErrors> {
        if self.errors.is_empty() { Ok(result) } else { Err(ParseErrors::new(self.errors)) }
    }
}
