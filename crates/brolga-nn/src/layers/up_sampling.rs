//! What the layers share that repeat the elements of sequences, images and volumes.

use brolga_ir::Var;

/// Each element of the spatial axes as often as the factor of its axis says, which come behind the
/// batch.
pub(super) fn repeated(x: &Var, factors: &[usize]) -> Var {
    let Some((batch, rest)) = x.shape().split_first() else { return x.clone() };
    let factor = |axis: usize| factors.get(axis).copied().unwrap_or(1);
    let each = |extents: &dyn Fn(usize, usize) -> Vec<usize>| {
        let inner = rest.iter().enumerate().flat_map(|(axis, &extent)| extents(axis, extent));
        [*batch].into_iter().chain(inner).collect::<Vec<_>>()
    };
    // Behind each spatial axis comes one of extent 1, which is repeated and joined with it.
    let split = |by: fn(usize) -> usize| {
        each(&|axis, extent| match factors.get(axis) {
            Some(&factor) => vec![extent, by(factor)],
            None => vec![extent],
        })
    };
    let joined = each(&|axis, extent| vec![extent.saturating_mul(factor(axis))]);
    x.reshape(split(|_| 1)).broadcast(split(|factor| factor)).reshape(joined)
}
