//! What the layers that merge several inputs share.

use brolga_ir::{Mistake, Type, Var};

use super::shapes;
use crate::trace::Call;

/// What a function of all inputs gives, which have one rank and broadcast to each other: inputs of
/// a lower rank get axes of extent 1 behind the batch. Where all inputs have masks, a step counts
/// that counts in one of them.
pub(super) fn merged(
    call: &mut Call<'_>,
    class: &str,
    inputs: &[Var],
    merge: impl FnOnce(&[Var]) -> Option<Var>,
) -> Vec<Var> {
    let types: Vec<Type> = inputs.iter().map(|input| input.ty().clone()).collect();
    let rank = types.iter().map(|ty| ty.shape.rank()).max().unwrap_or(0);
    if !broadcast(&types, rank) {
        let message = format!("{class} cannot merge {}", shapes(&types));
        let help = "an extent must be the same in all inputs, or 1";
        return vec![call.tracer().fail(Mistake::new(message).help(help))];
    }
    let masks: Option<Vec<Var>> = call.masks_of(inputs).into_iter().collect();
    let inputs: Vec<Var> = inputs.iter().map(|input| raised(input, rank)).collect();
    let merged = merge(&inputs).unwrap_or_else(|| {
        let message = format!("{class} takes a list of inputs, none was given");
        call.tracer().fail(Mistake::new(message).help("give it at least one"))
    });
    if let Some(mask) = masks.and_then(|masks| any_of(&masks)) {
        call.set_mask(&merged, Some(&mask));
    }
    vec![merged]
}

/// Disjunction of masks that broadcast to each other; `None` if they do not.
pub(super) fn any_of(masks: &[Var]) -> Option<Var> {
    let types: Vec<Type> = masks.iter().map(|mask| mask.ty().clone()).collect();
    let rank = types.first()?.shape.rank();
    if types.iter().any(|ty| ty.shape.rank() != rank) || !broadcast(&types, rank) {
        return None;
    }
    let or = |a: Var, b: Var| if a.value() == b.value() { a } else { a.logical_or(&b) };
    masks.iter().cloned().reduce(or)
}

/// Whether tensors that are raised to this rank broadcast to each other.
fn broadcast(types: &[Type], rank: usize) -> bool {
    let extent = |ty: &Type, axis: usize| raised_shape(ty, rank).get(axis).copied().unwrap_or(1);
    (0..rank).all(|axis| {
        let mut extents = types.iter().map(|ty| extent(ty, axis)).filter(|&extent| extent != 1);
        let first = extents.next();
        extents.all(|extent| Some(extent) == first)
    })
}

fn raised_shape(ty: &Type, rank: usize) -> Vec<usize> {
    let missing = rank.saturating_sub(ty.shape.rank());
    let mut shape = ty.shape.to_vec();
    let behind_batch = shape.len().min(1);
    shape.splice(behind_batch..behind_batch, std::iter::repeat_n(1, missing));
    shape
}

fn raised(x: &Var, rank: usize) -> Var {
    if x.shape().rank() == rank { x.clone() } else { x.reshape(raised_shape(x.ty(), rank)) }
}

/// The layers `Add`, `Multiply` and so on: a function of two inputs, applied to all of them from
/// the first on.
macro_rules! merging {
    ($(#[$doc:meta])* $class:ident, |$a:ident, $b:ident| $merge:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
        pub struct $class {
            #[serde(flatten)]
            base: $crate::layers::Base,
        }

        $crate::layers::layer!($class);

        impl $class {
            /// A layer that merges its inputs.
            pub fn new() -> Self {
                Self::default()
            }
        }

        impl $crate::layers::Layer for $class {
            fn base(&self) -> &$crate::layers::Base {
                &self.base
            }

            fn call(
                &self,
                call: &mut $crate::trace::Call<'_>,
                inputs: &[brolga_ir::Var],
            ) -> Vec<brolga_ir::Var> {
                $crate::layers::merging::merged(call, stringify!($class), inputs, |inputs| {
                    inputs.iter().cloned().reduce(|$a, $b| $merge)
                })
            }
        }
    };
}
pub(super) use merging;
