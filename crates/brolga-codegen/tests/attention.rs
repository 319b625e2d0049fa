//! Kernels of attention: native code and interpreter give the same bits.

mod common;

use brolga_codegen::lower::{Lowering, lower};
use brolga_ir::ops::KernelKind::Attention as Kind;
use brolga_ir::ops::{Attending, Attention, AttentionGrad};
use brolga_ir::{DType, Op, Shape, Type, Var};
use common::{check, kernel_graph, targets};

/// An attention: `lead` extents of queries, of keys, and `[queries, keys, features, values]`.
struct Case {
    lead: &'static [usize],
    groups: &'static [usize],
    extents: [usize; 4],
    /// The extents of the mask.
    mask: Option<&'static [usize]>,
    how: Attending,
}

impl Case {
    fn new(extents: [usize; 4]) -> Self {
        Self { lead: &[2], groups: &[2], extents, mask: None, how: Attending::default() }
    }

    /// The operands of the attention, and of its gradient.
    fn operands(&self, dtype: DType) -> [Vec<Type>; 2] {
        let [queries, keys, features, values] = self.extents;
        let of = |dtype: DType, lead: &[usize], ends: [usize; 2]| {
            let shape: Shape = lead.iter().copied().chain(ends).collect();
            Type { dtype, shape }
        };
        let fixed = [
            of(dtype, self.lead, [queries, features]),
            of(dtype, self.groups, [keys, features]),
            of(dtype, self.groups, [keys, values]),
        ];
        let wide = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
        let more = [values, 1, 1].map(|extent| of(wide, self.lead, [queries, extent]));
        let mask = self.mask.map(|mask| Type::new(DType::Bool, mask));
        let random = [Type::new(DType::I32, [2]), Type::new(DType::I32, [])];
        let random = random.into_iter().filter(|_| self.how.drops());
        let rest: Vec<Type> = mask.into_iter().chain(random).collect();
        [
            fixed.iter().cloned().chain(rest.clone()).collect(),
            fixed.iter().cloned().chain(more).chain(rest).collect(),
        ]
    }

    /// Compares both ops on every instruction set; with tiles, also that they have some.
    fn check(&self, dtype: DType, tiles: bool) {
        let how = Attending { masked: self.mask.is_some(), ..self.how };
        let [forward, backward] = self.operands(dtype);
        let build = |x: &[Var], grad: bool| {
            let operands: Vec<&Var> = x.iter().collect();
            match grad {
                false => x[0].tracer().apply_all(Attention { how }, &operands),
                true => x[0].tracer().apply_all(AttentionGrad { how }, &operands),
            }
        };
        for (types, grad) in [(forward, false), (backward, true)] {
            let graph = kernel_graph(Kind, &types, |_, x| build(x, grad));
            let kernels = graph.order().into_iter().filter_map(|id| match &graph.node(id).op {
                Op::Kernel(kernel) => Some(kernel.clone()),
                _ => None,
            });
            for kernel in kernels {
                for target in targets() {
                    let (lowering, _) = lower(&kernel, &*target).expect("a lowering");
                    let fast = lowering == Lowering::Fast(Kind);
                    assert_eq!(fast, tiles && target.has_tiles(), "{graph}");
                }
            }
            check(Kind, &types, |_, x| build(x, grad));
        }
    }
}

#[test]
fn every_extent() {
    for extents in [
        [1, 1, 1, 1],
        [1, 130, 8, 8],
        [17, 64, 16, 5],
        [64, 63, 32, 32],
        [65, 65, 3, 33],
        [130, 16, 20, 16],
        [16, 200, 4, 1],
    ] {
        for causal in [false, true] {
            let how = Attending { causal, ..Attending::default() };
            Case { how, ..Case::new(extents) }.check(DType::F32, true);
        }
    }
}

#[test]
fn masks_of_every_form() {
    let masks: [&[usize]; 9] = [
        &[],
        &[70],
        &[67, 1],
        &[67, 70],
        &[3, 1, 70],
        &[1, 67, 70],
        &[2, 1, 67, 1],
        &[2, 1, 1, 70],
        &[2, 3, 67, 70],
    ];
    for mask in masks {
        for (causal, zeroed) in [(false, false), (false, true), (true, false), (true, true)] {
            let how = Attending { causal, zeroed, ..Attending::default() };
            let case = Case::new([67, 70, 8, 4]);
            Case { lead: &[2, 3], groups: &[2, 3], mask: Some(mask), how, ..case }
                .check(DType::F32, true);
        }
    }
}

#[test]
fn shares_are_dropped_by_number() {
    for (rate, causal) in [(0.1_f32, false), (0.5, true), (1.0, false)] {
        for extents in [[3, 15, 4, 4], [66, 100, 8, 3], [20, 64, 16, 16], [5, 49, 2, 2]] {
            let how = Attending { dropout: rate.into(), stream: 3, causal, ..Attending::default() };
            Case { how, ..Case::new(extents) }.check(DType::F32, true);
            let how = Attending { zeroed: true, ..how };
            let mask: Option<&[usize]> = Some(&[1, 1]);
            Case { mask, how, ..Case::new(extents) }.check(DType::F32, true);
        }
    }
}

#[test]
fn heads_share_keys() {
    for (lead, groups) in [
        (&[4][..], &[2][..]),
        (&[2, 6], &[2, 2]),
        (&[3, 4], &[3, 1]),
        (&[], &[]),
        (&[1, 2, 2], &[1, 2, 1]),
    ] {
        let how = Attending { scale: 0.3.into(), dropout: 0.2.into(), ..Attending::default() };
        Case { lead, groups, how, ..Case::new([18, 21, 5, 7]) }.check(DType::F32, true);
    }
}

#[test]
fn every_float_runs() {
    for dtype in [DType::F64, DType::BF16, DType::F16] {
        for (causal, zeroed) in [(false, false), (true, true)] {
            let how = Attending {
                scale: 0.5.into(),
                causal,
                zeroed,
                dropout: 0.25.into(),
                ..Attending::default()
            };
            let mask: Option<&[usize]> = Some(&[66, 70]);
            let case = Case::new([66, 70, 4, 3]);
            Case { lead: &[4], groups: &[2], mask, how, ..case }.check(dtype, false);
        }
    }
}

#[test]
fn results_that_nobody_needs_are_left_out() {
    for needed in [&[0][..], &[1], &[2], &[0, 2], &[1, 2]] {
        let case = Case::new([70, 66, 5, 3]);
        for (types, op) in case
            .operands(DType::F32)
            .into_iter()
            .zip([Op::from(Attention::default()), Op::from(AttentionGrad::default())])
        {
            check(Kind, &types, |t, x| {
                let results = t.apply_all(op.clone(), &x.iter().collect::<Vec<_>>());
                needed.iter().map(|&port: &usize| results[port].clone()).collect()
            });
        }
    }
}

#[test]
fn nothing_gives_nothing() {
    for extents in [[0, 3, 2, 2], [3, 0, 2, 2], [3, 2, 0, 2], [3, 2, 2, 0]] {
        Case::new(extents).check(DType::F32, false);
    }
    Case { lead: &[0], groups: &[0], ..Case::new([2, 2, 2, 2]) }.check(DType::F32, false);
}
