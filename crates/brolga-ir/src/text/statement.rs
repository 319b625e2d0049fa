//! The syntax of the statements of a body. Their meaning is in `scope`.

use std::sync::Arc;

use super::cursor::{Cursor, Fault, Parse};
use super::is_bare;
use super::lexer::{Kind, Span};
use super::literal::{Literal, LiteralKind};
use super::scope::Scope;
use crate::graph::{Graph, Origin};
use crate::types::Type;

/// A name before `=`, and the type that its value must have.
pub(super) struct Binder<'a> {
    pub(super) name: Name<'a>,
    /// None if there is a mistake in it.
    pub(super) ty: Option<(Type, Span)>,
}

/// The name of a value.
pub(super) struct Name<'a> {
    pub(super) text: &'a str,
    pub(super) span: Span,
}

/// The part of a statement after `=`.
pub(super) struct Call<'a> {
    pub(super) op: &'a str,
    pub(super) op_span: Span,
    pub(super) operands: Vec<Name<'a>>,
    /// From the op to the last operand.
    pub(super) span: Span,
    pub(super) attributes: Literal<'a>,
    /// The span in which bodies are expected.
    pub(super) bodies_span: Span,
    pub(super) bodies: Vec<Arc<Graph>>,
    pub(super) origin: Origin,
}

/// A result that is returned, and the state that it replaces.
pub(super) struct Returned<'a> {
    pub(super) value: Name<'a>,
    pub(super) state: Option<Name<'a>>,
}

impl<'a> Cursor<'a> {
    /// The statements up to the closing brace, `return` being the last.
    pub(super) fn body(&mut self, scope: &mut Scope<'a>, open: &Span) -> Parse<()> {
        let (mut returned, mut complained) = (false, false);
        while !self.is_mark("}") && !self.is_hopeless() {
            if self.at_end() || self.is_name("graph") || self.is_name("func") {
                if std::mem::replace(&mut self.broken_off, true) {
                    return Ok(());
                }
                let line = self.line_of(open);
                let message = format!("the `}}` of the body that begins on line {line} is missing");
                return Err(Fault::new(message).at(&self.peek().span));
            }
            if returned && !complained {
                complained = true;
                self.report(self.unexpected_token("`}` after `return`"));
            }
            let start = self.at;
            let is_return = self.is_name("return");
            let result = match is_return {
                true => self.returned().and_then(|returned| self.output(scope, returned)),
                false => self.statement(scope),
            };
            returned |= is_return;
            if let Err(fault) = result {
                self.report(fault);
                self.recover(start);
            }
        }
        if !returned && !self.is_hopeless() {
            let fault = Fault::new("the graph has no `return`").at(&self.peek().span);
            self.report(fault.help("write `return` and the results, the last line of the body"));
        }
        self.next();
        Ok(())
    }

    /// `%0: f32[2] = relu %x @layer`. After a mistake its values exist nevertheless, so that it has
    /// no further ones.
    fn statement(&mut self, scope: &mut Scope<'a>) -> Parse<()> {
        let mut binders = Vec::new();
        let call = self.binders(&mut binders).and_then(|()| self.call());
        let values = match call {
            Ok(Some(call)) => self.build(scope, &binders, call),
            Ok(None) => Ok(None),
            Err(fault) => Err(fault),
        };
        let (values, fault) = match values {
            Ok(values) => (values, None),
            Err(fault) => (None, Some(fault)),
        };
        let defined = self.define(scope, binders, values);
        fault.map_or(defined, Err)
    }

