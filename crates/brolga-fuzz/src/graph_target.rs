//! Graphs as cases.

use std::time::Duration;

use brolga_ir::Graph;
use brolga_passes::shrink;

use crate::compare::examine;
use crate::coverage::Coverage;
use crate::failure::Failure;
use crate::graphs::graph;
use crate::plan::Plan;
use crate::supervise::on_text;
use crate::target::{Target, caught};

/// The most time that shrinking takes.
const SHRINKING: Duration = Duration::from_secs(30);

/// Random graphs of a seed.
#[derive(Debug)]
pub struct Graphs {
    /// The seed.
    pub seed: u64,
}

impl Graphs {
    /// The comparisons of a case on any graph.
    ///
    /// # Errors
    /// The first that fails.
    pub fn examine(&self, case: u64, graph: &Graph) -> Result<(), Failure> {
        examine(graph, &Plan::of_case(self.seed, case), self.seed ^ case)
    }
}

impl Target for Graphs {
    fn try_case(&self, case: u64, coverage: &mut Coverage) -> Result<(), Failure> {
        let graph = graph(self.seed, case).map_err(|error| Failure::new("drawing", error))?;
        coverage.add(&graph);
        self.examine(case, &graph)
    }

    fn shrunk(&self, case: u64, failure: &Failure, dies: bool) -> String {
        let Ok(graph) = graph(self.seed, case) else { return String::new() };
        let arguments = format!("--seed {} --only {case}", self.seed);
        let alike = |graph: &Graph| match dies {
            true => {
                let arguments = format!("check - --seed {} --case {case}", self.seed);
                let arguments: Vec<String> = arguments.split(' ').map(str::to_owned).collect();
                let status = on_text(&arguments, &graph.to_string(), self.patience());
                let code = status.map(|status| status.and_then(|status| status.code()));
                code.is_ok_and(|code| !matches!(code, Some(0 | 1)))
            }
            false => {
                caught(|| self.examine(case, graph)).is_err_and(|other| failure.is_like(&other))
            }
        };
        let small = if alike(&graph) { shrink(&graph, SHRINKING, alike) } else { graph };
        format!(
            "{small}repeat: brolga-fuzz graphs {arguments}\n   or: brolga-fuzz check FILE --seed {} --case {case}\n",
            self.seed
        )
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(20)
    }

    fn memory(&self) -> Option<u64> {
        None
    }
}
