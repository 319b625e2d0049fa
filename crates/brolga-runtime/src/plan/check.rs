//! A check of plans that uses the plan alone, and no part of the planner.
//!
//! The first part checks that all indices are valid, and all addresses allowed. The second
//! simulates the step on memory. The third checks that the stages are those of the kernels, with
//! all barriers.

use std::collections::{HashMap, HashSet};

use super::Plan;
use crate::error::RuntimeError;
use crate::feed::footprints;
use crate::layout::{Address, Space};
use crate::memory::{ALIGNMENT, Span};
use crate::schedule::schedule;
use crate::tasks::{BufferId, Home};
use crate::team::Team;

type Checked = Result<(), String>;

impl Plan {
    /// Checks that all buffers, workspaces and scratch memories are aligned and inside of the arena
    /// or the state, that no value is overwritten before its last use, that each kernel runs after
    /// its producers, and that there is a barrier wherever threads would race.
    ///
    /// The plans that this crate makes pass. The check is for plans that were saved.
    ///
    /// # Errors
    /// [`RuntimeError::Plan`] with the first mistake; [`RuntimeError::ThreadCount`] if the number
    /// of lanes is no valid number of threads.
    pub fn check(&self) -> Result<(), RuntimeError> {
        Team::check(self.lanes())?;
        let graph = self.signature.graph.clone();
        self.problem().map_or(Ok(()), |problem| Err(RuntimeError::Plan { graph, problem }))
    }

