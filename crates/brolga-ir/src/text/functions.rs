//! The functions that nodes name.

use std::collections::HashSet;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::graph::{Graph, bodies_of};

/// The functions of a text in order, with their unique names.
#[derive(Debug, Default)]
pub(super) struct Functions<'a> {
    pub(super) listing: Vec<&'a Arc<Graph>>,
    names: FxHashMap<*const Graph, String>,
}

impl<'a> Functions<'a> {
    /// The functions of these graphs.
    pub(super) fn of(graphs: impl IntoIterator<Item = &'a Graph>) -> Self {
        let graphs: Vec<&Graph> = graphs.into_iter().collect();
        let bodies = bodies_of(graphs.iter().copied());
        let all = graphs.iter().copied().chain(bodies.iter().map(|body| &***body));
        let named: HashSet<*const Graph> = all.flat_map(named).collect();
        let mut functions = Self::default();
        let mut taken = HashSet::new();
        for function in bodies.into_iter().filter(|body| named.contains(&Arc::as_ptr(body))) {
            let own = function.name();
            let numbered = (1..).map(|number| format!("{own}.{number}"));
            let mut names = std::iter::once(own.to_owned()).chain(numbered);
            let name = names.find(|name| !taken.contains(name)).unwrap_or_default();
            taken.insert(name.clone());
            functions.names.insert(Arc::as_ptr(function), name);
            functions.listing.push(function);
        }
        functions
    }

    /// The name of a function in the text; its own name if it is none of these.
    pub(super) fn name<'f>(&'f self, function: &'f Arc<Graph>) -> &'f str {
        self.names.get(&Arc::as_ptr(function)).map_or(function.name(), String::as_str)
    }
}

/// The functions that the nodes of a graph name.
fn named(graph: &Graph) -> impl Iterator<Item = *const Graph> {
    let ops = graph.ids().map(|id| &graph.node(id).op);
    ops.filter(|op| op.definition().names_bodies())
        .flat_map(|op| op.bodies().iter().map(Arc::as_ptr))
}
