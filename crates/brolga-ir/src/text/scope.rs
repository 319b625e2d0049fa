//! The statements of a body: their meaning. Names become values, calls become nodes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::cursor::{Cursor, Fault, Parse};
use super::decode::{Decoder, data};
use super::lexer::Span;
use super::literal::{Entry, Literal, LiteralKind};
use super::statement::{Binder, Call, Name, Returned};
use crate::graph::{Graph, NodeId, Origin, Value};
use crate::op::Op;
use crate::ops::{Constant, ParameterKind};
use crate::tensor::Data;
use crate::types::Type;

/// A graph under construction, and the names of its values.
pub(super) struct Scope<'a> {
    pub(super) graph: Graph,
    values: HashMap<&'a str, Definition>,
    /// The states that are replaced.
    replaced: HashSet<NodeId>,
}

struct Definition {
    /// None if there is a mistake in the definition.
    value: Option<Value>,
    span: Span,
}

impl<'a> Scope<'a> {
    pub(super) fn new(graph: Graph) -> Self {
        Self { graph, values: HashMap::new(), replaced: HashSet::new() }
    }
}

impl<'a> Cursor<'a> {
    /// Gives a name to a value.
    pub(super) fn bind(
        &mut self,
        scope: &mut Scope<'a>,
        name: &Name<'a>,
        value: Option<Value>,
    ) -> Parse<()> {
        if let Some(first) = scope.values.get(name.text) {
            let help = format!("it is defined on line {} already", self.line_of(&first.span));
            let fault = Fault::new(format!("`%{}` is defined twice", name.text)).help(help);
            return Err(fault.at(&name.span));
        }
        scope.values.insert(name.text, Definition { value, span: name.span.clone() });
        Ok(())
    }

    /// Gives names to the results of a call, or to placeholders if there is a mistake in it.
    pub(super) fn define(
        &mut self,
        scope: &mut Scope<'a>,
        binders: Vec<Binder<'a>>,
        values: Option<Vec<Value>>,
    ) -> Parse<()> {
        let mut result = Ok(());
        for (port, binder) in binders.into_iter().enumerate() {
            let value = match &values {
                Some(values) => values.get(port).copied(),
                None => binder.ty.and_then(|(ty, _)| placeholder(&mut scope.graph, ty)),
            };
            result = result.and(self.bind(scope, &binder.name, value));
        }
        result
    }

    /// The value of a name; none if there is a mistake in its definition.
    fn resolve(&self, scope: &Scope<'a>, name: &Name<'a>) -> Parse<Option<Value>> {
        if let Some(definition) = scope.values.get(name.text) {
            return Ok(definition.value);
        }
        let fault = Fault::new(format!("`%{}` is not defined", name.text)).at(&name.span);
        Err(match self.defined_later(name.text) {
            Some(line) => fault.help(format!("it is defined on line {line}, after its use")),
            None => fault.did_you_mean('%', name.text, scope.values.keys().copied()),
        })
    }

