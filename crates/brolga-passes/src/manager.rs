//! The driver: runs passes and does what all of them need.

use std::fmt;
use std::time::{Duration, Instant};

use brolga_ir::{Graph, verify};

use crate::check::same_bits;
use crate::error::PassError;
use crate::pass::{Changed, Pass};
use crate::rewrites::{Rewrite, Rewrites};

/// After which passes the graph is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dump {
    /// After every pass.
    All,
    /// After the passes that changed it.
    Changed,
    /// After the passes of these names.
    After(Vec<String>),
}

/// Runs passes in order. After each one it verifies the graph, always.
pub struct PassManager<'a> {
    passes: Vec<Box<dyn Pass>>,
    skipped: Vec<String>,
    stop_after: Option<usize>,
    max_rewrites: Option<usize>,
    check_each_pass: bool,
    dump: Option<(Dump, Show<'a>)>,
}

type Show<'a> = Box<dyn FnMut(&str, &Graph) + 'a>;

impl fmt::Debug for PassManager<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let passes: Vec<String> = self.passes.iter().map(|pass| pass.name()).collect();
        f.debug_struct("PassManager")
            .field("passes", &passes)
            .field("skipped", &self.skipped)
            .field("stop_after", &self.stop_after)
            .field("max_rewrites", &self.max_rewrites)
            .field("check_each_pass", &self.check_each_pass)
            .finish_non_exhaustive()
    }
}

impl<'a> PassManager<'a> {
    /// A driver for these passes.
    pub fn new(passes: Vec<Box<dyn Pass>>) -> Self {
        Self {
            passes,
            skipped: Vec::new(),
            stop_after: None,
            max_rewrites: None,
            check_each_pass: false,
            dump: None,
        }
    }

    /// Leaves a pass out, wherever it stands in the list.
    ///
    /// # Errors
    /// If there is no such pass in the list, or it is required.
    pub fn skip(mut self, name: &str) -> Result<Self, PassError> {
        let Some(pass) = self.passes.iter().find(|pass| pass.name() == name) else {
            let mut known: Vec<String> = self.passes.iter().map(|pass| pass.name()).collect();
            known.sort();
            known.dedup();
            return Err(PassError::UnknownPass { name: name.to_owned(), known });
        };
        if pass.is_required() {
            return Err(PassError::Required { name: name.to_owned() });
        }
        self.skipped.push(name.to_owned());
        Ok(self)
    }

    /// Stops optimising after so many rewrites; required passes still do their work. The smallest number with which a result is wrong
    /// tells the rewrite that is wrong: it is the last one of [`Report::rewrites`] whose pass is not required.
    #[must_use]
    pub fn stop_after(mut self, rewrites: usize) -> Self {
        self.stop_after = Some(rewrites);
        self
    }

    /// How many rewrites one run of a pass may make before it is an error; by default 1000 and 20 for each node.
    #[must_use]
    pub fn max_rewrites(mut self, rewrites: usize) -> Self {
        self.max_rewrites = Some(rewrites);
        self
    }

    /// Whether the interpreter runs the graph before and after each pass, to compare bits.
    #[must_use]
    pub fn check_each_pass(mut self, check: bool) -> Self {
        self.check_each_pass = check;
        self
    }

    /// Shows the graph after some of the passes; `show` is given the name of the pass and the graph.
    #[must_use]
    pub fn dump(mut self, when: Dump, show: impl FnMut(&str, &Graph) + 'a) -> Self {
        self.dump = Some((when, Box::new(show)));
        self
    }

    /// Runs the passes.
    ///
    /// # Errors
    /// If the graph is not valid, or a pass has a bug that the driver finds. The graph is then in no defined state.
    pub fn run(&mut self, graph: &mut Graph) -> Result<Report, PassError> {
        let start = Instant::now();
        verify(graph).map_err(PassError::Input)?;
        let mut rewrites = Rewrites::new(self.stop_after);
        let mut passes = Vec::with_capacity(self.passes.len());
        for pass in &self.passes {
            let name = pass.name();
            if self.skipped.contains(&name) {
                continue;
            }
            let before = self.check_each_pass.then(|| graph.clone());
            let most = self.max_rewrites.unwrap_or(1000 + 20 * graph.len());
            rewrites.begin(&name, pass.is_required(), most);
            let pass_start = Instant::now();
            let changed = pass.run(graph, &mut rewrites).map_err(|error| error.of(&name))?;
            let time = pass_start.elapsed();
            if rewrites.is_endless() {
                let rule = rewrites.done().last().map_or("none", |rewrite| rewrite.rule.name);
                return Err(PassError::Endless { pass: name, rewrites: most, rule });
            }
            verify(graph).map_err(|errors| PassError::Verify { pass: name.clone(), errors })?;
            pass.check(graph)?;
            if let Some(before) = before {
                same_bits(&name, &before, graph)?;
            }
            if let Some((when, show)) = &mut self.dump {
                let shown = match when {
                    Dump::All => true,
                    Dump::Changed => changed == Changed::Yes,
                    Dump::After(names) => names.contains(&name),
                };
                if shown {
                    show(&name, graph);
                }
            }
            let (made, nodes) = (rewrites.in_pass(), graph.len());
            passes.push(PassReport { name, changed, rewrites: made, nodes, time });
        }
        Ok(Report { passes, rewrites: rewrites.into_done(), time: start.elapsed() })
    }
}

/// What one run of a pass did.
#[derive(Debug, Clone)]
pub struct PassReport {
    /// The pass.
    pub name: String,
    /// Whether it changed the graph.
    pub changed: Changed,
    /// How many rewrites it made.
    pub rewrites: usize,
    /// The number of nodes afterwards.
    pub nodes: usize,
    /// The time it took, without verification.
    pub time: Duration,
}

/// What the passes did.
#[derive(Debug, Clone)]
pub struct Report {
    /// The passes in the order in which they ran.
    pub passes: Vec<PassReport>,
    /// Every rewrite in the order in which it was made.
    pub rewrites: Vec<Rewrite>,
    /// The time all of it took, with verification.
    pub time: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<28} {:>8} {:>6} {:>9}", "pass", "rewrites", "nodes", "µs")?;
        for pass in &self.passes {
            let PassReport { name, rewrites, nodes, time, .. } = pass;
            writeln!(f, "{name:<28} {rewrites:>8} {nodes:>6} {:>9.1}", time.as_secs_f64() * 1e6)?;
        }
        let (count, micros) = (self.rewrites.len(), self.time.as_secs_f64() * 1e6);
        writeln!(f, "{:<28} {count:>8} {:>6} {micros:>9.1}", "all, with verification", "")
    }
}
