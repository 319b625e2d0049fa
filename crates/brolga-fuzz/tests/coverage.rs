//! Every op is drawn, for every element type that its type rule accepts.

use std::collections::BTreeMap;

use brolga_fuzz::coverage::{Coverage, Signature, accepted};
use brolga_fuzz::graphs::{NOT_DRAWN, graph};
use brolga_ir::draw::{Pen, Rng};
use brolga_ir::{DType, Op, verify};

/// The seed and the number of cases of the gate.
const GATE: (u64, u64) = (1, 20_000);
/// The number of nodes of an op from which its type rule is learnt: attributes of some fit few
/// element types.
const EXAMPLES: usize = 20;

#[test]
fn the_gate_draws_every_op_for_every_element_type_that_it_takes() {
    let (seed, cases) = GATE;
    let mut drawn = Coverage::default();
    let mut wanted: BTreeMap<Signature, u64> = BTreeMap::new();
    let mut examples: BTreeMap<&str, usize> = BTreeMap::new();
    for case in 0..cases {
        let graph = graph(seed, case).unwrap_or_else(|error| panic!("case {case}: {error}"));
        drawn.add(&graph);
        for id in graph.ids() {
            let name = graph.node(id).op.name();
            let seen = examples.entry(name).or_default();
            if *seen < EXAMPLES && !NOT_DRAWN.contains(&name) {
                *seen += 1;
                wanted.extend(accepted(&graph, id).into_iter().map(|found| (found, case)));
            }
        }
    }
    for op in Op::NAMES.iter().filter(|op| !NOT_DRAWN.contains(op)) {
        assert!(examples.contains_key(op), "`{op}` is not drawn: what does its `Draw` give?");
    }
    // The type rule of a call accepts only the signature of its function.
    for dtype in DType::ALL {
        let called = drawn.signatures().any(|(op, types)| *op == "call" && types.contains(&dtype));
        assert!(called, "no function of {dtype} is called");
        let own = |(op, types): &&Signature| *op == "custom_gradient" && types.contains(&dtype);
        let own = !dtype.is_float() || drawn.signatures().any(|signature| own(&signature));
        assert!(own, "no function of {dtype} has a gradient of its own");
    }
    let missing: Vec<_> = wanted.keys().filter(|signature| !drawn.has(signature)).collect();
    assert!(missing.is_empty(), "never drawn: {missing:?}");
}

#[test]
fn what_is_drawn_is_refused_for_its_element_type_alone() {
    for &op in Op::NAMES {
        for dtype in DType::ALL {
            let (mut accepted, mut refused) = (0, None);
            for case in 0..300 {
                let mut pen = Pen::new("draw", Rng::new(7, case), 1024);
                pen.set_dtype(dtype);
                // A second draw finds values that the first has left.
                let first = pen.op(op);
                for drawn in [first, pen.op(op)] {
                    match drawn {
                        Ok(_) => accepted += 1,
                        Err(error) => refused = Some(error),
                    }
                }
                let graph = pen.finish().unwrap_or_else(|error| panic!("{op} {dtype}: {error}"));
                verify(&graph).unwrap_or_else(|errors| panic!("{errors}"));
            }
            if let Some(error) = refused.filter(|_| accepted > 0) {
                panic!("`{op}` for {dtype}: {accepted} draws fit, but not {error}");
            }
        }
    }
}
