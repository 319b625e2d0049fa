//! Random programs: with any plan, order and updates in place, the bits are those of the
//! interpreter.

use crate::kernels::Builder;
use brolga_ir::ops::Reshape;
use brolga_ir::{Origin, Value};
use proptest::prelude::*;

/// A node: its kernel, and the indices of its operands among the values so far.
type Choice = (u8, prop::sample::Index, prop::sample::Index);

fn program(
    choices: &[Choice],
    updates: &[(usize, prop::sample::Index)],
    outputs: &[prop::sample::Index],
) -> Builder {
    let mut b = Builder::new(32);
    let states: Vec<Value> = ["u", "v", "w"].map(|name| b.state(name)).into();
    let mut values = states.clone();
    values.extend(["x", "y"].map(|name| b.data(name)));
    for (kernel, one, other) in choices {
        let [one, other] = [one, other].map(|index| values[index.index(values.len())]);
        values.push(match kernel {
            0 => b.call("neg", &[one]),
            1 => b.call("reverse", &[one]),
            2 | 3 => b.call("flip", &[one]),
            4 => {
                let sum = b.call("sum", &[one]);
                b.graph.add_output(sum);
                continue;
            }
            5 => {
                let shape = |dims: &[usize]| Reshape { shape: dims.into() };
                let square = b.graph.add(shape(&[4, 8]), &[one], Origin::default()).unwrap();
                b.graph.add(shape(&[32]), &[square], Origin::default()).unwrap()
            }
            _ => b.call("add", &[one, other]),
        });
    }
    let mut updated = vec![];
    for (state, value) in updates {
        if !updated.contains(state) {
            updated.push(*state);
            b.update(states[*state], values[value.index(values.len())]);
        }
    }
    for output in outputs {
        b.graph.add_output(values[output.index(values.len())]);
    }
    b
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn native_programs_give_the_bits_of_the_interpreter(
        choices in prop::collection::vec((0_u8..9, any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..25),
        updates in prop::collection::vec((0_usize..3, any::<prop::sample::Index>()), 0..4),
        outputs in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        threads in 1_usize..4,
    ) {
        program(&choices, &updates, &outputs).check(threads);
    }
}
