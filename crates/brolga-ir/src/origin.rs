//! The origins of nodes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The part of a step a node belongs to.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The model's own nodes.
    #[default]
    Forward,
    /// Nodes that reverse-mode differentiation added.
    Backward,
    /// Nodes that change state: optimizers, counters, running statistics.
    Update,
}

impl Role {
    /// The name in the text form.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Backward => "backward",
            Self::Update => "update",
        }
    }
}

/// A file and line of the program that built the graph.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Location {
    /// The file as the compiler saw it.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
}

/// The origin of a node, which errors, dumps, profiles and reports name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Origin {
    /// The path of the layer, such as `block1/conv2d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<Arc<str>>,
    /// The part of the step.
    #[serde(default)]
    pub role: Role,
    /// The caller's file and line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
}

impl Origin {
    /// An origin in this layer with this role.
    pub fn layer(path: &str, role: Role) -> Self {
        Self { layer: Some(path.into()), role, location: None }
    }

    /// The same inside of an outer origin: the layer is appended to the outer path, the role is the
    /// later of both, and a missing location is the outer one.
    #[must_use]
    pub fn inside(self, outer: &Self) -> Self {
        let layer = match (&outer.layer, self.layer) {
            (Some(path), Some(layer)) => Some(format!("{path}/{layer}").into()),
            (outer, layer) => layer.or_else(|| outer.clone()),
        };
        let location = self.location.or_else(|| outer.location.clone());
        Self { layer, role: self.role.max(outer.role), location }
    }

    /// The layer as a part of a sentence, after what is in it: `` of layer `dense` ``; empty
    /// without a layer.
    pub fn of_layer(&self) -> String {
        self.layer.as_ref().map(|layer| format!(" of layer `{layer}`")).unwrap_or_default()
    }
}
