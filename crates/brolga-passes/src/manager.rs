//! The driver: runs passes and does what all of them need.

use std::fmt;
use std::ops::Range;
use std::time::{Duration, Instant};

use brolga_ir::{Change, Graph, verify};

use crate::check::same_bits;
use crate::error::PassError;
use crate::loops::for_each_step;
use crate::pass::{Changed, Pass};
use crate::rewrites::{Refusal, Rewrite, Rewrites};

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
    explain: bool,
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
            explain: false,
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

    /// Stops optimising after so many rewrites; required passes still do their work. The smallest
    /// number with which a result is wrong tells the rewrite that is wrong: it is the last one of
    /// [`Report::rewrites`] whose pass is not required.
    #[must_use]
    pub fn stop_after(mut self, rewrites: usize) -> Self {
        self.stop_after = Some(rewrites);
        self
    }

    /// How many rewrites one run of a pass may make before it is an error; by default 1000 and 20
    /// for each node.
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

    /// Whether [`Report::refusals`] tells which rewrites were not made, and why.
    #[must_use]
    pub fn explain(mut self, explain: bool) -> Self {
        self.explain = explain;
        self
    }

    /// Shows the graph after some of the passes; `show` is given the name of the pass and the
    /// graph.
    #[must_use]
    pub fn dump(mut self, when: Dump, show: impl FnMut(&str, &Graph) + 'a) -> Self {
        self.dump = Some((when, Box::new(show)));
        self
    }

    /// Runs the passes.
    ///
    /// # Errors
    /// If the graph is not valid, or a pass has a bug that the driver finds. The graph is then in
    /// no defined state.
    pub fn run(&mut self, graph: &mut Graph) -> Result<Report, PassError> {
        let start = Instant::now();
        verify(graph).map_err(PassError::Input)?;
        graph.start_journal();
        let mut rewrites = Rewrites::new(self.stop_after, self.explain);
        let passes = self.run_passes(graph, &mut rewrites);
        let journal = graph.take_journal();
        let (passes, (rewrites, refusals)) = (passes?, rewrites.into_parts());
        Ok(Report { passes, rewrites, refusals, journal, time: start.elapsed() })
    }

    /// The rewrites that the passes make until one of them fails, or all have run.
    pub(crate) fn rewrites_of(&mut self, graph: &mut Graph) -> Vec<Rewrite> {
        graph.start_journal();
        let mut rewrites = Rewrites::new(self.stop_after, false);
        // What fails is known to the caller, who asks for what was done before.
        let _ = self.run_passes(graph, &mut rewrites);
        graph.take_journal();
        rewrites.into_parts().0
    }

    fn run_passes(
        &mut self,
        graph: &mut Graph,
        rewrites: &mut Rewrites,
    ) -> Result<Vec<PassReport>, PassError> {
        let mut reports = Vec::with_capacity(self.passes.len());
        for pass in &self.passes {
            let name = pass.name();
            if self.skipped.contains(&name) {
                continue;
            }
            let before = self.check_each_pass.then(|| graph.clone());
            let most = self.max_rewrites.unwrap_or(1000 + 20 * graph.len());
            rewrites.begin(&name, pass.is_required(), most);
            let report = run_pass(&**pass, &name, graph, rewrites)?;
            if let Some(before) = before {
                same_bits(&name, &before, graph)?;
            }
            if let Some((when, show)) = &mut self.dump {
                let shown = match when {
                    Dump::All => true,
                    Dump::Changed => report.changed == Changed::Yes,
                    Dump::After(names) => names.contains(&name),
                };
                if shown {
                    show(&name, graph);
                }
            }
            reports.push(report);
        }
        Ok(reports)
    }
}

/// Runs one pass and checks what it left.
fn run_pass(
    pass: &dyn Pass,
    name: &str,
    graph: &mut Graph,
    rewrites: &mut Rewrites,
) -> Result<PassReport, PassError> {
    let (start, verified, first) = (Instant::now(), graph.revision(), graph.journal().len());
    let refused = rewrites.refused();
    run_on(pass, graph, rewrites).map_err(|error| error.of(name))?;
    let (changed, time) = (rewrites.changed(), start.elapsed());
    if let Some(most) = rewrites.endless() {
        let rule = rewrites.done().last().map_or("none", |rewrite| rewrite.rule.name);
        return Err(PassError::Endless { pass: name.to_owned(), rewrites: most, rule });
    }
    if graph.revision() != verified {
        let wrong = |errors| PassError::Verify { pass: name.to_owned(), errors };
        verify(graph).map_err(wrong)?;
    }
    pass.check(graph)?;
    Ok(PassReport {
        name: name.to_owned(),
        changed,
        rewrites: rewrites.in_pass(),
        refusals: rewrites.refused() - refused,
        nodes: graph.len(),
        changes: first..graph.journal().len(),
        time,
    })
}

