//! The values of attributes as in the text.

use std::collections::BTreeSet;

use super::cursor::{Cursor, Fault, Parse};
use super::lexer::{Kind, Span};

/// A value with its position.
#[derive(Debug, Clone)]
pub(super) struct Literal<'a> {
    pub(super) kind: LiteralKind<'a>,
    pub(super) span: Span,
}

#[derive(Debug, Clone)]
pub(super) enum LiteralKind<'a> {
    /// `true`, `false`, `nan`, `inf`, `none`.
    Word(&'a str),
    /// Something that starts like a number.
    Number(&'a str),
    Quoted(String),
    List(Vec<Literal<'a>>),
    Map(Vec<Entry<'a>>),
}

/// `key=value`.
#[derive(Debug, Clone)]
pub(super) struct Entry<'a> {
    pub(super) key: &'a str,
    pub(super) key_span: Span,
    pub(super) value: Literal<'a>,
}

impl<'a> Cursor<'a> {
    pub(super) fn literal(&mut self) -> Parse<Literal<'a>> {
        let token = self.peek().clone();
        let kind = match token.kind {
            Kind::Mark("{") => return self.attributes(),
            Kind::Mark("[") => {
                self.next();
                let items = self.nested(
                    |cursor| &mut cursor.brackets,
                    |cursor| cursor.separated("]", Self::literal),
                )?;
                LiteralKind::List(items)
            }
            Kind::Name(word @ ("true" | "false" | "nan" | "inf" | "none")) => {
                LiteralKind::Word(word)
            }
            Kind::Name(word) => {
                let fault = Fault::new(format!("`{word}` is not a value")).at(&token.span);
                return Err(fault.help("text needs quotes"));
            }
            Kind::Number(number) => LiteralKind::Number(number),
            Kind::Quoted(text) => LiteralKind::Quoted(text),
            _ => return Err(self.unexpected("a value")),
        };
        if !matches!(kind, LiteralKind::List(_)) {
            self.next();
        }
        Ok(Literal { kind, span: self.since(&token.span) })
    }

    /// `{key=value, ..}`.
    pub(super) fn attributes(&mut self) -> Parse<Literal<'a>> {
        let start = self.expect_mark("{")?;
        let entries = self
            .nested(|cursor| &mut cursor.brackets, |cursor| cursor.separated("}", Self::entry))?;
        let mut keys = BTreeSet::new();
        for entry in &entries {
            if !keys.insert(entry.key) {
                let message = format!("the attribute `{}` is given twice", entry.key);
                return Err(Fault::new(message).at(&entry.key_span));
            }
        }
        Ok(Literal { kind: LiteralKind::Map(entries), span: self.since(&start) })
    }

    fn entry(&mut self) -> Parse<Entry<'a>> {
        let token = self.peek().clone();
        let Kind::Name(key) = token.kind else {
            return Err(self.unexpected("the name of an attribute or `}`"));
        };
        self.next();
        self.expect_mark("=")?;
        Ok(Entry { key, key_span: token.span, value: self.literal()? })
    }

    /// Items with commas between them, up to the closing mark.
    pub(super) fn separated<T>(
        &mut self,
        close: &str,
        item: impl Fn(&mut Self) -> Parse<T>,
    ) -> Parse<Vec<T>> {
        let mut items = Vec::new();
        if self.take_mark(close) {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if self.take_mark(close) {
                return Ok(items);
            }
            if !self.take_mark(",") {
                return Err(self.unexpected(&format!("`,` or `{close}`")));
            }
        }
    }
}
