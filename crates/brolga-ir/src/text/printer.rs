//! The printer.

use std::fmt::{self, Write};

use super::encode::{attributes, quoted};
use super::functions::Functions;
use super::lexer::is_bare_file;
use super::{Names, TextOptions, is_bare};
use crate::graph::{Graph, Module, NodeId, Origin, Output, Role, Value};
use crate::ops::ParameterKind;

/// The most columns of a signature on one line.
const WIDTH: usize = 100;

impl Graph {
    /// The text form, after the functions that it calls.
    pub fn to_text(&self, options: &TextOptions) -> String {
        let mut printer = Printer::new(options, Functions::of([self]));
        printer.functions();
        printer.graph(self);
        printer.text
    }

    /// One node as in the text form, with the bodies of its op.
    ///
    /// # Panics
    /// If the id is not of this graph.
    pub fn node_text(&self, names: &Names<'_>, id: NodeId, options: &TextOptions) -> String {
        let mut printer = Printer::new(options, Functions::default());
        printer.node(self, names, id);
        printer.text
    }
}

impl Module {
    /// The text form: the functions that they call, then the graphs one after the other.
    pub fn to_text(&self, options: &TextOptions) -> String {
        let mut printer = Printer::new(options, Functions::of(&self.graphs));
        printer.functions();
        for (index, graph) in self.graphs.iter().enumerate() {
            printer.text.push_str(if index > 0 { "\n" } else { "" });
            printer.graph(graph);
        }
        printer.text
    }
}

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text(&TextOptions::default()))
    }
}

impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text(&TextOptions::default()))
    }
}

struct Printer<'a> {
    options: TextOptions,
    functions: Functions<'a>,
    text: String,
    indent: usize,
}

impl<'a> Printer<'a> {
    fn new(options: &TextOptions, functions: Functions<'a>) -> Self {
        Self { options: *options, functions, text: String::new(), indent: 0 }
    }

    /// `func name(inputs) { nodes }`, one after the other.
    fn functions(&mut self) {
        for function in self.functions.listing.clone() {
            self.text.push_str("func ");
            let name = self.functions.name(function).to_owned();
            self.function(&name, function);
            self.text.push_str("\n\n");
        }
    }

    /// `graph name(inputs) { nodes }`.
    fn graph(&mut self, graph: &Graph) {
        self.text.push_str("graph ");
        self.function(graph.name(), graph);
        self.text.push('\n');
    }

    fn line(&mut self) {
        self.text.push('\n');
        self.text.extend(std::iter::repeat_n("  ", self.indent));
    }

    /// `name(inputs) { nodes }`.
    fn function(&mut self, own: &str, graph: &Graph) {
        let names = Names::with(graph, &self.options);
        self.text.push_str(&name(own));
        self.inputs(graph);
        self.text.push_str(" {");
        self.indent += 1;
        for &id in names.listing() {
            self.line();
            self.node(graph, &names, id);
        }
        self.line();
        self.text.push_str(&return_line(&returned(graph, &names)));
        self.indent -= 1;
        self.line();
        self.text.push('}');
    }

    /// `%0: f32[2] = kernel %x {kind="rows"} relu(..) {..}   @layer #role`.
    fn node(&mut self, graph: &Graph, names: &Names<'_>, id: NodeId) {
        self.text.push_str(&head(graph, names, id, &self.functions));
        let op = graph.node(id).op.definition();
        for body in op.bodies().iter().filter(|_| !op.names_bodies()) {
            self.text.push(' ');
            self.function(body.name(), body);
        }
        self.origin("   ", &graph.node(id).origin);
    }

    /// The inputs on one line, or one on each line if that would be too long or has comments.
    fn inputs(&mut self, graph: &Graph) {
        let inputs: Vec<String> = graph.inputs().iter().map(|&id| input_text(graph, id)).collect();
        let one_line = format!("({})", inputs.join(", "));
        let column = self.text.len() - self.text.rfind('\n').map_or(0, |position| position + 1);
        let located = |&id: &NodeId| graph.get(id).is_some_and(|n| n.origin.location.is_some());
        let located = self.options.locations && graph.inputs().iter().any(located);
        if !located && column + one_line.len() + 2 <= WIDTH {
            self.text.push_str(&one_line);
            return;
        }
        self.text.push('(');
        self.indent += 1;
        for (index, (text, &id)) in inputs.iter().zip(graph.inputs()).enumerate() {
            self.line();
            self.text.push_str(text);
            self.text.push_str(if index + 1 < inputs.len() { "," } else { "" });
            if let Some(node) = graph.get(id) {
                self.location("   ", &node.origin);
            }
        }
        self.indent -= 1;
        self.line();
        self.text.push(')');
    }