    /// The first mistake, as a sentence; `None` for a plan that is right. Unlike
    /// [`check`](Plan::check) it does not ask whether this machine can run so many lanes.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let checks = [Self::check_numbers, Self::check_places, Self::follow, Self::check_schedule];
        checks.iter().find_map(|check| check(self).err())
    }

    /// Checks that all indices are valid.
    fn check_numbers(&self) -> Checked {
        let Self { layout, homes, calls, constants, signature, .. } = self;
        let same = [
            (layout.buffers.len(), homes.len(), "buffers"),
            (layout.workspaces.len(), calls.len(), "workspaces"),
            (layout.constants.len(), constants.len(), "constants"),
            (layout.inputs.len(), signature.inputs.len(), "inputs"),
            (layout.outputs.len(), signature.outputs.len(), "outputs"),
            (self.outputs.len(), signature.outputs.len(), "buffers of outputs"),
        ];
        if let Some((given, expected, what)) = same.iter().find(|(a, b, _)| a != b) {
            return Err(format!("it has {given} {what}, expected {expected}"));
        }
        let numbered = calls.iter().flat_map(|call| call.operands.iter().chain(&call.results));
        let mut numbered = numbered.chain(&self.outputs);
        if let Some(buffer) = numbered.find(|&&buffer| buffer >= homes.len()) {
            return Err(format!("buffer {buffer} of {} is used", homes.len()));
        }
        for (buffer, home) in homes.iter().enumerate() {
            let (number, count) = match *home {
                Home::Constant(number) => (number, constants.len()),
                Home::Input(number) => (number, signature.inputs.len()),
                Home::OldState(number) | Home::NewState(number) => (number, signature.states.len()),
                Home::Planned => continue,
            };
            if number >= count {
                return Err(format!("buffer {buffer} is {home:?} of {count}"));
            }
        }
        calls.iter().enumerate().try_for_each(|(index, call)| {
            call.check().map_err(|problem| format!("`{}`, call {index}: {problem}", call.name))
        })
    }

    /// Checks that all addresses are allowed, and all sizes right.
    fn check_places(&self) -> Checked {
        let Self { layout, homes, signature, states, .. } = self;
        let arena = |span: Span, what: &str| within(span, layout.bytes, "arena", what);
        let all = [
            (&layout.constants, "a constant"),
            (&layout.inputs, "an input"),
            (&layout.outputs, "an output"),
            (&layout.scratch, "a scratch memory"),
        ];
        for (spans, what) in all {
            spans.iter().try_for_each(|&span| arena(span, what))?;
        }
        for (buffer, (&Address { space, span }, &home)) in
            layout.buffers.iter().zip(homes).enumerate()
        {
            let what = format!("buffer {buffer}");
            let expected = match home {
                Home::Constant(number) => (Space::Arena, layout.constants[number]),
                Home::Input(number) => (Space::Arena, layout.inputs[number]),
                Home::OldState(number) | Home::NewState(number) => {
                    (Space::State, signature.states[number].span)
                }
                Home::Planned => (Space::Arena, span),
            };
            if (space, span) != expected {
                return Err(format!("{what} is not where {home:?}"));
            }
            match space {
                Space::Arena => arena(span, &what)?,
                Space::State => within(span, states.bytes(), "state", &what)?,
            }
        }
        for workspace in layout.workspaces.iter().flatten() {
            arena(workspace.span, "a workspace")?;
        }
        self.check_sizes()?;
        self.check_scratch()
    }

    /// Checks that inputs, outputs, states, constants, workspaces and scratch memories have the
    /// bytes that their users expect.
    fn check_sizes(&self) -> Checked {
        let Self { layout, signature, states, constants, calls, .. } = self;
        let types = signature.inputs.iter().map(|input| &input.ty).chain(&signature.outputs);
        let types = types.chain(constants.iter().map(|constant| constant.ty()));
        let spans = layout.inputs.iter().chain(&layout.outputs).chain(&layout.constants);
        if let Some((ty, span)) = types.zip(spans).find(|(ty, span)| ty.bytes() != span.bytes) {
            return Err(format!("{} bytes hold {ty}", span.bytes));
        }
        if let Some(state) =
            signature.states.iter().find(|state| states.span(&state.name) != Some(state.span))
        {
            return Err(format!("state `{}` is not where the layout has it", state.name));
        }
        if let Some(output) = (layout.outputs.iter().zip(&self.outputs))
            .position(|(&span, &buffer)| layout.buffers[buffer] != in_arena(span))
        {
            return Err(format!("output {output} is not where its buffer is"));
        }
        for (call, workspace) in calls.iter().zip(&layout.workspaces) {
            let given = workspace.map_or(0, |workspace| workspace.span.bytes);
            let arena = workspace.is_none_or(|workspace| workspace.space == Space::Arena);
            if given != call.kernel.workspace || !arena {
                let (name, expected) = (&call.name, call.kernel.workspace);
                return Err(format!("`{name}` has a workspace of {given} bytes, not {expected}"));
            }
            if layout.scratch.iter().any(|span| span.bytes < call.kernel.scratch) {
                let (name, expected) = (&call.name, call.kernel.scratch);
                return Err(format!("`{name}` needs {expected} bytes of scratch memory"));
            }
        }
        Ok(())
    }

    /// Checks that the scratch memories overlap nothing. (The simulation finds other overlaps.)
    fn check_scratch(&self) -> Checked {
        let layout = &self.layout;
        let scratch = || layout.scratch.iter().copied().map(in_arena);
        let others = layout.buffers.iter().chain(layout.workspaces.iter().flatten());
        if others.clone().any(|&other| scratch().any(|scratch| meet(scratch, other))) {
            return Err("a scratch memory is used for something else, too".to_owned());
        }
        let mut sorted: Vec<Span> =
            layout.scratch.iter().copied().filter(|s| s.bytes > 0).collect();
        sorted.sort_unstable_by_key(|span| span.offset);
        match sorted.windows(2).any(|pair| pair[0].end() > pair[1].offset) {
            true => Err("two scratch memories overlap".to_owned()),
            false => Ok(()),
        }
    }

    /// Simulates the step and returns the first mistake: a value that is overwritten before its
    /// last use, a kernel that runs before its producer, a workspace or result that overlaps an
    /// operand without permission, a lost output, update, constant or input.
    fn follow(&self) -> Checked {
        let Self { layout, homes, calls, .. } = self;
        let mut memory = Memory::new(self);
        for (index, call) in calls.iter().enumerate() {
            let name = &call.name;
            for &operand in &call.operands {
                memory
                    .expect(operand)
                    .map_err(|e| format!("`{name}`, call {index}: operand {e}"))?;
            }
            self.check_in_place(index)?;
            if let Some(workspace) = layout.workspaces[index] {
                memory.overwrite(workspace, index);
            }
            for &result in &call.results {
                memory.overwrite(layout.buffers[result], index);
            }
            memory.intact.extend(&call.results);
        }
        for &output in &self.outputs {
            memory.expect(output).map_err(|e| format!("an output {e}"))?;
        }
        let update = |home: &Home| match *home {
            Home::NewState(state) => Some(state),
            _ => None,
        };
        let updated: HashSet<usize> = homes.iter().filter_map(update).collect();
        for (id, home) in homes.iter().enumerate() {
            let what = match *home {
                Home::NewState(_) => "an update",
                Home::Constant(_) => "a constant",
                Home::Input(_) => "an input",
                Home::OldState(state) if !updated.contains(&state) => "a state",
                Home::OldState(_) | Home::Planned => continue,
            };
            memory.expect(id).map_err(|e| format!("{what} {e}"))?;
        }
        Ok(())
    }

    /// Checks that a call's workspace and results overlap neither each other nor, unless the kernel
    /// allows it, its operands.
    fn check_in_place(&self, index: usize) -> Checked {
        let (call, layout) = (&self.calls[index], &self.layout);
        let name = &call.name;
        let table: Vec<BufferId> = call.operands.iter().chain(&call.results).copied().collect();
        let address = |buffer: BufferId| layout.buffers[buffer];
        for (port, &result) in call.results.iter().enumerate() {
            let own = call.operands.len() + port;
            for (slot, &other) in table.iter().enumerate().filter(|(slot, _)| *slot != own) {
                if !meet(address(result), address(other)) {
                    continue;
                }
                let same = address(result) == address(other);
                if !(same && call.kernel.in_place.contains(&(port, slot))) {
                    return Err(format!(
                        "`{name}`, call {index}: result {port} overlaps slot {slot}"
                    ));
                }
            }
        }
        let Some(workspace) = layout.workspaces[index] else { return Ok(()) };
        match table.iter().position(|&buffer| meet(workspace, address(buffer))) {
            Some(slot) => {
                Err(format!("`{name}`, call {index}: the workspace overlaps slot {slot}"))
            }
            None => Ok(()),
        }
    }

    /// Checks that the stages are those of the calls, in order, with the barriers that they need.
    fn check_schedule(&self) -> Checked {
        let fed = footprints(&self.signature, &self.layout);
        let expected = schedule(&self.calls, &self.layout, fed, self.lanes());
        let given = &self.schedule;
        let (count, stages) = (given.stages.len(), expected.stages.len());
        if count != stages {
            return Err(format!("it has {count} stages, the kernels have {stages}"));
        }
        let mut pairs = given.stages.iter().zip(&expected.stages).enumerate();
        if let Some((index, (given, expected))) = pairs.find(|(_, (a, b))| a != b) {
            let name = &self.calls[expected.call].name;
            let what = match (given.barrier, expected.barrier) {
                (false, true) => "has no barrier before it and needs one",
                _ => "is not what the kernel says",
            };
            return Err(format!("`{name}`, stage {index}, {what}"));
        }
        match given.barrier_behind_feeds == expected.barrier_behind_feeds {
            true => Ok(()),
            false => Err("the barrier after the feeds is not where it has to be".to_owned()),
        }
    }
}

