//! Attention: what all layers of attention compute of queries, keys and values.

use brolga_ir::ops::Attending;
use brolga_ir::{DType, Tracer, Type, Var};

use super::dropout::dropped;
use super::softmax::{hidden, masked_softmax, softmax};
use crate::masks::all_of;
use crate::trace::Call;

/// Queries, keys and values by heads. Query heads are a multiple of the heads of keys and values:
/// neighbouring ones share one.
pub(super) struct Heads {
    /// `[batch.., heads, queries, features]`, scaled.
    pub(super) queries: Var,
    /// `[batch.., groups, keys, features]`.
    pub(super) keys: Var,
    /// `[batch.., groups, keys, values]`.
    pub(super) values: Var,
}

/// How the shares of a query follow from its scores.
pub(super) struct Shares<'a> {
    /// Where a query may attend to a key; broadcasts to the scores.
    pub(super) mask: Option<&'a Var>,
    /// Whether a query attends besides to no key behind its own place.
    pub(super) causal: bool,
    /// Whether a query that may attend to no key has no shares; else it attends to all alike.
    pub(super) zeroed: bool,
    /// The probability with which a share is dropped in training.
    pub(super) dropout: f64,
}

/// `dropout(softmax(queries · keysᵀ)) · values`: `[batch.., heads, queries, values]`.
///
/// Each row of the result is computed of its query alone, and keys that it may not attend to add
/// exactly 0: the bits do not depend on how many queries, and hidden keys behind the others, there
/// are.
pub(super) fn attend(call: &mut Call<'_>, heads: &Heads, how: &Shares<'_>) -> Var {
    let Heads { queries, keys, values } = heads;
    let rate = if call.training() { how.dropout } else { 0.0 };
    let attending = Attending {
        causal: how.causal,
        zeroed: how.zeroed,
        dropout: (rate as f32).into(),
        ..Attending::default()
    };
    if !attending.drops() {
        return queries.attention(keys, values, how.mask, None, attending);
    }
    call.random(|seed, step, stream| {
        let attending = Attending { stream, ..attending };
        queries.attention(keys, values, how.mask, Some((seed, step)), attending)
    })
}

/// As [`attend`], and the shares before dropout, `[batch.., heads, queries, keys]`, which are stored
/// as a whole.
pub(super) fn attend_with_shares(
    call: &mut Call<'_>,
    heads: &Heads,
    how: &Shares<'_>,
) -> (Var, Var) {
    let scores = by_head(&heads.queries, &heads.keys, true);
    let shares = how.of(&scores);
    let kept = dropped(call, &shares, how.dropout, shares.shape().clone());
    (by_head(&kept, &heads.values, false), shares)
}

impl Shares<'_> {
    /// The softmax of scores over the keys that each query may attend to.
    pub(super) fn of(&self, scores: &Var) -> Var {
        let rank = scores.shape().rank();
        let last = [rank.saturating_sub(1)];
        let places = self.causal.then(|| {
            let tracer = scores.tracer();
            let extent =
                |back: usize| rank.checked_sub(back).map_or(1, |axis| scores.shape()[axis]);
            causal(&rows(tracer, extent(2)), &columns(tracer, extent(1)))
        });
        match all_of([self.mask.cloned(), places]).as_ref() {
            None => softmax(scores, &last),
            Some(mask) if self.zeroed => masked_softmax(scores, mask, &last),
            Some(mask) => softmax(&hidden(scores, mask), &last),
        }
    }
}

/// The matrix product of each head of `a` with its head of `b`.
fn by_head(a: &Var, b: &Var, transposed: bool) -> Var {
    let heads_at = a.shape().rank().saturating_sub(3);
    let (Some(&heads), Some(&groups)) = (a.shape().get(heads_at), b.shape().get(heads_at)) else {
        return a.matmul_with(b, false, transposed);
    };
    if heads == groups || groups == 0 {
        return a.matmul_with(b, false, transposed);
    }
    let (batch, [_, rows, inner]) = a.shape().split_at(heads_at) else {
        return a.matmul_with(b, false, transposed);
    };
    // The heads that share keys and values are further rows of one product.
    let merged = [groups, heads / groups * rows, *inner];
    let merged: Vec<usize> = batch.iter().copied().chain(merged).collect();
    let product = a.reshape(merged).matmul_with(b, false, transposed);
    let columns = product.shape().last().copied().unwrap_or(1);
    let shape = batch.iter().copied().chain([heads, *rows, columns]);
    product.reshape(shape.collect::<Vec<_>>())
}

/// The places of so many steps, as `[steps, 1]`.
pub(super) fn rows(tracer: &Tracer, steps: usize) -> Var {
    tracer.iota(Type::new(DType::I32, [steps, 1]), 0)
}

/// The places of so many steps, as `[1, steps]`.
pub(super) fn columns(tracer: &Tracer, steps: usize) -> Var {
    tracer.iota(Type::new(DType::I32, [1, steps]), 1)
}

/// Where a key is not behind the query.
pub(super) fn causal(queries: &Var, keys: &Var) -> Var {
    queries.ge(keys)
}

/// Where a key is less than `width` steps from the query.
pub(super) fn near(queries: &Var, keys: &Var, width: usize) -> Var {
    let distance = (queries - keys).abs();
    distance.lt(&distance.constant_like(width as f64))
}
