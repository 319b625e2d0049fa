//! The parser's recovery after a mistake.

use super::cursor::Cursor;
use super::lexer::{Kind, Token};

/// The brackets that are open while tokens are skipped.
///
/// A parenthesis or a brace that opens at the end of a line is a signature or a body, which may
/// have several lines; all other braces are attributes, which end with their line.
#[derive(Default)]
struct Open {
    attributes: usize,
    bodies: usize,
    signature: bool,
}

impl Open {
    /// Whether a statement or the end of the body starts here; `last` is whether the token ends its
    /// line.
    fn stops(&mut self, token: &Token<'_>, last: bool) -> bool {
        if token.first {
            self.attributes = 0;
        }
        match token.kind {
            Kind::Mark("(") if last => self.signature = true,
            Kind::Mark(")") => self.signature = false,
            Kind::Mark("{") if last => self.bodies += 1,
            Kind::Mark("{") => self.attributes += 1,
            Kind::Mark("}") if self.attributes > 0 => self.attributes -= 1,
            Kind::Mark("}") if self.bodies > 0 => self.bodies -= 1,
            Kind::Mark("}") | Kind::End => return true,
            Kind::Value(_) | Kind::Name("return") => {
                return token.first && self.bodies == 0 && !self.signature;
            }
            _ => return token.begins_graph(),
        }
        false
    }
}

impl Cursor<'_> {
    /// After a mistake in the statement that starts at a token, skips to the next statement or to
    /// the end of the body.
    pub(super) fn recover(&mut self, start: usize) {
        let mut open = Open::default();
        for (index, token) in self.tokens.iter().enumerate().skip(start) {
            let last = self.tokens.get(index + 1).is_none_or(|next| next.first);
            if open.stops(token, last) && index >= self.at {
                self.at = index;
                return;
            }
        }
    }

    /// Skips to the next `graph` at the start of a line.
    pub(super) fn skip_to_graph(&mut self) {
        while !self.at_end() && !self.peek().begins_graph() {
            self.next();
        }
    }

    /// The line on which a value of this name is defined later in the same body, if it is.
    pub(super) fn defined_later(&self, name: &str) -> Option<usize> {
        let mut depth = 0_usize;
        for pair in self.tokens[self.at..].windows(2) {
            match pair[0].kind {
                Kind::Mark("{") => depth += 1,
                Kind::Mark("}") => depth = depth.checked_sub(1)?,
                Kind::Value(value)
                    if depth == 0 && value == name && pair[1].kind == Kind::Mark(":") =>
                {
                    return Some(pair[0].line + 1);
                }
                _ => {}
            }
        }
        None
    }
}
