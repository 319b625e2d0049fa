//! Makes one kernel of all updates of states that run the same program.
//!
//! ```text
//! %2: f32[784,10] = mul %rate, %0
//! %3: f32[784,10] = sub %w, %2                    %2: f32[784,10], %3: f32[10] =
//! %4: f32[10] = mul %rate, %1               →       kernel %rate, %0, %w, %1, %b {kind="update"}
//! %5: f32[10] = sub %b, %4                          mul_sub(..)
//! return %3 => %w, %5 => %b                       return %2 => %w, %3 => %b
//! ```
//!
//! A *group* is the chain of ops that computes the next values of one weight and its optimizer
//! slots: elementwise ops of the weight's shape, all of one role. Groups with the same ops,
//! connected in the same way, with the same constants and the same scalars (the learning rate)
//! become one kernel. Its operands are the scalars, then the tensors group by group; its results
//! come group by group.
//!
//! Refused: updates that kernels of gradients take in
//! ([`FuseWeightUpdates`](super::FuseWeightUpdates), [`FuseConvGrads`](super::FuseConvGrads));
//! outputs that replace no state; states of rank 0 (counters, which are fused with other scalar
//! ops); states whose next value is not elementwise, or is an input; groups that repeat an operand
//! along only some axes, since the kernel walks over each group as one run of elements; and groups
//! that need their own results by another path. Groups that differ, be it only in element types or
//! results, or of which one needs the other, become separate kernels.

use std::hash::{Hash, Hasher};

use brolga_ir::ops::KernelKind;
use brolga_ir::{Graph, Origin};
use rustc_hash::{FxHashMap, FxHasher};

use crate::error::PassError;
use crate::pass::{Changed, Pass};
use crate::region::gradients::updates;
use crate::region::update::{Group, groups};
use crate::region::{NodeSet, Part, Region, Schedule};
use crate::rewrites::{Rewrites, Rule};

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct FuseUpdates;

const UPDATES: Rule = Rule {
    name: "fuse updates with the same program",
    reason: "one run over all weights instead of a call for each",
};

/// The most groups of a kernel. They save nearly all of the calls; the time to generate code for a
/// kernel grows faster than its number of groups.
const MAX_GROUPS: usize = 64;

impl Pass for FuseUpdates {
    fn is_required(&self) -> bool {
        false
    }

    fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError> {
        let mut schedule = Schedule::new(graph);
        let taken: NodeSet = updates(graph, &schedule).into_values().flatten().collect();
        let is_free = |group: &Group| !group.order.iter().any(|id| taken.contains(id));
        for class in classes(groups(graph).into_iter().filter(is_free).collect()) {
            let mut waiting = class;
            while !waiting.is_empty() {
                let (together, rest) = convex(graph, &schedule, waiting);
                waiting = rest;
                let Some(&main) = together.first().and_then(|group| group.order.last()) else {
                    break;
                };
                if rewrites.allow(&UPDATES, graph, main) {
                    fuse(graph, &mut schedule, together)?;
                }
            }
        }
        graph.remove_dead();
        Ok(rewrites.changed())
    }
}

/// Groups with the same program, at most [`MAX_GROUPS`] together, in the order of their first ones.
fn classes(groups: Vec<Group>) -> Vec<Vec<Group>> {
    let mut classes: Vec<Vec<Group>> = Vec::new();
    // The last classes of the programs with each hash. Never iterated.
    let mut last: FxHashMap<u64, Vec<usize>> = FxHashMap::default();
    for group in groups {
        let mut hasher = FxHasher::default();
        group.program.hash(&mut hasher);
        let known = last.entry(hasher.finish()).or_default();
        match known.iter_mut().find(|class| classes[**class][0].program == group.program) {
            Some(class) if classes[*class].len() < MAX_GROUPS => classes[*class].push(group),
            Some(class) => {
                *class = classes.len();
                classes.push(vec![group]);
            }
            None => {
                known.push(classes.len());
                classes.push(vec![group]);
            }
        }
    }
    classes
}

/// A subset of the groups between which there is no path, and the rest.
fn convex(graph: &Graph, schedule: &Schedule, groups: Vec<Group>) -> (Vec<Group>, Vec<Group>) {
    let nodes = |group: &Group| group.order.iter().copied().collect::<NodeSet>();
    let reads =
        |group: &Group, of: &NodeSet| group.own.iter().any(|value| of.contains(&value.node));
    let all: NodeSet = groups.iter().flat_map(nodes).collect();
    if schedule.is_convex(graph, &all) && !groups.iter().any(|group| reads(group, &all)) {
        return (groups, Vec::new());
    }
    let (mut region, mut together, mut rest) = (NodeSet::new(), Vec::new(), Vec::new());
    for group in groups {
        let own = nodes(&group);
        let needs = reads(&group, &region) || together.iter().any(|other| reads(other, &own));
        let larger: NodeSet = region.iter().copied().chain(own).collect();
        if !needs && schedule.is_convex(graph, &larger) {
            region = larger;
            together.push(group);
        } else {
            rest.push(group);
        }
    }
    (together, rest)
}

