//! The proof that a program's layout is right: its memory is followed through the step, independently of how the places were found.

use crate::layout::{Address, Layout};
use crate::memory::Span;
use crate::tasks::{BufferId, Home, TaskId, Tasks};

/// Follows the step and tells the first mistake: a value that is overwritten before its last use, a task that runs before what it
/// needs, a workspace or result in the place of an operand without permission, a lost output or update.
pub(crate) fn check_layout(tasks: &Tasks, order: &[TaskId], layout: &Layout) -> Result<(), String> {
    let given = (0..tasks.buffers.len()).filter(|&id| tasks.buffers[id].producer.is_none());
    let mut memory = Memory { layout, intact: given.collect() };
    for &id in order {
        let task = &tasks.tasks[id];
        let name = &task.name;
        for &operand in &task.operands {
            memory.expect(operand).map_err(|e| format!("`{name}`, task {id}: operand {e}"))?;
        }
        let table: Vec<BufferId> = task.operands.iter().chain(&task.results).copied().collect();
        let address = |buffer: BufferId| layout.buffers[buffer];
        for (port, &result) in task.results.iter().enumerate() {
            let others =
                table.iter().enumerate().filter(|(slot, _)| *slot != task.operands.len() + port);
            for (slot, &other) in
                others.filter(|(_, other)| meet(address(result), address(**other)))
            {
                let same = address(result) == address(other);
                if !(same && task.in_place[port].contains(&slot)) {
                    return Err(format!("`{name}`, task {id}: result {port} overlaps slot {slot}"));
                }
            }
        }
        if let Some(workspace) = layout.workspaces[id] {
            if let Some(slot) = table.iter().position(|&buffer| meet(workspace, address(buffer))) {
                return Err(format!("`{name}`, task {id}: the workspace overlaps slot {slot}"));
            }
            memory.overwrite(workspace);
        }
        for &result in &task.results {
            memory.overwrite(layout.buffers[result]);
        }
        memory.intact.extend(&task.results);
    }
    for &output in &tasks.outputs {
        memory.expect(output).map_err(|e| format!("an output {e}"))?;
    }
    let new = |id: &BufferId| matches!(tasks.buffers[*id].home, Home::NewState(_));
    for id in (0..tasks.buffers.len()).filter(new) {
        memory.expect(id).map_err(|e| format!("an update {e}"))?;
    }
    Ok(())
}

/// Which buffers' values are in memory.
struct Memory<'a> {
    layout: &'a Layout,
    intact: Vec<BufferId>,
}

impl Memory<'_> {
    fn expect(&self, buffer: BufferId) -> Result<(), String> {
        match self.intact.contains(&buffer) {
            true => Ok(()),
            false => Err(format!("(buffer {buffer}) is missing or overwritten")),
        }
    }

    fn overwrite(&mut self, address: Address) {
        self.intact.retain(|&buffer| !meet(self.layout.buffers[buffer], address));
    }
}

/// Whether two places have bytes in common.
fn meet(a: Address, b: Address) -> bool {
    let bytes = |span: Span| span.offset..span.end();
    let (x, y) = (bytes(a.span), bytes(b.span));
    a.space == b.space && x.start.max(y.start) < x.end.min(y.end)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails where it panics")]
mod tests {
    use brolga_ir::text::parse_graph;

    use super::*;
    use crate::options::Options;
    use crate::prepare::Prepared;
    use crate::signature::Signature;
    use crate::state::StateLayout;

    fn prepared() -> Prepared {
        let text = "graph step(%x: f32[16], state %w: f32[16]) {
  %0: f32[16] = neg %x
  %1: f32[16] = add %0, %w
  %2: f32[16] = relu %1
  return %2, %0 => %w
}";
        let graph = parse_graph(text, "<test>").expect("the text is right");
        let states = StateLayout::of_graphs([&graph]).expect("the states fit");
        let signature = Signature::new(&graph, &states).expect("the graph is valid");
        let options = Options { threads: 1, ..Options::default() };
        Prepared::new(&graph, &signature, &states, &options, |_| Ok(Default::default()))
            .expect("the graph can be planned")
    }

    fn check(prepared: &Prepared) -> Result<(), String> {
        check_layout(&prepared.tasks, &prepared.order, &prepared.layout)
    }

    #[test]
    fn right_layouts_pass() {
        assert_eq!(check(&prepared()), Ok(()));
    }

    #[test]
    fn values_overwritten_before_their_use_are_found() {
        let mut wrong = prepared();
        // The result of `add` in the place of `neg`'s, which is still to be copied to the state.
        let [neg, add] = [0, 1].map(|task| wrong.tasks.tasks[task].results[0]);
        wrong.layout.buffers[add] = wrong.layout.buffers[neg];
        assert_eq!(check(&wrong).unwrap_err(), "`add`, task 1: result 0 overlaps slot 0");
        wrong.tasks.tasks[1].in_place[0].push(0);
        let error = check(&wrong).unwrap_err();
        assert_eq!(
            error,
            format!("`copy to state`, task 3: operand (buffer {neg}) is missing or overwritten")
        );
    }

    #[test]
    fn wrong_orders_are_found() {
        let mut wrong = prepared();
        wrong.order.swap(1, 3);
        let error = check(&wrong).unwrap_err();
        assert!(error.starts_with("`relu`, task 2: operand"), "{error}");
        wrong.order.truncate(1);
        assert!(check(&wrong).unwrap_err().starts_with("an output"));
    }
}
