//! Replaces calls by the nodes of their functions.
//!
//! ```text
//! func f(%a: f32[8]) {                        graph g(%x: f32[8]) {
//!   %0: f32[8] = exp %a   @act                  %0: f32[8] = exp %x   @block/act
//!   return %0                            →      return %0
//! }                                           }
//!
//! graph g(%x: f32[8]) {
//!   %0: f32[8] = call f %x   @block
//!   return %0
//! }
//! ```
//!
//! So later passes work across the boundaries of calls: unused results are dead, values that a
//! backward function recomputes are shared with the forward part, and chains are fused. Equal
//! kernels are compiled once.
//!
//! A call with a gradient of its own, `custom_gradient`, means its function once the graph is
//! differentiated.
//!
//! Functions that call functions are flattened first, each once. Refused: calls in the bodies of
//! kernels.

use std::collections::HashMap;
use std::sync::Arc;

use brolga_ir::{Graph, Mistake, NodeId, Op, Value};

use crate::error::PassError;
use crate::loops::for_each_step;
use crate::pass::{Changed, Pass};
use crate::rewrites::{Rewrites, Rule};

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct InlineCalls;

const INLINE: Rule =
    Rule { name: "inline a call", reason: "a call means the nodes of its function" };

impl Pass for InlineCalls {
    fn is_required(&self) -> bool {
        true
    }

    fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError> {
        let mut flat = Flat::default();
        for id in calls(graph) {
            if rewrites.allow(&INLINE, graph, id) {
                inline(graph, id, &mut flat)?;
            }
        }
        // Functions bring loops along, whose bodies have calls of their own.
        for_each_step(graph, &mut |body| self.run(body, rewrites).map(drop))?;
        if rewrites.changed() == Changed::Yes {
            graph.remove_dead();
        }
        Ok(rewrites.changed())
    }
}

/// Functions and their flattened forms, by the functions' addresses.
type Flat = HashMap<*const Graph, (Arc<Graph>, Arc<Graph>)>;

/// The function that an op calls.
fn called(op: &Op) -> Option<&Arc<Graph>> {
    match op {
        Op::Call(call) => Some(&call.function),
        Op::CustomGradient(call) => Some(call.function()),
        _ => None,
    }
}

/// The calls of a graph, operands before their uses.
fn calls(graph: &Graph) -> Vec<NodeId> {
    let is_call = |id: &NodeId| called(&graph.node(*id).op).is_some();
    match graph.may_nest() && graph.ids().any(|id| is_call(&id)) {
        true => graph.order().into_iter().filter(is_call).collect(),
        false => Vec::new(),
    }
}

/// Replaces a call by the nodes of its function.
fn inline(graph: &mut Graph, id: NodeId, flat: &mut Flat) -> Result<(), Mistake> {
    let Some(function) = called(&graph.node(id).op).cloned() else { return Ok(()) };
    let function = flattened(&function, flat)?;
    let origin = graph.node(id).origin.clone();
    let inputs = function.inputs().iter().map(|&input| Value::from(input));
    let values = graph.paste(&function, inputs.zip(graph.operands(id)).collect(), &origin)?;
    for (port, output) in (0..).zip(function.outputs()) {
        graph.replace(Value { node: id, port }, values[&output.value]);
    }
    graph.remove(id);
    Ok(())
}

/// A function with its calls replaced. The recursion is as deep as bodies nest.
fn flattened(function: &Arc<Graph>, flat: &mut Flat) -> Result<Arc<Graph>, Mistake> {
    if let Some((_, known)) = flat.get(&Arc::as_ptr(function)) {
        return Ok(Arc::clone(known));
    }
    let calls = calls(function);
    let made = match calls.is_empty() {
        true => Arc::clone(function),
        false => {
            let mut copy = (**function).clone();
            calls.into_iter().try_for_each(|id| inline(&mut copy, id, flat))?;
            Arc::new(copy)
        }
    };
    flat.insert(Arc::as_ptr(function), (Arc::clone(function), Arc::clone(&made)));
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::InlineCalls;
    use crate::testing::{refuses, run};

    #[test]
    fn nodes_replace_calls_and_keep_their_origin() {
        let text = "func f(%a: f32[8], %b: f32[8]) {
            %0: f32[8] = exp %a @act
            %1: f32[8] = mul %0, %b
            return %1, %a
        }
        graph g(%x: f32[8]) {
            %0: f32[8], %1: f32[8] = call f %x, %x @block
            %2: f32[8], %3: f32[8] = call f %0, %1 @other #backward
            return %2, %3, %0
        }";
        insta::assert_snapshot!(run(InlineCalls, text), @"
        graph g(%x: f32[8]) {
          %0: f32[8] = exp %x   @block/act
          %1: f32[8] = mul %0, %x   @block
          %2: f32[8] = exp %1   @other/act #backward
          %3: f32[8] = mul %2, %x   @other #backward
          return %3, %1, %1
        }
        ");
    }

    #[test]
    fn functions_that_call_functions_are_flattened() {
        let text = "func f(%a: f32[8]) { %0: f32[8] = exp %a @exp return %0 }
        func twice(%a: f32[8]) {
            %0: f32[8] = call f %a @first
            %1: f32[8] = call f %0 @second
            return %1
        }
        graph g(%x: f32[8]) {
            %0: f32[8] = call twice %x @a
            %1: f32[8] = call twice %0 @b
            return %1
        }";
        insta::assert_snapshot!(run(InlineCalls, text), @"
        graph g(%x: f32[8]) {
          %0: f32[8] = exp %x   @a/first/exp
          %1: f32[8] = exp %0   @a/second/exp
          %2: f32[8] = exp %1   @b/first/exp
          %3: f32[8] = exp %2   @b/second/exp
          return %3
        }
        ");
    }

    #[test]
    fn the_gradient_of_a_function_goes_with_its_calls() {
        let text = "func step(%x: f32[8]) { %0: f32[8] = floor %x return %0 }
        func step.gradient(%x: f32[8], %y: f32[8], %d: f32[8]) { return %d }
        func twice(%x: f32[8]) {
            %0: f32[8] = custom_gradient step, step.gradient %x @first
            %1: f32[8] = custom_gradient step, step.gradient %0 @second
            return %1
        }
        graph g(%x: f32[8]) {
            %0: f32[8] = call twice %x @block
            %1: f32[8] = custom_gradient step, step.gradient %0 @last
            return %1
        }";
        insta::assert_snapshot!(run(InlineCalls, text), @"
        graph g(%x: f32[8]) {
          %0: f32[8] = floor %x   @block/first
          %1: f32[8] = floor %0   @block/second
          %2: f32[8] = floor %1   @last
          return %2
        }
        ");
    }

    #[test]
    fn calls_in_the_body_of_a_kernel_stay() {
        let text = "func f(%a: f32[8]) { %0: f32[8] = exp %a return %0 }
        graph g(%x: f32[8]) {
            %0: f32[8] = kernel %x {kind=\"rows\"} k(%x: f32[8]) {
                %0: f32[8] = call f %x
                return %0
            }
            return %0
        }";
        refuses(InlineCalls, text);
    }
}
