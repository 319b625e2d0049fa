//! The parser: modules and signatures.

use std::collections::HashSet;
use std::sync::Arc;

use super::cursor::{Cursor, Fault, Parse};
use super::error::ParseErrors;
use super::is_bare;
use super::lexer::Kind;
use super::scope::Scope;
use super::statement::Name;
use crate::graph::{Graph, Module, Origin, Role};
use crate::ops::ParameterKind;
use crate::types::{DType, MAX_RANK, Shape, Type};

/// Reads graphs, one after the other, and the functions that they call. Functions that no graph
/// calls are ignored. `file` is the name that errors give.
///
/// # Errors
/// The mistakes found: at most one for each statement, and no more than about twenty.
pub fn parse_module(text: &str, file: &str) -> Result<Module, ParseErrors> {
    let mut cursor = Cursor::new(text, file);
    let (mut module, mut names) = (Module::default(), HashSet::new());
    if cursor.at_end() {
        let fault = Fault::new("there is no graph").at(&cursor.peek().span);
        cursor.report(fault.help("a graph reads like: graph f(%x: f32[2]) { return %x }"));
    }
    while !cursor.at_end() && !cursor.is_hopeless() {
        cursor.broken_off = false;
        let item = match cursor.is_name("func") {
            true => func(&mut cursor),
            false => graph(&mut cursor, &mut names).map(|graph| module.graphs.push(graph)),
        };
        if let Err(fault) = item {
            cursor.report(fault);
            cursor.skip_to_graph();
        }
    }
    cursor.finish(module)
}

/// Reads one graph.
///
/// ```
/// use brolga_ir::{ParseErrors, parse_graph};
///
/// let graph = parse_graph("graph f(%x: f32[2]) { %y: f32[2] = relu %x return %y }", "<input>")?;
/// assert_eq!(
///     graph.to_string(),
///     "graph f(%x: f32[2]) {\n  %0: f32[2] = relu %x\n  return %0\n}\n"
/// );
/// # Ok::<(), ParseErrors>(())
/// ```
///
/// # Errors
/// As [`parse_module`], and if there is not exactly one graph.
pub fn parse_graph(text: &str, file: &str) -> Result<Graph, ParseErrors> {
    let mut graphs = parse_module(text, file)?.graphs;
    match graphs.len() {
        1 => Ok(graphs.swap_remove(0)),
        count => {
            let mut cursor = Cursor::new(text, file);
            cursor.report(Fault::new(format!("expected one graph, found {count}")).at(&(0..0)));
            cursor.finish(Graph::default())
        }
    }
}

fn graph(cursor: &mut Cursor<'_>, names: &mut HashSet<String>) -> Parse<Graph> {
    if !cursor.is_name("graph") {
        return Err(cursor.unexpected_token("`graph`"));
    }
    cursor.next();
    let span = cursor.peek().span.clone();
    let graph = cursor.function("the name of the graph")?;
    if !names.insert(graph.name().to_owned()) {
        let message = format!("there are two graphs named `{}`", graph.name());
        cursor.report(Fault::new(message).at(&span));
    }
    graph.check_expanded().map_err(|mistake| Fault::from(mistake).at(&span))?;
    Ok(graph)
}

/// `func name(inputs) { statements }`: a function that later nodes call by its name.
fn func(cursor: &mut Cursor<'_>) -> Parse<()> {
    cursor.next();
    let (span, mistakes) = (cursor.peek().span.clone(), cursor.mistakes());
    let function = cursor.function("the name of the function")?;
    let name = function.name().to_owned();
    if cursor.functions.contains_key(&name) {
        let message = format!("there are two functions named `{name}`");
        cursor.report(Fault::new(message).at(&span));
    }
    if let Err(mistake) = function.check_expanded() {
        cursor.report(Fault::from(mistake).at(&span));
    }
    let right = cursor.mistakes() == mistakes;
    cursor.functions.insert(name, right.then(|| Arc::new(function)));
    Ok(())
}

