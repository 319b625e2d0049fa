//! The record of the rewrites, which also says when to stop.

use std::fmt;
use std::sync::Arc;

use brolga_ir::{Graph, NodeId, Role};

use crate::pass::Changed;

/// A rewrite that a pass knows.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// The rule in a few words.
    pub name: &'static str,
    /// Why the bits stay the same, or what is gained.
    pub reason: &'static str,
}

/// A rewrite that was made.
#[derive(Debug, Clone)]
pub struct Rewrite {
    /// The pass.
    pub pass: Arc<str>,
    /// The pass's rule.
    pub rule: &'static Rule,
    /// The op of the node.
    pub op: &'static str,
    /// The layer of the node.
    pub layer: Option<Arc<str>>,
    /// The role of the node.
    pub role: Role,
}

impl fmt::Display for Rewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} at `{}`", self.pass, self.rule.name, self.op)?;
        if let Some(layer) = &self.layer {
            write!(f, " of {layer}")?;
        }
        write!(f, " ({})", self.role.name())
    }
}

/// The rewrites made so far, and how many more may be made.
#[derive(Debug)]
pub struct Rewrites {
    done: Vec<Rewrite>,
    pass: Arc<str>,
    required: bool,
    in_pass: usize,
    most_in_pass: usize,
    left: usize,
}

impl Rewrites {
    /// No rewrite yet; `stop_after` of those that are not required are allowed.
    pub(crate) fn new(stop_after: Option<usize>) -> Self {
        let (pass, left) = ("".into(), stop_after.unwrap_or(usize::MAX));
        Self { done: Vec::new(), pass, required: false, in_pass: 0, most_in_pass: 0, left }
    }

    /// The following rewrites are a pass's, which may make so many.
    pub(crate) fn begin(&mut self, pass: &str, required: bool, most: usize) {
        self.pass = pass.into();
        (self.required, self.in_pass, self.most_in_pass) = (required, 0, most);
    }

    /// Whether the pass has asked for more rewrites than it may make.
    pub(crate) fn is_endless(&self) -> bool {
        self.in_pass > self.most_in_pass
    }

    /// Asks whether this rewrite may be made, and records it if so. A pass that is refused leaves the node as it is.
    #[must_use]
    pub fn allow(&mut self, rule: &'static Rule, graph: &Graph, node: NodeId) -> bool {
        if self.is_endless() || (self.left == 0 && !self.required) {
            return false;
        }
        self.in_pass += 1;
        if self.is_endless() {
            return false;
        }
        if !self.required {
            self.left -= 1;
        }
        let node = graph.node(node);
        let (layer, role) = (node.origin.layer.clone(), node.origin.role);
        self.done.push(Rewrite { pass: self.pass.clone(), rule, op: node.op.name(), layer, role });
        true
    }

    /// How many rewrites the current pass has made.
    pub fn in_pass(&self) -> usize {
        self.in_pass.min(self.most_in_pass)
    }

    /// Whether the current pass has made a rewrite.
    pub fn changed(&self) -> Changed {
        if self.in_pass > 0 { Changed::Yes } else { Changed::No }
    }

    /// All rewrites in the order in which they were made.
    pub fn done(&self) -> &[Rewrite] {
        &self.done
    }

    pub(crate) fn into_done(self) -> Vec<Rewrite> {
        self.done
    }
}