/// Runs a pass on the bodies of a graph's loops, and then on the graph. The recursion is as deep as
/// bodies nest.
fn run_on(pass: &dyn Pass, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<(), PassError> {
    for_each_step(graph, &mut |body| run_on(pass, body, rewrites))?;
    pass.run(graph, rewrites)?;
    rewrites.end(graph);
    Ok(())
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
    /// How many of [`Report::refusals`] are its.
    pub refusals: usize,
    /// The number of nodes afterwards.
    pub nodes: usize,
    /// What it changed: a part of [`Report::journal`].
    pub changes: Range<usize>,
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
    /// With [`PassManager::explain`], what the passes considered and did not do, in this order.
    pub refusals: Vec<Refusal>,
    /// Every change of the graph.
    pub journal: Vec<Change>,
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

#[cfg(test)]
mod tests {
    use brolga_ir::{Tensor, parse_graph};

    use super::*;
    use crate::passes::{CommonSubexpressions, DeadNodes, Outline};
    use crate::rewrites::Rule;
    use crate::{optimize, passes_by_name, pipeline};

    fn graph() -> Graph {
        let text = "graph f(%x: f32[4]) {
            %0: f32[4] = exp %x @a
            %1: f32[4] = exp %x @b #backward
            %2: f32[4] = add %0, %1
            return %2
        }";
        parse_graph(text, "test").expect("the text is right")
    }

    fn error(manager: &mut PassManager<'_>) -> String {
        manager.run(&mut graph()).expect_err("an error").to_string()
    }

    const RULE: Rule = Rule { name: "do something", reason: "a test" };

    /// A pass for tests, which does what its function does.
    struct Broken(fn(&mut Graph, &mut Rewrites));

    impl Pass for Broken {
        fn is_required(&self) -> bool {
            false
        }

        fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError> {
            self.0(graph, rewrites);
            Ok(rewrites.changed())
        }
    }

    fn broken(run: fn(&mut Graph, &mut Rewrites)) -> PassManager<'static> {
        PassManager::new(vec![Box::new(Broken(run))])
    }

    #[test]
    fn rewrites_are_recorded_with_rule_layer_and_role() {
        let report = PassManager::new(pipeline()).run(&mut graph()).expect("the passes are right");
        let rewrites: Vec<String> = report.rewrites.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(rewrites.join("\n"), @"
        common_subexpressions: share equal nodes at n2, `exp` of b (backward)
        fuse_elementwise: fuse an elementwise chain at n3, `add` (forward)
        ");
        assert!(report.rewrites.iter().all(|rewrite| !rewrite.rule.reason.is_empty()));
        assert_eq!(report.passes.iter().map(|pass| pass.rewrites).sum::<usize>(), rewrites.len());
    }

    #[test]
    fn changes_are_assigned_to_rewrites_and_passes() {
        let mut graph = graph();
        let report = PassManager::new(pipeline()).run(&mut graph).expect("the passes are right");
        assert_eq!(graph.journal(), [], "the graph is given back as it came");
        let [share, fuse] = &report.rewrites[..] else { panic!("{:?}", report.rewrites) };
        let changes = |range: &Range<usize>| format!("{:?}", &report.journal[range.clone()]);
        insta::assert_snapshot!(changes(&share.changes), @"[Replaced((Uid(2), 0), (Uid(1), 0))]");
        insta::assert_snapshot!(changes(&fuse.changes), @"[Added(Uid(4)), Replaced((Uid(3), 0), (Uid(4), 0)), Removed(Uid(1)), Removed(Uid(3))]");
        // Each pass has those of its rewrites, and what it removed at its end.
        let removed = report.passes.iter().find(|pass| pass.name == "common_subexpressions");
        insta::assert_snapshot!(changes(&removed.expect("it ran").changes), @"[Replaced((Uid(2), 0), (Uid(1), 0)), Dead(Uid(2))]");
        let of_passes: usize = report.passes.iter().map(|pass| pass.changes.len()).sum();
        assert_eq!(of_passes, report.journal.len());
    }

    #[test]
    fn refusals_say_which_condition_does_not_hold() {
        let text = "graph f(%x: f32[2,3], state %w: f32[3,2], %s: f32[2,1], %i: f32[1,4,4,1], %k: f32[1,1,1,1]) {
            %0: f32[2,2] = matmul %x, %w @dense
            %1: f32[2,2] = mul %0, %s @scale
            %2: f32[2,2] = transpose %1 {permutation=[1,0]} @scale
            %3: f32[3,2] = matmul %x, %2 {transpose_a=true} @dense #backward
            %4: f32[3,2] = sub %w, %3 @dense #update
            %5: f32[1,4,4,1] = conv %i, %k {strides=[1,1]} @conv
            %6: f32[1,3,3,1] = max_pool %5 {window=[2,2], strides=[1,1]} @pool
            return %2, %3, %6, %4 => %w
        }";
        let parsed = || parse_graph(text, "test").expect("the text is right");
        let refusals = |explain: bool| {
            let mut manager = PassManager::new(pipeline()).explain(explain);
            manager.run(&mut parsed()).expect("the passes are right").refusals
        };
        assert!(refusals(false).is_empty(), "they are recorded for those who ask");
        let shown: Vec<String> = refusals(true).iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(shown.join("\n"), @r"
        fuse_weight_updates: n9, `sub` of dense (update) not at all: the gradient is used elsewhere too, or is returned, and so has to be stored
        fuse_conv_pool: n10, `conv` of conv (forward) not at all: its consumer is no maximum pooling, or one whose windows overlap, have padding or three axes
        fuse_conv_pool: n10, `conv` of conv (forward) without n11, `max_pool` of pool (forward): it is not elementwise
        fuse_matmul: n5, `matmul` of dense (forward) without n6, `mul` of scale (forward): it repeats an operand in a way that the kernel does not read
        fuse_matmul: n12, `matmul` of dense (backward) without n13, `kernel` of dense (update): it is a kernel already
        fuse_elementwise: n6, `mul` of scale (forward) without n5, `matmul` of dense (forward): it does not work row by row
        fuse_elementwise: n6, `mul` of scale (forward) without n7, `transpose` of scale (forward): it does not work row by row
        fuse_elementwise: n6, `mul` of scale (forward) without n12, `matmul` of dense (backward): it does not work row by row
        ");
    }

    #[test]
    fn an_endless_pass_is_named() {
        let endless = |graph: &mut Graph, rewrites: &mut Rewrites| {
            let id = graph.inputs()[0];
            while rewrites.allow(&RULE, graph, id) {}
        };
        insta::assert_snapshot!(error(&mut broken(endless).max_rewrites(7)), @"the pass `broken` does not come to an end: it was stopped after 7 rewrites, the last of them `do something`");
    }

    #[test]
    fn a_graph_that_is_not_valid_afterwards_is_an_error() {
        let cut = |graph: &mut Graph, _: &mut Rewrites| {
            let exp = graph.order()[1];
            graph.remove(exp);
        };
        insta::assert_snapshot!(error(&mut broken(cut)), @r"
        the graph is not valid after the pass `broken`
        graph `f`: error: operand 0 is missing
          | %1: f32[4] = add %0
          | ^~~~~~~~~~~~~~~~~~~
        ");
    }

    #[test]
    fn a_graph_that_was_not_valid_before_is_the_callers_fault() {
        let mut cut = graph();
        cut.remove(cut.order()[1]);
        let error = optimize(&mut cut).expect_err("an error").to_string();
        insta::assert_snapshot!(error, @r"
        the graph given to the passes is not valid
        graph `f`: error: operand 0 is missing
          | %1: f32[4] = add %0
          | ^~~~~~~~~~~~~~~~~~~
        ");
    }

    #[test]
    fn changed_bits_are_an_error_that_tells_where() {
        let swap = |graph: &mut Graph, rewrites: &mut Rewrites| {
            let (x, exp) = (graph.inputs()[0], graph.order()[1]);
            if rewrites.allow(&RULE, graph, exp) {
                graph.replace(exp.into(), x.into());
            }
        };
        insta::assert_snapshot!(error(&mut broken(swap).check_each_pass(true)), @"the pass `broken` changes output 0 of graph `f`: 4 of 4 elements differ, first element 0: 1.3962249755859375 became 0.33873748779296875");
        assert!(broken(swap).run(&mut graph()).is_ok(), "without the check nobody notices");
    }

    #[test]
    fn a_lost_output_is_an_error() {
        let lose = |graph: &mut Graph, _: &mut Rewrites| graph.set_outputs(Vec::new());
        insta::assert_snapshot!(error(&mut broken(lose).check_each_pass(true)), @"the pass `broken` changes the number of outputs of graph `f`: 1 became 0");
    }

    #[test]
    fn a_wrong_node_is_reported_with_the_pass() {
        struct Wrong;
        impl Pass for Wrong {
            fn is_required(&self) -> bool {
                false
            }
            fn run(&self, graph: &mut Graph, _: &mut Rewrites) -> Result<Changed, PassError> {
                let x = graph.inputs()[0].into();
                graph.add(brolga_ir::ops::Add, &[x], Default::default())?;
                Ok(Changed::No)
            }
        }
        insta::assert_snapshot!(error(&mut PassManager::new(vec![Box::new(Wrong)])), @"the pass `wrong` built a wrong node: `add` takes 2 operands, not 1");
    }

    #[test]
    fn passes_are_skipped_by_name() {
        let manager = || PassManager::new(vec![Box::new(CommonSubexpressions), Box::new(Outline)]);
        let report = manager()
            .skip("common_subexpressions")
            .and_then(|mut manager| manager.run(&mut graph()))
            .expect("the pass can be skipped");
        let ran: Vec<&str> = report.passes.iter().map(|pass| pass.name.as_str()).collect();
        assert_eq!(ran, ["outline"]);
        insta::assert_snapshot!(manager().skip("outline").expect_err("an error"), @"the pass `outline` cannot be skipped: without it the graph cannot be compiled");
        insta::assert_snapshot!(manager().skip("cse").expect_err("an error"), @r"
        there is no pass `cse`
          help: the passes are common_subexpressions, outline
        ");
    }

    #[test]
    fn passes_are_found_by_name() {
        let passes = passes_by_name("dead_nodes, common_subexpressions").expect("there are such");
        let names: Vec<String> = passes.iter().map(|pass| pass.name()).collect();
        assert_eq!(names, ["dead_nodes", "common_subexpressions"]);
        let error = passes_by_name("dead_nodes,cse").err().expect("an error").to_string();
        insta::assert_snapshot!(error, @"
        there is no pass `cse`
          help: the passes are algebraic_simplification, canonical_reductions, canonical_shapes, common_subexpressions, constant_folding, dead_nodes, fuse_columns, fuse_conv_grads, fuse_conv_pool, fuse_elementwise, fuse_matmul, fuse_random, fuse_rows, fuse_updates, fuse_weight_updates, fuse_windows, hoist_loops, inline_calls, merge_loops, outline, stack_recomputed, trim_loops, unpool_mask
        ");
    }

    #[test]
    fn stopping_after_some_rewrites_leaves_required_passes_to_work() {
        for stop in 0..4 {
            let mut graph = graph();
            let mut manager = PassManager::new(pipeline()).stop_after(stop);
            let report = manager.run(&mut graph).expect("the result is a graph of kernels");
            let required =
                |name: &str| ["inline_calls", "canonical_reductions", "outline"].contains(&name);
            let optional = report.rewrites.iter().filter(|rewrite| !required(&rewrite.pass));
            assert_eq!(optional.count(), stop.min(2));
        }
    }

    #[test]
    fn graphs_are_shown_when_asked() {
        let shown = |when: Dump| {
            let mut names = Vec::new();
            let passes: Vec<Box<dyn Pass>> =
                vec![Box::new(DeadNodes), Box::new(CommonSubexpressions)];
            let mut manager = PassManager::new(passes)
                .dump(when, |name, graph| names.push(format!("{name}: {}", graph.len())));
            manager.run(&mut graph()).expect("the passes are right");
            drop(manager);
            names.join(", ")
        };
        assert_eq!(shown(Dump::All), "dead_nodes: 4, common_subexpressions: 3");
        assert_eq!(shown(Dump::Changed), "common_subexpressions: 3");
        assert_eq!(shown(Dump::After(vec!["dead_nodes".to_owned()])), "dead_nodes: 4");
    }

    #[test]
    fn required_passes_are_those_without_which_there_are_no_kernels() {
        let required = pipeline().into_iter().filter(|pass| pass.is_required());
        let names: Vec<String> = required.map(|pass| pass.name()).collect();
        assert_eq!(names, ["inline_calls", "canonical_reductions", "outline"]);
    }

    #[test]
    fn constants_of_an_empty_graph_are_fine() {
        let mut graph = Graph::new("empty");
        let constant = brolga_ir::ops::Constant::new(Tensor::scalar(brolga_ir::DType::F32, 1.0));
        let value = graph.add(constant, &[], Default::default()).expect("a constant");
        graph.add_output(value);
        optimize(&mut graph).expect("there is nothing to do");
        assert_eq!(graph.len(), 1);
    }
}