impl<'a> Cursor<'a> {
    /// `name(inputs) { statements }`.
    pub(super) fn function(&mut self, what: &str) -> Parse<Graph> {
        let name = self.name(what)?;
        let mut scope = Scope::new(Graph::new(name));
        let open = self.expect_mark("(")?;
        for input in self.separated(")", Self::input)? {
            if let Err(fault) = self.declare(&mut scope, input) {
                self.report(fault);
            }
        }
        self.expect_mark("{")?;
        self.body(&mut scope, &open)?;
        Ok(scope.graph)
    }

    /// `state %w: f32[3,3,1,32] @conv2d`.
    fn input(&mut self) -> Parse<Input<'a>> {
        let state = self.is_name("state");
        if state {
            self.next();
        }
        let kind = if state { ParameterKind::State } else { ParameterKind::Data };
        let name = self.value("an input such as `%x: f32[2]`, or `)`")?;
        self.expect_mark(":")?;
        let ty = self.ty()?;
        let mut origin = self.origin()?;
        origin.location = self.location();
        Ok(Input { name, kind, ty, origin })
    }

    fn declare(&mut self, scope: &mut Scope<'a>, input: Input<'a>) -> Parse<()> {
        let Input { name, kind, ty, origin } = input;
        let added = scope.graph.add_input(name.text, kind, ty, origin);
        self.bind(scope, &name, added.as_ref().ok().copied())?;
        added.map(|_| ()).map_err(|mistake| Fault::from(mistake).at(&name.span))
    }

    /// A name, in quotes if it is not a name.
    pub(super) fn name(&mut self, what: &str) -> Parse<String> {
        let name = match &self.peek().kind {
            Kind::Name(name) if is_bare(name) => (*name).to_owned(),
            Kind::Quoted(name) => name.clone(),
            _ => return Err(self.unexpected(what)),
        };
        self.next();
        Ok(name)
    }

    /// `f32[32,10]`.
    pub(super) fn ty(&mut self) -> Parse<Type> {
        let token = self.peek().clone();
        let Kind::Name(name) = token.kind else {
            return Err(self.unexpected("a type such as `f32[32,10]`"));
        };
        let dtype = name.parse::<DType>().map_err(|message| {
            let names = DType::ALL.into_iter().map(DType::name);
            Fault::new(message).did_you_mean("", name, names).at(&token.span)
        })?;
        self.next();
        self.expect_mark("[")?;
        let extents = self.separated("]", Self::extent)?;
        let span = self.since(&token.span);
        if extents.len() > MAX_RANK {
            let message = format!("rank {} is above the limit of {MAX_RANK}", extents.len());
            return Err(Fault::new(message).at(&span));
        }
        let ty = Type::new(dtype, Shape::new(extents));
        ty.check().map_err(|reason| Fault::new(reason).at(&span))?;
        Ok(ty)
    }

    fn extent(&mut self) -> Parse<usize> {
        let token = self.peek().clone();
        let Kind::Number(text) = token.kind else {
            return Err(self.unexpected("an extent"));
        };
        self.next();
        text.parse().map_err(|_| {
            let digits = text.chars().all(|c| c.is_ascii_digit());
            let problem = if digits { "is too large for an extent" } else { "is not an extent" };
            Fault::new(format!("`{text}` {problem}"))
                .help("extents are whole numbers from 0 on")
                .at(&token.span)
        })
    }

    /// `@layer #role`, both optional.
    pub(super) fn origin(&mut self) -> Parse<Origin> {
        let mut origin = Origin::default();
        if self.take_mark("@") {
            origin.layer = Some(self.name("the name of a layer")?.into());
        }
        if self.take_mark("#") {
            let span = self.peek().span.clone();
            let name = self.name("a role")?;
            let roles = [Role::Forward, Role::Backward, Role::Update];
            origin.role = roles.into_iter().find(|role| role.name() == name).ok_or_else(|| {
                Fault::new(format!("there is no role `{name}`"))
                    .help("the roles are forward, backward, update")
                    .at(&span)
            })?;
        }
        Ok(origin)
    }
}

struct Input<'a> {
    name: Name<'a>,
    kind: ParameterKind,
    ty: Type,
    origin: Origin,
}