/// The buffers whose values are in memory.
struct Memory<'a> {
    plan: &'a Plan,
    intact: HashSet<BufferId>,
    /// The last call that overwrote each of the others.
    overwritten: HashMap<BufferId, usize>,
}

impl<'a> Memory<'a> {
    /// Before the step.
    fn new(plan: &'a Plan) -> Self {
        let given = |id: &BufferId| !matches!(plan.homes[*id], Home::Planned | Home::NewState(_));
        let intact = (0..plan.homes.len()).filter(given).collect();
        Self { plan, intact, overwritten: HashMap::new() }
    }

    fn expect(&self, buffer: BufferId) -> Checked {
        if self.intact.contains(&buffer) {
            return Ok(());
        }
        match self.overwritten.get(&buffer) {
            Some(&call) => {
                let name = &self.plan.calls[call].name;
                Err(format!("(buffer {buffer}) is overwritten by `{name}`, call {call}"))
            }
            None => Err(format!("(buffer {buffer}) has not been computed")),
        }
    }

    /// Records that a call writes to these bytes.
    fn overwrite(&mut self, address: Address, call: usize) {
        let Self { plan, intact, overwritten } = self;
        intact.retain(|&buffer| {
            let keeps = !meet(plan.layout.buffers[buffer], address);
            if !keeps {
                overwritten.insert(buffer, call);
            }
            keeps
        });
    }
}

fn in_arena(span: Span) -> Address {
    Address { space: Space::Arena, span }
}

/// Checks that a span of a memory of `bytes` bytes is aligned and inside.
fn within(span: Span, bytes: usize, memory: &str, what: &str) -> Checked {
    let Span { offset, bytes: length } = span;
    if !offset.is_multiple_of(ALIGNMENT) {
        return Err(format!("{what} starts at {offset}, which is no multiple of {ALIGNMENT}"));
    }
    match offset.checked_add(length) {
        Some(end) if end <= bytes => Ok(()),
        _ => Err(format!(
            "{what} has {length} bytes from {offset} of {memory} on, which has {bytes} bytes"
        )),
    }
}