fn fuse(
    graph: &mut Graph,
    schedule: &mut Schedule,
    mut groups: Vec<Group>,
) -> Result<(), PassError> {
    groups.iter_mut().for_each(|group| group.renew(graph));
    let nodes: NodeSet = groups.iter().flat_map(|group| group.order.iter().copied()).collect();
    let scalars = groups.first().map(|group| group.scalars.clone()).unwrap_or_default();
    let shared = Part { inputs: scalars, order: Vec::new() };
    let parts = groups.into_iter().map(|group| Part { inputs: group.own, order: group.order });
    let parts = Some([shared].into_iter().chain(parts).collect());
    let origin = common_origin(graph, &nodes);
    Region { parts, ..Region::new(KernelKind::Update, origin, nodes) }.fuse(graph, schedule)?;
    Ok(())
}

/// The role of the nodes, and their layer if all have the same.
fn common_origin(graph: &Graph, nodes: &NodeSet) -> Origin {
    let mut origins = nodes.iter().map(|&id| &graph.node(id).origin);
    let Some(first) = origins.next() else { return Origin::default() };
    let layer = first.layer.clone().filter(|_| origins.all(|origin| origin.layer == first.layer));
    Origin { layer, role: first.role, location: None }
}

#[cfg(test)]
mod tests {
    use super::FuseUpdates;
    use crate::testing::{ops, refuses, run};

    #[test]
    fn groups_share_their_scalars() {
        let text = "graph f(%a: f32[2,3], %b: f32[3], %rate: f32[], state %w: f32[2,3], state %v: f32[3], state %mw: f32[2,3], state %mv: f32[3]) {
            %0: f32[] = constant {value=0.9}
            %1: f32[2,3] = mul %mw, %0 #update
            %2: f32[2,3] = add %1, %a #update
            %3: f32[2,3] = mul %rate, %2 #update
            %4: f32[2,3] = sub %w, %3 #update
            %5: f32[3] = mul %mv, %0 #update
            %6: f32[3] = add %5, %b #update
            %7: f32[3] = mul %rate, %6 #update
            %8: f32[3] = sub %v, %7 #update
            return %4 => %w, %8 => %v, %2 => %mw, %6 => %mv
        }";
        insta::assert_snapshot!(run(FuseUpdates, text), @r#"
        graph f(
          %a: f32[2,3],
          %b: f32[3],
          %rate: f32[],
          state %w: f32[2,3],
          state %v: f32[3],
          state %mw: f32[2,3],
          state %mv: f32[3]
        ) {
          %0: f32[2,3], %1: f32[2,3], %2: f32[3], %3: f32[3] = kernel %rate, %mw, %a, %w, %mv, %b, %v {kind="update"} mul_add_sub(
            %rate: f32[],
            %mw: f32[2,3],
            %a: f32[2,3],
            %w: f32[2,3],
            %mv: f32[3],
            %b: f32[3],
            %v: f32[3]
          ) {
            %0: f32[] = constant {value=0.9}   #update
            %1: f32[2,3] = mul %mw, %0   #update
            %2: f32[2,3] = add %1, %a   #update
            %3: f32[2,3] = mul %rate, %2   #update
            %4: f32[2,3] = sub %w, %3   #update
            %5: f32[3] = mul %mv, %0   #update
            %6: f32[3] = add %5, %b   #update
            %7: f32[3] = mul %rate, %6   #update
            %8: f32[3] = sub %v, %7   #update
            return %2, %4, %6, %8
          }   #update
          return %1 => %w, %3 => %v, %0 => %mw, %2 => %mv
        }
        "#);
    }

