//! The record of rewrites, which also limits their number.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use brolga_ir::{Change, Graph, NodeId, Role, Uid};

use crate::pass::Changed;
use crate::region::Border;

/// A rewrite that a pass knows.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// The rule in a few words.
    pub name: &'static str,
    /// Why the bits stay the same, or what is gained.
    pub reason: &'static str,
}

/// A node that a pass looked at, as it was then.
#[derive(Debug, Clone)]
pub struct Site {
    /// Its identity.
    pub uid: Uid,
    /// Its op.
    pub op: &'static str,
    /// Its layer.
    pub layer: Option<Arc<str>>,
    /// Its role.
    pub role: Role,
}

impl Site {
    fn new(graph: &Graph, id: NodeId) -> Self {
        let node = graph.node(id);
        let (layer, role) = (node.origin.layer.clone(), node.origin.role);
        Self { uid: node.uid, op: node.op.name(), layer, role }
    }
}

/// n12, `conv` of block1/conv2d (backward)
impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, `{}`", self.uid, self.op)?;
        if let Some(layer) = &self.layer {
            write!(f, " of {layer}")?;
        }
        write!(f, " ({})", self.role.name())
    }
}

/// A rewrite that was made.
#[derive(Debug, Clone)]
pub struct Rewrite {
    /// The pass.
    pub pass: Arc<str>,
    /// The pass's rule.
    pub rule: &'static Rule,
    /// The node that was rewritten.
    pub node: Site,
    /// What it changed: a part of [`Report::journal`](crate::Report::journal).
    pub changes: Range<usize>,
}

impl fmt::Display for Rewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} at {}", self.pass, self.rule.name, self.node)
    }
}

/// A rewrite that a pass considered and did not make, or a node that it left out of one.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The pass.
    pub pass: Arc<str>,
    /// The pass's rule.
    pub rule: &'static Rule,
    /// The node that the rule would have rewritten.
    pub node: Site,
    /// The node that stays outside of the region around [`Refusal::node`], if the rule grows a
    /// region.
    pub outside: Option<Site>,
    /// Which condition does not hold.
    pub why: Why,
}

/// A condition that does not hold, as a clause: "its result has another shape".
pub type Why = &'static str;

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ", self.pass, self.node)?;
        match &self.outside {
            Some(outside) => write!(f, "without {outside}")?,
            None => write!(f, "not at all")?,
        }
        write!(f, ": {}", self.why)
    }
}

/// The rewrites made so far, and how many more are allowed.
#[derive(Debug)]
pub struct Rewrites {
    done: Vec<Rewrite>,
    pass: Arc<str>,
    required: bool,
    in_pass: usize,
    most_in_pass: usize,
    left: usize,
    /// Whether new changes belong to the last rewrite.
    open: bool,
    /// `None` while nobody asks why a rewrite was not made.
    refused: Option<Vec<Refusal>>,
}

impl Rewrites {
    /// An empty record that allows `stop_after` rewrites of passes that are not required, and keeps
    /// refusals if `explain`.
    pub(crate) fn new(stop_after: Option<usize>, explain: bool) -> Self {
        Self {
            done: Vec::new(),
            pass: "".into(),
            required: false,
            in_pass: 0,
            most_in_pass: 0,
            left: stop_after.unwrap_or(usize::MAX),
            open: false,
            refused: explain.then(Vec::new),
        }
    }

    /// Begins a pass, which may make `most` rewrites.
    pub(crate) fn begin(&mut self, pass: &str, required: bool, most: usize) {
        self.pass = pass.into();
        (self.required, self.in_pass, self.most_in_pass) = (required, 0, most);
    }

    /// Whether the pass has asked for more rewrites than it may make.
    fn is_endless(&self) -> bool {
        self.in_pass > self.most_in_pass
    }

    /// How many rewrites the pass may make, if it has asked for more.
    pub(crate) fn endless(&self) -> Option<usize> {
        self.is_endless().then_some(self.most_in_pass)
    }

    /// Asks whether this rewrite may be made, and records it if so. If not, the pass leaves the
    /// node as it is.
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
        self.close(graph);
        let start = graph.journal().len();
        let (pass, node) = (self.pass.clone(), Site::new(graph, node));
        self.done.push(Rewrite { pass, rule, node, changes: start..start });
        self.open = true;
        true
    }

    /// Records that a rule is not applied to a node, and why, if refusals are kept.
    pub fn refuse(&mut self, rule: &'static Rule, graph: &Graph, node: NodeId, why: Why) {
        self.keep(rule, graph, node, None, why);
    }

    /// Records which nodes stay outside of the region around a node, and why, if refusals are kept.
    pub(crate) fn refuse_outside(
        &mut self,
        rule: &'static Rule,
        graph: &Graph,
        node: NodeId,
        border: &Border,
        inside: impl Fn(NodeId) -> bool,
    ) {
        if self.refused.is_some() {
            for (outside, why) in border.outside(inside) {
                self.keep(rule, graph, node, Some(outside), why);
            }
        }
    }

    fn keep(
        &mut self,
        rule: &'static Rule,
        graph: &Graph,
        node: NodeId,
        outside: Option<NodeId>,
        why: Why,
    ) {
        let Some(refused) = &mut self.refused else { return };
        let site = |id| Site::new(graph, id);
        let (node, outside) = (site(node), outside.map(site));
        refused.push(Refusal { pass: self.pass.clone(), rule, node, outside, why });
    }

    /// Assigns the changes since the last rewrite was allowed to that rewrite.
    fn close(&mut self, graph: &Graph) -> Option<&mut Rewrite> {
        let open = std::mem::take(&mut self.open);
        let last = self.done.last_mut().filter(|_| open)?;
        last.changes.end = graph.journal().len();
        Some(last)
    }

    /// Ends a pass. The dead nodes that it removes now belong to no rewrite.
    pub(crate) fn end(&mut self, graph: &Graph) {
        if let Some(last) = self.close(graph) {
            let changes = &graph.journal()[last.changes.clone()];
            let dead = changes.iter().rev().take_while(|change| matches!(change, Change::Dead(_)));
            last.changes.end -= dead.count();
        }
    }

    /// How many rewrites the current pass has made.
    pub fn in_pass(&self) -> usize {
        self.in_pass.min(self.most_in_pass)
    }

    /// How many refusals all passes have recorded so far.
    pub(crate) fn refused(&self) -> usize {
        self.refused.as_ref().map_or(0, Vec::len)
    }

    /// Whether the current pass has made a rewrite.
    pub fn changed(&self) -> Changed {
        if self.in_pass > 0 { Changed::Yes } else { Changed::No }
    }

    /// All rewrites in the order in which they were made.
    pub fn done(&self) -> &[Rewrite] {
        &self.done
    }

    pub(crate) fn into_parts(self) -> (Vec<Rewrite>, Vec<Refusal>) {
        (self.done, self.refused.unwrap_or_default())
    }
}
