//! What passes did and did not do.

use std::ops::Range;

use brolga_ir::{Role, Uid};
use brolga_passes::{Refusal, Rewrite, Site};
use serde::{Deserialize, Serialize};

use crate::work::Work;

/// One run of a pass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PassRecord {
    /// The name; a pass may run several times.
    pub name: String,
    /// Its number among the runs of the same pass, from 1.
    pub run: u32,
    /// The time that it took, in nanoseconds, without verification.
    pub time_ns: u64,
    /// The number of nodes before it.
    pub nodes_before: usize,
    /// The number of nodes after it.
    pub nodes_after: usize,
    /// The work of the graph before it.
    pub before: Work,
    /// The work of the graph after it.
    pub after: Work,
    /// What it did: a part of [`Program::rewrites`](crate::Program::rewrites).
    pub rewrites: Range<usize>,
    /// What it did not do: a part of [`Program::refusals`](crate::Program::refusals).
    pub refusals: Range<usize>,
    /// What it changed: a part of [`Program::journal`](crate::Program::journal).
    pub changes: Range<usize>,
    /// The graph after it, an index for [`Graphs`](crate::Graphs).
    pub graph: u32,
}

impl PassRecord {
    /// Whether the graph after it is another one than before it.
    #[must_use]
    pub fn changed(&self, before: u32) -> bool {
        self.graph != before
    }

    /// Its name as a stage: `trim_loops`, and of a later run `trim_loops#2`.
    #[must_use]
    pub fn stage(&self) -> String {
        match self.run {
            1 => self.name.clone(),
            run => format!("{}#{run}", self.name),
        }
    }
}

/// A node that a pass looked at, as it was then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteRecord {
    /// Its identity.
    pub uid: Uid,
    /// Its op.
    pub op: String,
    /// Its layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// Its role.
    pub role: Role,
}

impl SiteRecord {
    fn of(site: &Site) -> Self {
        Self {
            uid: site.uid,
            op: site.op.to_owned(),
            layer: site.layer.as_deref().map(str::to_owned),
            role: site.role,
        }
    }
}

/// A rewrite that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RewriteRecord {
    /// The pass.
    pub pass: String,
    /// The rule in a few words.
    pub rule: String,
    /// Why the bits stay the same, or what is gained.
    pub reason: String,
    /// The node that was rewritten.
    pub node: SiteRecord,
    /// What it changed: a part of [`Program::journal`](crate::Program::journal).
    pub changes: Range<usize>,
}

impl From<&Rewrite> for RewriteRecord {
    fn from(rewrite: &Rewrite) -> Self {
        Self {
            pass: rewrite.pass.to_string(),
            rule: rewrite.rule.name.to_owned(),
            reason: rewrite.rule.reason.to_owned(),
            node: SiteRecord::of(&rewrite.node),
            changes: rewrite.changes.clone(),
        }
    }
}

/// A rewrite that a pass considered and did not make, or a node that it left out of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalRecord {
    /// The pass.
    pub pass: String,
    /// The rule in a few words.
    pub rule: String,
    /// The node that the rule would have rewritten.
    pub node: SiteRecord,
    /// The node that stays outside of the region around it, if the rule grows a region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<SiteRecord>,
    /// The condition that does not hold.
    pub why: String,
}

impl From<&Refusal> for RefusalRecord {
    fn from(refusal: &Refusal) -> Self {
        Self {
            pass: refusal.pass.to_string(),
            rule: refusal.rule.name.to_owned(),
            node: SiteRecord::of(&refusal.node),
            outside: refusal.outside.as_ref().map(SiteRecord::of),
            why: refusal.why.to_owned(),
        }
    }
}