    #[test]
    fn other_programs_constants_or_scalars_are_other_kernels() {
        let text = "graph f(%g: f32[3], %r: f32[], %s: f32[], state %a: f32[3], state %b: f32[3], state %c: f32[3], state %d: f32[3]) {
            %0: f32[] = constant {value=0.1}
            %1: f32[3] = mul %g, %0
            %2: f32[3] = sub %a, %1
            %3: f32[] = constant {value=0.2}
            %4: f32[3] = mul %g, %3
            %5: f32[3] = sub %b, %4
            %6: f32[3] = mul %g, %r
            %7: f32[3] = sub %c, %6
            %8: f32[3] = mul %g, %s
            %9: f32[3] = sub %d, %8
            return %2 => %a, %5 => %b, %7 => %c, %9 => %d
        }";
        insta::assert_snapshot!(ops(FuseUpdates, text), @"update mul_sub, update mul_sub, update mul_sub, update mul_sub");
    }

    /// A tensor of one element that is repeated is neither a scalar nor of the group's shape.
    #[test]
    fn repeated_tensors_of_one_element_are_refused() {
        for (shape, one) in [("[0,1]", "[1]"), ("[3]", "[1]"), ("[1,1]", "[1]"), ("[0]", "[1]")] {
            let text = format!(
                "graph f(%rate: f32{one}, state %w: f32{shape}, state %v: f32{shape}) {{
                    %0: f32{shape} = mul %w, %rate
                    %1: f32{shape} = mul %v, %rate
                    return %0 => %w, %1 => %v
                }}"
            );
            refuses(FuseUpdates, &text);
        }
    }

    #[test]
    fn groups_that_need_each_other_are_other_kernels() {
        let text = "graph f(%g: f32[3], state %a: f32[3], state %b: f32[3]) {
            %0: f32[3] = sub %a, %g
            %1: f32[3] = reverse %0 {axes=[0]}
            %2: f32[3] = sub %b, %1
            return %0 => %a, %2 => %b
        }";
        insta::assert_snapshot!(ops(FuseUpdates, text), @"update sub, reverse, update sub");
    }

    /// Their roles differ, so that they are two groups.
    #[test]
    fn groups_that_read_each_other_are_other_kernels() {
        for states in ["%0 => %w, %1 => %v", "%1 => %v, %0 => %w"] {
            let text = format!(
                "graph f(state %v: f32[3], state %w: f32[3]) {{
                    %0: f32[3] = add %w, %v
                    %1: f32[3] = add %v, %0 #update
                    return {states}
                }}"
            );
            assert_eq!(ops(FuseUpdates, &text), "update add, update add");
        }
    }

    #[test]
    fn a_group_reads_what_the_kernel_of_another_one_computes() {
        let text = "graph f(%g: f32[3], state %a: f32[3], state %b: f32[3]) {
            %0: f32[3] = tanh %a
            %1: f32[3] = sub %0, %g #update
            return %0 => %a, %1 => %b
        }";
        insta::assert_snapshot!(ops(FuseUpdates, text), @"update tanh, update sub");
    }

    #[test]
    fn gradients_are_no_part_of_an_update() {
        let text = "graph f(%g: f32[3], state %a: f32[3]) {
            %0: f32[3] = tanh %g #backward
            %1: f32[3] = sub %a, %0 #update
            return %1 => %a
        }";
        insta::assert_snapshot!(ops(FuseUpdates, text), @"tanh, update sub");
    }

    /// The kernel of the filter's gradient takes none of these sums.
    #[test]
    fn updates_after_other_sums_are_fused() {
        let text = |sums: &str| {
            format!(
                "graph f(%x: f32[2,6,7,3], %q: f32[2,4,5,4], state %u: f32[3], state %v: f32[4], state %w: f32[1,1,1,4]) {{
                    {sums}
                    return %f
                }}"
            )
        };
        let filter =
            "%f: f32[3,3,3,4] = conv_grad_filter %x, %q {kernel=[3,3], strides=[1,1]} #backward";
        let images = "%b: f32[3] = reduce_sum %x {axes=[0,1,2], keepdims=false} #backward
            %1: f32[3] = sub %u, %b #update";
        let two = "%b: f32[4] = reduce_sum %q {axes=[0,1,2], keepdims=false} #backward
            %c: f32[1,1,1,4] = reduce_sum %q {axes=[0,1,2], keepdims=true} #backward
            %1: f32[4] = sub %v, %b #update
            %2: f32[1,1,1,4] = sub %w, %c #update";
        let subtrahend = "%f: f32[2,4,5,4] = sub %q, %q #backward
            %b: f32[4] = reduce_sum %q {axes=[0,1,2], keepdims=false} #backward
            %1: f32[4] = sub %v, %b #update";
        let updated = |sums: &str, states: &str| {
            ops(FuseUpdates, &text(sums).replace("return %f", &format!("return %f, {states}")))
        };
        insta::assert_snapshot!(updated(&format!("{filter}\n{images}"), "%1 => %u"), @"conv_grad_filter, reduce_sum, update sub");
        insta::assert_snapshot!(updated(&format!("{filter}\n{two}"), "%1 => %v, %2 => %w"), @"conv_grad_filter, reduce_sum, reduce_sum, update sub");
        insta::assert_snapshot!(updated(subtrahend, "%1 => %v"), @"sub, reduce_sum, update sub");
    }

    #[test]
    fn updates_after_a_filters_gradient_are_refused() {
        refuses(
            FuseUpdates,
            "graph f(%x: f32[2,6,7,3], %q: f32[2,4,5,4], state %w: f32[3,3,3,4], state %v: f32[4]) {
                %0: f32[3,3,3,4] = conv_grad_filter %x, %q {kernel=[3,3], strides=[1,1]}
                %1: f32[4] = reduce_sum %q {axes=[0,1,2], keepdims=false}
                %2: f32[3,3,3,4] = sub %w, %0 #update
                %3: f32[4] = sub %v, %1 #update
                return %2 => %w, %3 => %v
            }",
        );
    }

    #[test]
    fn counters_are_refused() {
        refuses(
            FuseUpdates,
            "graph f(state %n: f32[]) {
                %0: f32[] = constant {value=1}
                %1: f32[] = add %n, %0
                return %1 => %n
            }",
        );
    }

    #[test]
    fn operands_repeated_along_some_axes_are_refused() {
        refuses(
            FuseUpdates,
            "graph f(%g: f32[3], state %a: f32[2,3]) {
                %0: f32[2,3] = sub %a, %g
                return %0 => %a
            }",
        );
    }

    #[test]
    fn outputs_that_replace_nothing_are_refused() {
        refuses(
            FuseUpdates,
            "graph f(%g: f32[3], %a: f32[3]) {
                %0: f32[3] = sub %a, %g
                return %0
            }",
        );
    }

    #[test]
    fn states_that_are_computed_otherwise_are_refused() {
        refuses(
            FuseUpdates,
            "graph f(state %a: f32[3], state %b: f32[3], %x: f32[2,3]) {
                %0: f32[3] = reverse %a {axes=[0]}
                %1: f32[3] = reduce_sum %x {axes=[0], keepdims=false}
                return %0 => %a, %1 => %b
            }",
        );
    }

    #[test]
    fn states_that_another_one_becomes_are_refused() {
        refuses(
            FuseUpdates,
            "graph f(state %a: f32[3], state %b: f32[3]) { return %b => %a, %a => %b }",
        );
    }

    #[test]
    fn a_group_that_needs_itself_is_refused() {
        // The path from `%0` to `%2` leads through a node of no group.
        refuses(
            FuseUpdates,
            "graph f(%g: f32[3], state %a: f32[3], state %b: f32[3]) {
                %0: f32[3] = sub %a, %g
                %1: f32[3] = reverse %0 {axes=[0]}
                %2: f32[3] = add %0, %1
                return %0 => %a, %2 => %b
            }",
        );
    }

    #[test]
    fn a_group_is_refused_for_the_operand_of_its_slot() {
        refuses(
            FuseUpdates,
            "graph f(%g: f32[2,3], %row: f32[3], state %w: f32[2,3], state %m: f32[2,3]) {
                %0: f32[2,3] = mul %m, %row
                %1: f32[2,3] = add %0, %g
                %2: f32[2,3] = sub %w, %1
                return %2 => %w, %1 => %m
            }",
        );
    }

    #[test]
    fn values_of_another_shape_are_no_part_of_an_update() {
        let text = "graph f(%n: f32[], %g: f32[3], state %a: f32[3]) {
            %0: f32[] = exp %n
            %1: f32[3] = mul %g, %0
            %2: f32[3] = sub %a, %1
            return %2 => %a
        }";
        insta::assert_snapshot!(ops(FuseUpdates, text), @"exp, update mul_sub");
    }

    #[test]
    fn other_types_of_elements_are_other_kernels() {
        let text = "graph f(%g: f32[3], %h: f64[3], state %a: f32[3], state %b: f64[3]) {
            %0: f32[3] = sub %a, %g
            %1: f64[3] = sub %b, %h
            return %0 => %a, %1 => %b
        }";
        insta::assert_snapshot!(ops(FuseUpdates, text), @"update sub, update sub");
    }

    #[test]
    fn other_wiring_is_another_kernel() {
        let text = "graph f(%g: f32[3], %h: f32[3], state %a: f32[3], state %b: f32[3]) {
            %0: f32[3] = mul %g, %g
            %1: f32[3] = sub %a, %0
            %2: f32[3] = mul %h, %h
            %3: f32[3] = sub %2, %b
            return %1 => %a, %3 => %b
        }";
        insta::assert_snapshot!(ops(FuseUpdates, text), @"update mul_sub, update mul_sub");
    }

    #[test]
    fn other_results_are_another_kernel() {
        let text = "graph f(%g: f32[3], %h: f32[3], state %a: f32[3], state %b: f32[3]) {
            %0: f32[3] = mul %g, %g
            %1: f32[3] = sub %a, %0
            %2: f32[3] = mul %h, %h
            %3: f32[3] = sub %b, %2
            return %1 => %a, %3 => %b, %2
        }";
        insta::assert_snapshot!(ops(FuseUpdates, text), @"update mul_sub, update mul_sub");
    }
}