    /// Adds a node; none if an operand has a mistake.
    pub(super) fn build(
        &self,
        scope: &mut Scope<'a>,
        binders: &[Binder<'a>],
        mut call: Call<'a>,
    ) -> Parse<Option<Vec<Value>>> {
        let operands = call.operands.iter().map(|name| self.resolve(scope, name));
        let operands: Option<Vec<Value>> =
            operands.collect::<Parse<Vec<_>>>()?.into_iter().collect();
        let Some((ty, _)) = binders.first().and_then(|binder| binder.ty.as_ref()) else {
            return Ok(None);
        };
        let name = call.op;
        let op = op(&mut call, ty)?;
        let Some(operands) = operands else { return Ok(None) };
        let node = scope.graph.add_node(op, &operands, call.origin);
        let node = node.map_err(|mistake| Fault::from(mistake).at(&call.span))?;
        let types = &scope.graph.node(node).types;
        if types.len() != binders.len() {
            let (given, has) = (binders.len(), types.len());
            let plural = if has == 1 { "" } else { "s" };
            let fault = format!("`{name}` has {has} result{plural}, not {given}");
            return Err(Fault::new(fault).at(&call.op_span));
        }
        for (binder, ty) in binders.iter().zip(types) {
            if let Some((declared, span)) =
                binder.ty.as_ref().filter(|(declared, _)| declared != ty)
            {
                let value = binder.name.text;
                let fault =
                    format!("`%{value}` is declared as {declared}, but `{name}` gives {ty}");
                return Err(Fault::new(fault).at(span));
            }
        }
        Ok(Some((0..types.len()).map(|port| Value { node, port: port as u32 }).collect()))
    }

    /// Adds outputs.
    pub(super) fn output(&self, scope: &mut Scope<'a>, returned: Vec<Returned<'a>>) -> Parse<()> {
        for Returned { value: name, state } in returned {
            let value = self.resolve(scope, &name)?;
            match (value, state) {
                (value, Some(state)) => {
                    let target = self.resolve(scope, &state)?;
                    if let Some((value, target)) = value.zip(target) {
                        update(scope, value, target, &name, &state)?;
                    }
                }
                (Some(value), None) => scope.graph.add_output(value),
                (None, None) => {}
            }
        }
        Ok(())
    }
}

fn update(
    Scope { graph, replaced, .. }: &mut Scope<'_>,
    value: Value,
    target: Value,
    name: &Name<'_>,
    state: &Name<'_>,
) -> Parse<()> {
    let text = state.text;
    let kind = graph.parameter(target.node).map(|parameter| parameter.kind);
    if kind != Some(ParameterKind::State) {
        let fault = Fault::new(format!("`%{text}` is not a state and cannot be replaced"));
        return Err(fault
            .help("a state is an input declared as `state %w: f32[2]`")
            .at(&state.span));
    }
    if replaced.contains(&target.node) {
        return Err(Fault::new(format!("the state `%{text}` is replaced twice")).at(&state.span));
    }
    let (ty, next) = (graph.ty(target), graph.ty(value));
    if ty != next {
        let fault = Fault::new(format!("the state `%{text}` is {ty} and cannot become {next}"));
        return Err(fault.at(&(name.span.start..state.span.end)));
    }
    replaced.insert(target.node);
    graph.add_update(target.node, value);
    Ok(())
}

/// A value of this type, instead of one that has a mistake.
fn placeholder(graph: &mut Graph, ty: Type) -> Option<Value> {
    let zero = Data::zeros(ty.dtype, 1);
    graph.add(Constant::of(ty, zero).ok()?, &[], Origin::default()).ok()
}

/// The op of a call, `ty` being the type of its first result.
fn op(call: &mut Call<'_>, ty: &Type) -> Parse<Op> {
    let Call { op: name, op_span: span, attributes, .. } = call;
    let op = match *name {
        "constant" => constant(attributes, ty),
        "parameter" => {
            let fault = Fault::new("an input cannot be in the body").at(span);
            Err(fault.help("inputs stand in the signature, as in graph f(%x: f32[2])"))
        }
        name => {
            Op::from_attributes(name, Decoder::new(attributes, Some(ty))).unwrap_or_else(|| {
                let ops = Op::NAMES.iter().copied().filter(|&name| name != "parameter");
                let fault = Fault::new(format!("there is no op `{name}`")).at(span);
                Err(fault.did_you_mean("", name, ops))
            })
        }
    };
    let mut op = op.map_err(|fault| fault.at(&attributes.span))?;
    give_bodies(&mut op, std::mem::take(&mut call.bodies)).map_err(|f| f.at(&call.bodies_span))?;
    Ok(op)
}

/// Sets the bodies of an op to those in the text.
fn give_bodies(op: &mut Op, bodies: Vec<Arc<Graph>>) -> Parse<()> {
    let (name, given, named) = (op.name(), bodies.len(), op.definition().names_bodies());
    let slots = op.bodies_mut();
    if slots.len() == given {
        slots.iter_mut().zip(bodies).for_each(|(slot, body)| *slot = body);
        return Ok(());
    }
    let fault = match (slots.len(), given) {
        (0, _) => Fault::new(format!("`{name}` has no body")),
        (1, 0) if named => Fault::new(format!("the function of the {name} is missing")),
        (1, 0) => Fault::new(format!("the body of the {name} is missing")),
        (takes, _) => Fault::new(format!("`{name}` has bodies: {takes}, not {given}")),
    };
    Err(match slots.len() {
        0 => fault,
        1 if named => fault.help(format!("its name stands after the op, as in {name} f %x")),
        _ if named => fault.help(format!("names stand after the op, as in {name} f, g %x")),
        _ => fault.help("a body stands after the attributes, as in name(%x: f32[2]) {..}"),
    })
}

fn constant(attributes: &Literal<'_>, ty: &Type) -> Parse<Op> {
    let entries: &[Entry<'_>] = match &attributes.kind {
        LiteralKind::Map(entries) => entries,
        _ => &[],
    };
    if let Some(entry) = entries.iter().find(|entry| entry.key != "value") {
        let fault = Fault::new(format!("there is no attribute `{}`", entry.key));
        return Err(fault.help("the only attribute of a constant is `value`").at(&entry.key_span));
    }
    let [Entry { value, .. }] = entries else {
        return Err(Fault::new("the attribute `value` is missing"));
    };
    let constant = Constant::of(ty.clone(), data(value, ty)?);
    Ok(constant.map_err(|mistake| Fault::from(mistake).at(&value.span))?.into())
}