    fn origin(&mut self, space: &str, origin: &Origin) {
        let tags = tags(origin);
        if !tags.is_empty() {
            self.text.push_str(space);
            self.text.push_str(&tags);
        }
        self.location(space, origin);
    }

    fn location(&mut self, space: &str, origin: &Origin) {
        if let Some(location) = origin.location.as_ref().filter(|_| self.options.locations) {
            let file = match is_bare_file(&location.file) {
                true => location.file.to_string(),
                false => quoted(&location.file),
            };
            let _ = write!(self.text, "{space}// {file}:{}", location.line);
        }
    }
}

/// A name as it is, or in quotes if it is not a name.
fn name(name: &str) -> String {
    if is_bare(name) { name.to_owned() } else { quoted(name) }
}

/// The layer and the role, `@conv2d #backward`.
fn tags(origin: &Origin) -> String {
    let layer = origin.layer.as_ref().map(|layer| format!("@{}", name(layer)));
    let role = (origin.role != Role::Forward).then(|| format!("#{}", origin.role.name()));
    layer.into_iter().chain(role).collect::<Vec<_>>().join(" ")
}

/// `state %w: f32[3,3,1,32] @conv2d`.
pub(crate) fn input_text(graph: &Graph, id: NodeId) -> String {
    let Some((node, parameter)) = graph.get(id).zip(graph.parameter(id)) else {
        return "%?".to_owned();
    };
    let state = if parameter.kind == ParameterKind::State { "state " } else { "" };
    let tags = tags(&node.origin);
    let space = if tags.is_empty() { "" } else { " " };
    format!("{state}%{}: {}{space}{tags}", parameter.name, parameter.ty)
}

/// A node without the bodies after it and its origin: `%0: f32[2] = call f %x`.
fn head(graph: &Graph, names: &Names<'_>, id: NodeId, functions: &Functions<'_>) -> String {
    let node = graph.node(id);
    let result = |(port, ty)| format!("{}: {ty}", names.of(Value { node: id, port: port as u32 }));
    let results: Vec<String> = node.types.iter().enumerate().map(result).collect();
    let operands: Vec<String> = graph.operands(id).into_iter().map(|v| names.of(v)).collect();
    let mut text = format!("{} = {}", results.join(", "), node.op.name());
    let called: Vec<String> = match node.op.definition() {
        op if op.names_bodies() => op.bodies().iter().map(|f| name(functions.name(f))).collect(),
        _ => Vec::new(),
    };
    for part in [called.join(", "), operands.join(", "), attributes(&node.op)] {
        if !part.is_empty() {
            text.push(' ');
            text.push_str(&part);
        }
    }
    text
}

/// The results returned, one by one: `%2`, `%7 => %w`.
pub(crate) fn returned(graph: &Graph, names: &Names<'_>) -> Vec<String> {
    let output = |output: &Output| match output.replaces {
        Some(state) => format!("{} => {}", names.of(output.value), names.of(state)),
        None => names.of(output.value),
    };
    graph.outputs().iter().map(output).collect()
}

/// `return %2, %7 => %w`.
pub(crate) fn return_line(returned: &[String]) -> String {
    let space = if returned.is_empty() { "" } else { " " };
    format!("return{space}{}", returned.join(", "))
}

/// A node as one line of the text, without the inside of its body, for errors.
pub(crate) fn node_line(graph: &Graph, names: &Names<'_>, id: NodeId) -> String {
    let tags = tags(&graph.node(id).origin);
    let space = if tags.is_empty() { "" } else { "   " };
    format!("{}{space}{tags}", head(graph, names, id, &Functions::default()))
}
