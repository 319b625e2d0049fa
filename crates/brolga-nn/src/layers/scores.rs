//! Attention without heads: what follows from scores of queries and keys.

use brolga_ir::{Mistake, Type, Var};

use super::attend::{Heads, Shares, attend, causal, columns, rows};
use super::dropout::dropped;
use super::shapes;
use crate::masks::all_of;
use crate::trace::Call;

/// The arguments of calls of these layers.
pub(super) const KEYWORDS: [&str; 2] = ["use_causal_mask", "return_attention_scores"];

/// The features of query and key.
///
/// # Errors
/// If the inputs are not query, value and maybe key of one batch.
pub(super) fn check(class: &str, inputs: &[Type]) -> Result<usize, Mistake> {
    let given = shapes(inputs);
    let [query, value, rest @ ..] = inputs else {
        let message =
            format!("{class} takes query and value, or query, value and key, given {given}");
        return Err(Mistake::new(message).help("layer.on([&query, &value])"));
    };
    let key = rest.first().unwrap_or(value);
    let fits = match (&query.shape[..], &value.shape[..], &key.shape[..]) {
        ([b, _, f], [vb, s, _], [kb, ks, kf]) => (b, b, s, f) == (vb, kb, ks, kf),
        _ => false,
    };
    if !fits || rest.len() > 1 {
        let message = format!(
            "{class} takes query (None, T, features), value (None, S, values) and key (None, S, features), given {given}"
        );
        return Err(Mistake::new(message).help("without a key the value is the key"));
    }
    Ok(query.shape[2])
}

/// The sum of each query and each key: `[batch, queries, keys, features]`.
pub(super) fn sums(query: &Var, key: &Var) -> Var {
    let ([batch, queries, features], keys) = (extents(query), key.shape()[1]);
    query.reshape([batch, queries, 1, features]) + key.reshape([batch, 1, keys, features])
}

fn extents(x: &Var) -> [usize; 3] {
    [x.shape()[0], x.shape()[1], x.shape()[2]]
}

/// The output of attention with these scores, and the shares where they are asked for.
pub(super) fn attended(
    call: &mut Call<'_>,
    class: &str,
    inputs: &[Var],
    dropout: f64,
    scores: &Scores<'_>,
) -> Vec<Var> {
    let types: Vec<Type> = inputs.iter().map(|x| x.ty().clone()).collect();
    if let Err(mistake) = check(class, &types) {
        return vec![call.tracer().fail(mistake)];
    }
    let (query, value, key) = (&inputs[0], &inputs[1], inputs.get(2).unwrap_or(&inputs[1]));
    let ([batch, queries, _], keys) = (extents(query), value.shape()[1]);
    let (query_mask, value_mask) = (call.mask(query), call.mask(value));
    let of_values = value_mask.map(|mask| mask.reshape([batch, 1, keys]));
    let finished = |call: &mut Call<'_>, mut y: Var| {
        if let Some(mask) = &query_mask {
            y = mask.reshape([batch, queries, 1]).select(&y, &y.constant_like(0.0));
        }
        call.set_mask(&y, query_mask.as_ref());
        y
    };
    let with_scores = call.flag("return_attention_scores");
    let scores = match scores {
        Scores::Products(scaled) if !with_scores => {
            let queries = scaled(call, query);
            let heads = Heads { queries, keys: key.clone(), values: value.clone() };
            let (causal, mask) = (call.flag("use_causal_mask"), of_values.as_ref());
            let y = attend(call, &heads, &Shares { mask, causal, zeroed: false, dropout });
            return vec![finished(call, y)];
        }
        Scores::Products(scaled) => scaled(call, query).matmul_with(key, false, true),
        Scores::Other(scores) => scores(call, query, key),
    };
    let tracer = call.tracer().clone();
    let of_places = call
        .flag("use_causal_mask")
        .then(|| causal(&rows(&tracer, queries), &columns(&tracer, keys)));
    let scores = match all_of([of_values, of_places]) {
        // As Keras has it: scores that do not count are lowered, not replaced.
        Some(mask) => mask.select(&scores, &(&scores - LOWERED)),
        None => scores,
    };
    let shares = Shares { mask: None, causal: false, zeroed: false, dropout }.of(&scores);
    let kept = dropped(call, &shares, dropout, shares.shape().clone());
    let y = finished(call, kept.matmul(value));
    std::iter::once(y).chain(with_scores.then_some(shares)).collect()
}

/// How scores follow from queries and keys.
pub(super) enum Scores<'a> {
    /// Products of the keys and the queries, after this function.
    Products(&'a dyn Fn(&Call<'_>, &Var) -> Var),
    /// Otherwise.
    Other(&'a dyn Fn(&Call<'_>, &Var, &Var) -> Var),
}

/// By how much scores that do not count are lowered.
const LOWERED: f64 = 1e9;
