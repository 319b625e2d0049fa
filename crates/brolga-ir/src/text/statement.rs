//! Text to nodes: the statements of a body.

use super::cursor::{Cursor, Fault, Parse};
use super::decode::{Decoder, data};
use super::lexer::{Kind, Span};
use super::literal::{Entry, Literal, LiteralKind};
use super::parser::Scope;
use crate::graph::{Graph, Value};
use crate::op::Op;
use crate::ops::{Constant, Kernel, KernelKind, ParameterKind};
use crate::tensor::Data;
use crate::types::Type;

/// What stands in front of `=`: a name and the type that its value must have.
struct Binder<'a> {
    name: &'a str,
    span: Span,
    ty: Type,
    ty_span: Span,
}

/// An operand as it stands in the text.
struct Operand<'a> {
    name: &'a str,
    span: Span,
}

impl<'a> Cursor<'a> {
    /// The statements up to the closing brace, with `return` as the last.
    pub(super) fn body(&mut self, scope: &mut Scope<'a>, open: &Span) -> Parse<()> {
        let mut returned = false;
        while !self.is_mark("}") && !self.is_hopeless() {
            let start = self.place();
            if self.at_end() || self.is_name("graph") {
                let line = self.line_of(open);
                let message = format!("the `}}` of the body that begins on line {line} is missing");
                return Err(Fault::new(message).at(&self.peek().span));
            }
            let result = if self.is_name("return") {
                let again = returned;
                returned = true;
                self.returned(scope, again)
            } else if returned {
                Err(self.unexpected("`}` after `return`"))
            } else {
                self.statement(scope)
            };
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

    /// `%0: f32[2] = relu %x @layer`. After a mistake its values exist nevertheless, so that it has no further ones.
    fn statement(&mut self, scope: &mut Scope<'a>) -> Parse<()> {
        let mut binders = Vec::new();
        let result = self.node(scope, &mut binders);
        let failed = result.is_err();
        for (port, binder) in binders.into_iter().enumerate() {
            let value = match &result {
                Ok(values) => values.get(port).copied(),
                Err(_) => placeholder(&mut scope.graph, binder.ty),
            };
            if let Some((_, first)) = scope.values.get(binder.name) {
                if !failed {
                    let message = format!("`%{}` is defined twice", binder.name);
                    let help = format!("it is defined on line {} already", self.line_of(first));
                    self.report(Fault::new(message).help(help).at(&binder.span));
                }
            } else {
                scope.values.insert(binder.name, (value, binder.span));
            }
        }
        result.map(|_| ())
    }

    fn node(&mut self, scope: &mut Scope<'a>, binders: &mut Vec<Binder<'a>>) -> Parse<Vec<Value>> {
        loop {
            binders.push(self.binder()?);
            if !self.take_mark(",") {
                break;
            }
        }
        self.expect_mark("=")?;
        let token = self.peek().clone();
        let Kind::Name(name) = token.kind else {
            return Err(self.unexpected("the name of an op"));
        };
        self.next();
        let mut operands = Vec::new();
        while let Kind::Value(name) = self.peek().kind {
            operands.push(Operand { name, span: self.next().span });
            if !self.take_mark(",") {
                break;
            }
            if !matches!(self.peek().kind, Kind::Value(_)) {
                return Err(self.unexpected("an operand such as `%x`"));
            }
        }
        let call = self.since(&token.span);
        let attributes = match self.is_mark("{") {
            true => self.attributes()?,
            false => Literal { kind: LiteralKind::Map(Vec::new()), span: token.span.clone() },
        };
        let body = match name {
            "kernel" => Some(self.nested(Self::function)?),
            _ => None,
        };
        let mut origin = self.origin()?;
        origin.location = self.location();
        let values = operands.iter().map(|o| self.operand(scope, o)).collect::<Parse<Vec<_>>>()?;
        let op = op(name, &token.span, &attributes, &binders[0], body)?;
        // An operand without a value comes from a statement whose mistake is reported already.
        let Some(values) = values.into_iter().collect::<Option<Vec<_>>>() else {
            return Ok(vec![]);
        };
        let id = scope
            .graph
            .add_node(op, &values, origin)
            .map_err(|mistake| Fault::from(mistake).at(&call))?;
        let types = scope.graph.node(id).types.clone();
        if types.len() != binders.len() {
            let fault =
                format!("`{name}` has {}, {} declared", results(types.len()), are(binders.len()));
            return Err(Fault::new(fault).at(&binders[0].span));
        }
        for (binder, ty) in binders.iter().zip(&types) {
            if binder.ty != *ty {
                let fault = format!(
                    "`%{}` is declared as {}, but `{name}` gives {ty}",
                    binder.name, binder.ty
                );
                return Err(Fault::new(fault).at(&binder.ty_span));
            }
        }
        Ok((0..types.len()).map(|port| Value { node: id, port: port as u32 }).collect())
    }

    fn binder(&mut self) -> Parse<Binder<'a>> {
        let token = self.peek().clone();
        let Kind::Value(name) = token.kind else {
            return Err(self.unexpected("a statement such as `%0: f32[2] = relu %x`, or `return`"));
        };
        self.next();
        self.expect_mark(":")?;
        let start = self.peek().span.clone();
        let ty = self.ty()?;
        Ok(Binder { name, span: token.span, ty, ty_span: self.since(&start) })
    }

    fn operand(&self, scope: &Scope<'a>, operand: &Operand<'a>) -> Parse<Option<Value>> {
        match scope.values.get(operand.name) {
            Some((value, _)) => Ok(*value),
            None => {
                let fault = Fault::new(format!("`%{}` is not defined", operand.name));
                let fault = fault.at(&operand.span);
                Err(match self.defined_later(operand.name) {
                    Some(line) => fault.help(format!(
                        "it is defined on line {line}; a value must be defined before it is used"
                    )),
                    None => fault.did_you_mean(operand.name, scope.values.keys().copied()),
                })
            }
        }
    }

    /// `return %2, %7 => %w`.
    fn returned(&mut self, scope: &mut Scope<'a>, again: bool) -> Parse<()> {
        let span = self.next().span;
        if again {
            return Err(Fault::new("there is a `return` already").at(&span));
        }
        if !matches!(self.peek().kind, Kind::Value(_)) {
            return match self.is_mark("}") {
                true => Ok(()),
                false => Err(self.unexpected("a value such as `%0`, or `}`")),
            };
        }
        loop {
            let Kind::Value(name) = self.peek().kind else {
                return Err(self.unexpected("a value such as `%0`"));
            };
            let operand = Operand { name, span: self.next().span };
            let value = self.operand(scope, &operand)?;
            if self.take_mark("=>") {
                let Kind::Value(name) = self.peek().kind else {
                    return Err(self.unexpected("the state that the value replaces"));
                };
                let state = Operand { name, span: self.next().span };
                self.update(scope, &operand, value, &state)?;
            } else if let Some(value) = value {
                scope.graph.add_output(value);
            }
            if !self.take_mark(",") {
                return Ok(());
            }
        }
    }

    fn update(
        &self,
        scope: &mut Scope<'a>,
        operand: &Operand<'a>,
        value: Option<Value>,
        state: &Operand<'a>,
    ) -> Parse<()> {
        let (Some(value), Some(target)) = (value, self.operand(scope, state)?) else {
            return Ok(());
        };
        let graph = &mut scope.graph;
        let name = state.name;
        let is_state = graph.parameter(target.node).is_some_and(|p| p.kind == ParameterKind::State);
        if !is_state {
            let fault = Fault::new(format!("`%{name}` is not a state and cannot be replaced"));
            return Err(fault
                .help(format!("a state is declared as `state %{name}`"))
                .at(&state.span));
        }
        if graph.outputs().iter().any(|output| output.replaces == Some(target.node)) {
            return Err(Fault::new(format!("`%{name}` is replaced twice")).at(&state.span));
        }
        let (ty, next) = (graph.ty(target), graph.ty(value));
        if ty != next {
            let message = format!("the state `%{name}` is {ty} and cannot become {next}");
            return Err(Fault::new(message).at(&(operand.span.start..state.span.end)));
        }
        graph.add_update(target.node, value);
        Ok(())
    }
}

/// A value of this type, instead of one that has a mistake.
fn placeholder(graph: &mut Graph, ty: Type) -> Option<Value> {
    let zero = Constant::of(ty.clone(), Data::zeros(ty.dtype, 1)).ok()?;
    graph.add(zero, &[], Default::default()).ok()
}

/// The op of this name with these attributes.
fn op(
    name: &str,
    span: &Span,
    attributes: &Literal<'_>,
    binder: &Binder<'_>,
    body: Option<Graph>,
) -> Parse<Op> {
    if let Some(body) = body {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Attributes {
            kind: KernelKind,
        }
        let attributes: Attributes = decode(attributes, None)?;
        return Ok(Kernel { kind: attributes.kind, body: Box::new(body) }.into());
    }
    match name {
        "constant" => constant(attributes, &binder.ty).map_err(|fault| fault.at(&attributes.span)),
        "parameter" => {
            let fault = Fault::new("an input cannot stand in the body").at(span);
            Err(fault.help("inputs stand in the signature: graph f(%x: f32[2])"))
        }
        name => {
            let decoder = Decoder::new(attributes, Some(&binder.ty));
            let op = Op::from_attributes(name, decoder).ok_or_else(|| {
                let ops = Op::NAMES.iter().copied().filter(|&name| name != "parameter");
                Fault::new(format!("there is no op `{name}`")).did_you_mean(name, ops).at(span)
            })?;
            op.map_err(|fault| fault.at(&attributes.span))
        }
    }
}

fn decode<T: serde::de::DeserializeOwned>(attributes: &Literal<'_>, ty: Option<&Type>) -> Parse<T> {
    T::deserialize(Decoder::new(attributes, ty)).map_err(|fault| fault.at(&attributes.span))
}

fn constant(attributes: &Literal<'_>, ty: &Type) -> Parse<Op> {
    let LiteralKind::Map(entries) = &attributes.kind else {
        return Err(Fault::new("expected attributes"));
    };
    match entries.as_slice() {
        [Entry { key: "value", value, .. }] => {
            let data = data(value, ty)?;
            let constant = Constant::of(ty.clone(), data);
            Ok(constant.map_err(|mistake| Fault::from(mistake).at(&value.span))?.into())
        }
        entries => Err(match entries.iter().find(|entry| entry.key != "value") {
            Some(entry) => {
                let fault = Fault::new(format!("there is no attribute `{}`", entry.key));
                fault.help("the only attribute of a constant is `value`").at(&entry.key_span)
            }
            None => Fault::new("the attribute `value` is missing"),
        }),
    }
}

fn results(count: usize) -> String {
    format!("{count} result{}", if count == 1 { "" } else { "s" })
}

fn are(count: usize) -> String {
    format!("{count} {}", if count == 1 { "is" } else { "are" })
}