/// Whether two addresses have bytes in common.
fn meet(a: Address, b: Address) -> bool {
    let bytes = |span: Span| span.offset..span.end();
    let (x, y) = (bytes(a.span), bytes(b.span));
    a.space == b.space && x.start.max(y.start) < x.end.min(y.end)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails where it panics")]
mod tests {
    use brolga_codegen::kernel::{Access, CompiledKernel, Stage, Touch};
    use brolga_ir::text::parse_graph;

    use super::*;
    use crate::options::Options;
    use crate::state::StateLayout;

    fn plan() -> Plan {
        let text = "graph step(%x: f32[16], state %w: f32[16]) {
  %0: f32[16] = neg %x
  %1: f32[16] = add %0, %w
  %2: f32[16] = relu %1
  return %2, %0 => %w
}";
        let graph = parse_graph(text, "<test>").expect("the text is right");
        let states = StateLayout::of_graphs([&graph]).expect("the states fit");
        let options = Options { threads: 2, ..Options::default() };
        let kernel = |id| {
            let operands = graph.operands(id).len();
            let touch = |slot| Touch { slot, access: Access::Whole };
            let stage = Stage {
                name: "all".to_owned(),
                symbol: format!("all#{operands}"),
                units: 16,
                reads: (0..operands).map(touch).collect(),
                writes: vec![touch(operands)],
                flops: 0,
                together: false,
            };
            Ok(CompiledKernel { stages: vec![stage], ..CompiledKernel::default() })
        };
        Plan::new(&graph, &states, &options, kernel).expect("the graph can be planned")
    }

    fn problem(wrong: &Plan) -> String {
        wrong.problem().expect("this is a mistake")
    }

    #[test]
    fn right_plans_pass() {
        plan().check().unwrap();
    }

    #[test]
    fn values_overwritten_before_their_use_are_found() {
        let mut wrong = plan();
        // The result of `add` overwrites that of `neg`, which is copied to the state later.
        let [neg, add] = [0, 1].map(|call| wrong.calls[call].results[0]);
        wrong.layout.buffers[add] = wrong.layout.buffers[neg];
        assert_eq!(problem(&wrong), "`add`, call 1: result 0 overlaps slot 0");
        wrong.calls[1].kernel.in_place.push((0, 0));
        let expected = format!("call 3: operand (buffer {neg}) is overwritten by `add`, call 1");
        assert_eq!(problem(&wrong), format!("`copy to state`, {expected}"));
    }

    #[test]
    fn inputs_have_to_outlive_the_step() {
        let mut wrong = plan();
        let [input, relu] = [wrong.calls[0].operands[0], wrong.calls[2].results[0]];
        wrong.layout.buffers[relu] = wrong.layout.buffers[input];
        wrong.layout.outputs[0] = wrong.layout.inputs[0];
        let expected = format!("an input (buffer {input}) is overwritten by `relu`, call 2");
        assert_eq!(problem(&wrong), expected);
    }

    #[test]
    fn wrong_orders_are_found() {
        let mut wrong = plan();
        wrong.calls.swap(1, 2);
        let error = problem(&wrong);
        assert!(error.starts_with("`relu`, call 1: operand"), "{error}");
        wrong.calls.truncate(1);
        wrong.layout.workspaces.truncate(1);
        assert!(problem(&wrong).starts_with("an output"));
    }

    #[test]
    fn what_lies_outside_is_found() {
        let relu = |plan: &Plan| plan.calls[2].results[0];
        let with = |offset: usize| {
            let mut wrong = plan();
            let relu = relu(&wrong);
            wrong.layout.buffers[relu].span.offset = offset;
            problem(&wrong)
        };
        let (right, bytes) = (plan(), plan().layout.bytes);
        let buffer = relu(&right);
        assert_eq!(
            with(4),
            format!("buffer {buffer} starts at 4, which is no multiple of {ALIGNMENT}")
        );
        for outside in [bytes, usize::MAX - 63] {
            assert_eq!(
                with(outside),
                format!(
                    "buffer {buffer} has 64 bytes from {outside} of arena on, which has {bytes} bytes"
                )
            );
        }
    }

    #[test]
    fn missing_barriers_are_found() {
        let mut wrong = plan();
        let index = wrong.schedule.stages.iter().position(|stage| stage.barrier).unwrap();
        wrong.schedule.stages[index].barrier = false;
        let name = &wrong.calls[wrong.schedule.stages[index].call].name;
        let expected = format!("`{name}`, stage {index}, has no barrier before it and needs one");
        assert_eq!(problem(&wrong), expected);
    }

    #[test]
    fn numbers_of_what_is_not_there_are_found() {
        let mut wrong = plan();
        wrong.calls[1].operands[0] = 99;
        assert_eq!(problem(&wrong), format!("buffer 99 of {} is used", wrong.homes.len()));
        let mut wrong = plan();
        wrong.homes[0] = Home::Constant(7);
        assert_eq!(problem(&wrong), "buffer 0 is Constant(7) of 0");
        let mut wrong = plan();
        wrong.layout.scratch.clear();
        let error = wrong.check().unwrap_err().to_string();
        assert_eq!(error, "0 threads cannot compute; between 1 and 1024 can");
    }
}
