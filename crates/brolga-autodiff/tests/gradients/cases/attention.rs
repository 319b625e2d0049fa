//! Attention, and its gradient as an op of its own.

use brolga_ir::ops::{Attending, Attention, AttentionGrad};
use brolga_ir::{DType, Data, Shape, Tensor};

use crate::check::{Case, case, check};
use crate::numbers::Numbers;

pub(crate) fn cases() -> Vec<Case> {
    let plain = Attending::default();
    let causal = Attending { causal: true, ..plain };
    let masked = Attending { masked: true, scale: 0.5.into(), ..plain };
    let zeroed = Attending { zeroed: true, ..masked };
    let dropped = Attending { dropout: 0.3.into(), stream: 2, ..plain };
    let all = Attending { causal: true, dropout: 0.5.into(), ..zeroed };
    let mut cases = Vec::new();
    for how in [plain, causal, masked, zeroed, dropped, all] {
        cases.extend(both(how, &[], &[], [3, 4, 2, 3]));
        cases.extend(both(how, &[2], &[2], [2, 3, 3, 1]));
    }
    for how in [plain, all] {
        // Neighbours share keys.
        cases.extend(both(how, &[2, 4], &[2, 2], [2, 3, 2, 2]));
    }
    // More keys than a block has.
    cases.extend(both(plain, &[], &[], [2, 67, 1, 1]));
    cases
}

/// The op, and its gradient, with `[queries, keys, features, values]`.
fn both(how: Attending, lead: &[usize], groups: &[usize], extents: [usize; 4]) -> Vec<Case> {
    let [queries, keys, features, values] = extents;
    let shape =
        |lead: &[usize], ends: [usize; 2]| -> Shape { lead.iter().copied().chain(ends).collect() };
    let mut numbers = Numbers::default();
    let mut any = |lead, ends| numbers.any(shape(lead, ends));
    let fixed = [
        any(lead, [queries, features]),
        any(groups, [keys, features]),
        any(groups, [keys, values]),
    ];
    let more = [values, 1, 1].map(|extent| any(lead, [queries, extent]));
    let whole = |dtype: DType, shape: Shape, numbers: Vec<f64>| {
        Tensor::new(shape, Data::from_f64(dtype, &numbers)).expect("as many as elements")
    };
    // Each query attends to the first key.
    let visible = (0..queries * keys).map(|place| f64::from(place % keys % 3 != 1)).collect();
    let mask = whole(DType::Bool, [queries, keys].into(), visible);
    let random =
        [whole(DType::I32, [2].into(), vec![5.0, 6.0]), whole(DType::I32, [].into(), vec![7.0])];
    let rest: Vec<Tensor> = (how.masked.then_some(mask).into_iter())
        .chain(random.into_iter().filter(|_| how.drops()))
        .collect();
    let operands = fixed.iter().chain(&rest).cloned();
    let of_gradient = fixed.iter().chain(&more).chain(&rest).cloned();
    vec![case(Attention { how }, operands), case(AttentionGrad { how }, of_gradient)]
}

#[test]
fn all_of_them() {
    check(&cases());
}
