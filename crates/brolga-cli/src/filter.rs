//! Which nodes are shown.

use std::collections::BTreeSet;
use std::fmt;

use brolga_ir::{Graph, NodeId, Origin, Role};
use clap::Args;

use crate::error::CliError;

/// The arguments that choose nodes by their origins.
#[derive(Debug, Args)]
pub(crate) struct Filter {
    /// Only the nodes or kernels of this part of the step
    #[arg(long, value_name = "forward|backward|update", value_parser = role)]
    role: Option<Role>,
    /// Only the nodes or kernels of this layer, and of the layers inside it
    #[arg(long, value_name = "NAME")]
    layer: Option<String>,
}

fn role(text: &str) -> Result<Role, String> {
    let roles = [Role::Forward, Role::Backward, Role::Update];
    let role = roles.into_iter().find(|role| role.name() == text);
    role.ok_or_else(|| "the roles are forward, backward, update".to_owned())
}

impl Filter {
    /// Whether all nodes are shown.
    pub(crate) fn is_empty(&self) -> bool {
        self.role.is_none() && self.layer.is_none()
    }

    /// Fails if there is no node of the layer.
    pub(crate) fn check(&self, graph: &Graph) -> Result<(), CliError> {
        let Some(layer) = &self.layer else { return Ok(()) };
        let mut layers = BTreeSet::new();
        for id in graph.ids() {
            origins(graph, id, &mut |origin| layers.extend(origin.layer.clone()));
        }
        if layers.iter().any(|known| is_inside(known, layer)) {
            return Ok(());
        }
        let known: Vec<&str> = layers.iter().map(|layer| &**layer).collect();
        let help = match known.as_slice() {
            [] => "no node of it names a layer".to_owned(),
            known => format!("the layers are {}", known.join(", ")),
        };
        Err(CliError::argument(format!("graph `{}` has no layer `{layer}`", graph.name()), help))
    }

    /// Whether the node is shown. A kernel has one role, but the layers of all nodes of its body.
    pub(crate) fn keeps(&self, graph: &Graph, id: NodeId) -> bool {
        let role = self.role.is_none_or(|role| role == graph.node(id).origin.role);
        let layer = self.layer.as_ref().is_none_or(|layer| {
            let mut found = false;
            origins(graph, id, &mut |origin| {
                found |= origin.layer.as_deref().is_some_and(|path| is_inside(path, layer));
            });
            found
        });
        role && layer
    }
}

/// The conditions in words.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = self.role.map(|role| format!("role {}", role.name()));
        let layer = self.layer.as_ref().map(|layer| format!("layer {layer}"));
        f.write_str(&role.into_iter().chain(layer).collect::<Vec<_>>().join(", "))
    }
}

fn is_inside(path: &str, layer: &str) -> bool {
    path.strip_prefix(layer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Visits the origins of a node and of the nodes of its bodies.
fn origins(graph: &Graph, id: NodeId, visit: &mut dyn FnMut(&Origin)) {
    let node = graph.node(id);
    visit(&node.origin);
    for body in node.op.bodies() {
        let inner = body.ids().filter(|&inner| !body.is_input(inner));
        inner.for_each(|inner| origins(body, inner, visit));
    }
}