    /// `%0: f32[2], %1: i32[] =`. Those before a mistake are kept.
    fn binders(&mut self, binders: &mut Vec<Binder<'a>>) -> Parse<()> {
        if !matches!(self.peek().kind, Kind::Value(_)) {
            return Err(
                self.unexpected_token("a statement such as `%0: f32[2] = relu %x`, or `return`")
            );
        }
        loop {
            let name = self.value("a value such as `%0: f32[2]`")?;
            binders.push(Binder { name, ty: None });
            if !self.take_mark(":") {
                let fault = self.unexpected("`:` and the type of the value");
                return Err(fault.help("each value has its type, as in %0: f32[2] = relu %x"));
            }
            let start = self.peek().span.clone();
            let ty = self.ty()?;
            let span = self.since(&start);
            if let Some(binder) = binders.last_mut() {
                binder.ty = Some((ty, span));
            }
            if !self.take_mark(",") {
                return self.expect_mark("=").map(|_| ());
            }
        }
    }

    /// `kernel %x, %w {kind="contraction"} conv(..) {..} @layer #role`, `call f %x`; none if a
    /// mistake in a body is reported.
    fn call(&mut self) -> Parse<Option<Call<'a>>> {
        let op_span = self.peek().span.clone();
        let Kind::Name(op) = self.peek().kind else {
            return Err(self.unexpected("the name of an op"));
        };
        self.next();
        let mistakes = self.mistakes();
        let functions = self.functions_named()?;
        let mut operands = Vec::new();
        if matches!(self.peek().kind, Kind::Value(_)) {
            operands.push(self.value("an operand")?);
            while self.take_mark(",") {
                operands.push(self.value("an operand such as `%x`")?);
            }
        }
        let span = self.since(&op_span);
        let attributes = match self.is_mark("{") {
            true => self.attributes()?,
            false => Literal { kind: LiteralKind::Map(Vec::new()), span: op_span.clone() },
        };
        let bodies_span = self.after();
        let known = functions.iter().all(Option::is_some);
        let mut bodies: Vec<Arc<Graph>> = functions.into_iter().flatten().collect();
        while self.begins_function() {
            let body = self.nested(|c| &mut c.bodies, |c| c.function("the name of the body"))?;
            bodies.push(Arc::new(body));
        }
        let mut origin = self.origin()?;
        origin.location = self.location();
        self.expect_statement_end()?;
        let call = Call { op, op_span, operands, span, attributes, bodies_span, bodies, origin };
        Ok((known && self.mistakes() == mistakes).then_some(call))
    }

    /// `f, g` after the name of an op: the functions of these names, `None` for one with a mistake.
    fn functions_named(&mut self) -> Parse<Vec<Option<Arc<Graph>>>> {
        let mut found = Vec::new();
        while self.names_function() {
            let span = self.peek().span.clone();
            let name = self.name("the name of a function")?;
            let Some(function) = self.functions.get(&name) else {
                let fault = Fault::new(format!("there is no function `{name}`")).at(&span);
                let fault = fault.help(
                    "operands are values such as `%x`; functions stand above what calls them",
                );
                return Err(fault.did_you_mean(
                    "",
                    &name,
                    self.functions.keys().map(String::as_str),
                ));
            };
            found.push(function.clone());
            if !self.take_mark(",") {
                break;
            }
        }
        Ok(found)
    }

    /// Whether the name of a function comes next: on this line, and not the function itself.
    fn names_function(&self) -> bool {
        let token = self.peek();
        let is_name = match &token.kind {
            Kind::Name(name) => is_bare(name),
            kind => matches!(kind, Kind::Quoted(_)),
        };
        is_name && !token.first && !self.begins_function()
    }

    /// `return %2, %7 => %w`.
    fn returned(&mut self) -> Parse<Vec<Returned<'a>>> {
        self.next();
        let mut all = Vec::new();
        if self.is_mark("}") {
            return Ok(all);
        }
        loop {
            let value = self.value("a value such as `%0`")?;
            let state =
                self.take_mark("=>").then(|| self.value("the state that the value replaces"));
            all.push(Returned { value, state: state.transpose()? });
            if !self.take_mark(",") {
                return Ok(all);
            }
        }
    }

    pub(super) fn value(&mut self, what: &str) -> Parse<Name<'a>> {
        match self.peek().kind {
            Kind::Value(text) => Ok(Name { text, span: self.next().span }),
            _ => Err(self.unexpected(what)),
        }
    }
}
