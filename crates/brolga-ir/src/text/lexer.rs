//! The lexer: from characters to tokens.

use std::collections::HashMap;
use std::ops::Range;

use super::is_name_char;
use crate::graph::Location;

/// Bytes of the text.
pub(super) type Span = Range<usize>;

/// The kind of a token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind<'a> {
    /// `relu`, `f32`, `block1/conv2d`.
    Name(&'a str),
    /// `%x`, without the percent sign.
    Value(&'a str),
    /// A token that starts like a number; its reader decides whether it is one.
    Number(&'a str),
    /// Text in quotes, its escapes resolved.
    Quoted(String),
    /// One of `( ) { } [ ] , : = => @ #`.
    Mark(&'static str),
    /// No token; the reason.
    Bad(String),
    /// The end of the text.
    End,
}

/// The byte order mark, with which some editors begin a text.
const BYTE_ORDER_MARK: char = '\u{feff}';

#[derive(Debug, Clone)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    pub(super) span: Span,
    /// The line, from 0.
    pub(super) line: usize,
    /// Whether it is the first of its line.
    pub(super) first: bool,
}

impl Token<'_> {
    /// Whether it is `graph` or `func` at the start of a line.
    pub(super) fn begins_graph(&self) -> bool {
        self.first && matches!(self.kind, Kind::Name("graph" | "func"))
    }
}

/// The tokens, the last of which is [`Kind::End`], and the comments that name a file and line, by
/// the line they are on.
pub(super) fn tokens(text: &str) -> (Vec<Token<'_>>, HashMap<usize, Location>) {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut locations = HashMap::new();
    let (mut line, mut first) = (0, true);
    loop {
        let start = lexer.at;
        let rest = lexer.rest();
        match rest.chars().next() {
            Some('\n') => {
                (line, first) = (line + 1, true);
                lexer.at += 1;
                continue;
            }
            Some(c) if c.is_whitespace() || c == BYTE_ORDER_MARK => {
                lexer.at += c.len_utf8();
                continue;
            }
            Some('/') if rest.starts_with("//") => {
                let comment = lexer.take(|c| c != '\n');
                if let Some(location) = location(&comment[2..]) {
                    locations.insert(line, location);
                }
                continue;
            }
            _ => {}
        }
        let kind = lexer.token();
        let end = kind == Kind::End;
        tokens.push(Token { kind, span: start..lexer.at, line, first });
        first = false;
        if end {
            return (tokens, locations);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Takes characters while they are wanted.
    fn take(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// Takes a name, which ends where a comment starts.
    fn name(&mut self) -> &'a str {
        let name = self.take(is_name_char);
        let end = name.find("//").unwrap_or(name.len());
        self.at -= name.len() - end;
        &name[..end]
    }

    fn token(&mut self) -> Kind<'a> {
        const MARKS: [&str; 12] = ["=>", "(", ")", "{", "}", "[", "]", ",", ":", "=", "@", "#"];
        let rest = self.rest();
        let Some(c) = rest.chars().next() else { return Kind::End };
        if let Some(mark) = MARKS.into_iter().find(|mark| rest.starts_with(mark)) {
            self.at += mark.len();
            return Kind::Mark(mark);
        }
        match c {
            '%' => {
                self.at += 1;
                match self.name() {
                    "" => Kind::Bad("a name or a number is missing after `%`".to_owned()),
                    name => Kind::Value(name),
                }
            }
            '"' => self.quoted(),
            c if c.is_ascii_alphabetic() || c == '_' => Kind::Name(self.name()),
            c if c.is_ascii_digit() || c == '-' || c == '.' => Kind::Number(self.number()),
            _ => {
                let foreign = |c: char| !c.is_ascii() && !c.is_whitespace();
                let length = self.take(foreign).len().max(c.len_utf8());
                self.at = self.text.len() - rest.len() + length;
                Kind::Bad(format!("`{}` does not belong here", rest[..length].escape_debug()))
            }
        }
    }

    fn number(&mut self) -> &'a str {
        let rest = self.rest();
        let mut end = 0;
        for (position, c) in rest.char_indices() {
            let exponent = rest[..position].ends_with(['e', 'E']);
            let sign = c == '-' && position == 0 || matches!(c, '-' | '+') && exponent;
            if !(c.is_ascii_alphanumeric() || c == '.' || sign) {
                break;
            }
            end = position + 1;
        }
        self.at += end;
        &rest[..end]
    }

    fn quoted(&mut self) -> Kind<'a> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let part = self.take(|c| !matches!(c, '"' | '\\' | '\n'));
            text.push_str(part);
            match self.rest().chars().next() {
                Some('"') => {
                    self.at += 1;
                    return Kind::Quoted(text);
                }
                Some('\\') => match escape(self.rest()) {
                    Some((c, length)) => {
                        text.push(c);
                        self.at += length;
                    }
                    None => {
                        self.take(|c| c != '\n');
                        return Kind::Bad("this escape is unknown".to_owned());
                    }
                },
                _ => return Kind::Bad("the closing `\"` is missing".to_owned()),
            }
        }
    }
}

/// The character that an escape means, and the escape's length.
fn escape(text: &str) -> Option<(char, usize)> {
    let simple = [
        ('n', '\n'),
        ('r', '\r'),
        ('t', '\t'),
        ('0', '\0'),
        ('"', '"'),
        ('\'', '\''),
        ('\\', '\\'),
    ];
    let kind = text.chars().nth(1)?;
    if let Some((_, c)) = simple.into_iter().find(|(letter, _)| *letter == kind) {
        return Some((c, 2));
    }
    let digits = text.strip_prefix("\\u{")?.split_once('}')?.0;
    let c = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)?;
    Some((c, digits.len() + 4))
}

/// The location that a comment names: ` file:line`. A file name with blanks is in quotes.
fn location(comment: &str) -> Option<Location> {
    let (file, line) = comment.trim().rsplit_once(':')?;
    let line = line.parse().ok()?;
    let file = match file.starts_with('"') {
        true => {
            let mut lexer = Lexer { text: file, at: 0 };
            match lexer.quoted() {
                Kind::Quoted(name) if lexer.rest().is_empty() => name,
                _ => return None,
            }
        }
        false => Some(file).filter(|f| is_bare_file(f))?.to_owned(),
    };
    Some(Location { file: file.into(), line })
}

/// Whether a file name needs no quotes in a comment.
pub(super) fn is_bare_file(file: &str) -> bool {
    !file.is_empty() && !file.contains(|c: char| c == '"' || c.is_whitespace() || c.is_control())
}
