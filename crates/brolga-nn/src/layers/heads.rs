//! Attention with several heads: projections of the inputs, and what is done with masks.

use brolga_ir::{Mistake, Type, Var};

use super::attend::{Heads, Shares, attend, attend_with_shares, causal, columns, near, rows};
use super::cache::Cache;
use super::weights::{Bias, Kernel};
use super::{WeightSpec, shape_of, shapes};
use crate::error::with_batch;
use crate::masks::{all_of, misfit, truth};
use crate::trace::Call;

/// The arguments of calls of these layers.
pub(super) const KEYWORDS: [&str; 8] = [
    "query_mask",
    "value_mask",
    "key_mask",
    "attention_mask",
    "use_causal_mask",
    "return_attention_scores",
    "cache",
    "cache_update_index",
];

/// What attention with several heads is made of.
pub(super) struct MultiHead<'a> {
    pub(super) class: &'static str,
    /// Heads of queries.
    pub(super) heads: usize,
    /// Heads of keys and values.
    pub(super) groups: usize,
    pub(super) key_dim: usize,
    pub(super) value_dim: usize,
    /// The extents of the output beside batch and steps; those of the query by default.
    pub(super) output: Option<&'a [usize]>,
    /// The axes over which queries attend to keys; all by default.
    pub(super) axes: Option<&'a [i64]>,
    pub(super) use_bias: bool,
    pub(super) use_gate: bool,
    pub(super) dropout: f64,
    pub(super) sliding_window: Option<usize>,
    pub(super) flash_attention: bool,
}

/// The axes of an input `[batch, .., features]` that attention deals with.
struct Axes {
    /// Those that are computed apart, as the batch is.
    free: Vec<usize>,
    /// Those along which queries attend to keys.
    attended: Vec<usize>,
}

impl MultiHead<'_> {
    /// The weights for inputs of these types, of projections by Keras's names.
    pub(super) fn declare(
        &self,
        kernel: &Kernel,
        bias: &Bias,
        inputs: &[Type],
    ) -> Result<Vec<WeightSpec>, Mistake> {
        self.check(inputs)?;
        let features = |of: usize| inputs[of].shape.last().copied().unwrap_or_default();
        let (query, value, key) = (features(0), features(1), features(inputs.len() - 1));
        let (n, g, k, v) = (self.heads, self.groups, self.key_dim, self.value_dim);
        let output = self.output.map_or_else(|| vec![query], <[usize]>::to_vec);
        let gate = self.use_gate.then(|| ("gate", vec![query], vec![n, v]));
        let projections = [("query", vec![query], vec![n, k]), ("key", vec![key], vec![g, k])]
            .into_iter()
            .chain(gate)
            .chain([("value", vec![value], vec![g, v]), ("attention_output", vec![n, v], output)]);
        let declare = |(name, from, to): (&str, Vec<usize>, Vec<usize>)| {
            let bias = self.use_bias.then(|| bias.declare(&format!("{name}/bias"), to.clone()));
            let kernel = kernel.declare(&format!("{name}/kernel"), [from, to].concat());
            std::iter::once(kernel).chain(bias)
        };
        Ok(projections.flat_map(declare).collect())
    }

    /// Fails if the arguments contradict each other, or do not fit the inputs.
    fn check(&self, inputs: &[Type]) -> Result<(), Mistake> {
        let (class, given) = (self.class, shapes(inputs));
        if self.flash_attention && self.dropout > 0.0 {
            let message = format!("{class}: flash_attention with a dropout of {}", self.dropout);
            return Err(Mistake::new(message).help("leave one of them out, as Keras asks for"));
        }
        let (query, value) = match inputs {
            [query, value] | [query, value, _] => (query, value),
            _ => {
                let message = format!(
                    "{class} takes query and value, or query, value and key, given {given}"
                );
                return Err(Mistake::new(message).help("of one sequence: layer.on([&x, &x])"));
            }
        };
        let rank = query.shape.rank();
        if rank < 3 || inputs.iter().any(|ty| ty.shape.rank() != rank) {
            let message = format!("{class} takes sequences (None, steps, features), given {given}");
            return Err(Mistake::new(message).help("all inputs need the same number of axes"));
        }
        let steps = |ty: &Type| ty.shape[1..rank - 1].to_vec();
        if inputs.get(2).is_some_and(|key| steps(key) != steps(value)) {
            let message = format!("{class}: value and key differ in their steps, given {given}");
            return Err(Mistake::new(message).help("there is one value for each key"));
        }
        let Axes { free, .. } = self.axes_of(rank)?;
        if let Some(axis) = free.iter().find(|&&axis| query.shape[axis] != value.shape[axis]) {
            let message = format!(
                "{class} attends along other axes than {axis}, on which query and value differ, given {given}"
            );
            return Err(
                Mistake::new(message).help("make them equal, or name the axis in attention_axes")
            );
        }
        Ok(())
    }

    fn axes_of(&self, rank: usize) -> Result<Axes, Mistake> {
        let all = 1..rank - 1;
        let Some(given) = self.axes else {
            return Ok(Axes { free: vec![], attended: all.collect() });
        };
        let of = |&axis: &i64| {
            let place = if axis < 0 { axis + rank as i64 } else { axis };
            usize::try_from(place).ok().filter(|place| all.contains(place))
        };
        let attended: Option<Vec<usize>> = given.iter().map(of).collect();
        let distinct = |axes: &Vec<usize>| {
            !axes.is_empty() && axes.iter().enumerate().all(|(i, axis)| !axes[..i].contains(axis))
        };
        let Some(attended) = attended.filter(distinct) else {
            let message =
                format!("{}: attention_axes are {given:?} of an input of {rank} axes", self.class);
            let help = "name axes of steps, each once: not the batch, which is 0, and not the features, the last one";
            return Err(Mistake::new(message).help(help));
        };
        Ok(Axes { free: all.filter(|axis| !attended.contains(axis)).collect(), attended })
    }

    /// What the layer gives: the output, the shares where they are asked for, and the cache where
    /// there is one.
    pub(super) fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        let types: Vec<Type> = inputs.iter().map(|x| x.ty().clone()).collect();
        let checked = self.check(&types).and_then(|()| self.axes_of(types[0].shape.rank()));
        let axes = match checked {
            Ok(axes) => axes,
            Err(mistake) => return vec![call.tracer().fail(mistake)],
        };
        match self.traced(call, inputs, &axes) {
            Ok(outputs) => outputs,
            Err(mistake) => vec![call.tracer().fail(mistake)],
        }
    }

    fn traced(
        &self,
        call: &mut Call<'_>,
        inputs: &[Var],
        axes: &Axes,
    ) -> Result<Vec<Var>, Mistake> {
        let (query, value, key) = (&inputs[0], &inputs[1], &inputs[inputs.len() - 1]);
        let with_scores = call.flag("return_attention_scores");
        if with_scores && self.flash_attention {
            let message = format!("{}: return_attention_scores with flash_attention", self.class);
            return Err(Mistake::new(message).help("leave one of them out, as Keras asks for"));
        }
        let plain = (self.use_bias, 1.0);
        let scaled = (self.use_bias, 1.0 / (self.key_dim as f64).sqrt());
        let q = projected(call, query, 1, "query", scaled);
        let mut k = projected(call, key, 1, "key", plain);
        let mut v = projected(call, value, 1, "value", plain);
        let cache = Cache::of(call, self.class)?;
        if let Some(cache) = &cache {
            (k, v) = cache.updated(&k, &v)?;
        }
        let query_mask = given(call, "query_mask").or_else(|| call.mask(query));
        let mask = self.mask(call, inputs, axes, (&k, &query_mask, cache.as_ref()))?;
        let heads = Heads { queries: axes.apart(&q), keys: axes.apart(&k), values: axes.apart(&v) };
        let zeroed = self.dropout > 0.0 || with_scores || query.shape().rank() != 3;
        let causal = self.is_causal_alone(call, cache.as_ref());
        let how = Shares { mask: mask.as_ref(), causal, zeroed, dropout: self.dropout };
        let (attended, shares) = match with_scores {
            false => (attend(call, &heads, &how), None),
            true => {
                let (attended, shares) = attend_with_shares(call, &heads, &how);
                (attended, Some(shares))
            }
        };
        let mut y = axes.together(&attended, query);
        if self.use_gate {
            y = y * projected(call, query, 1, "gate", plain).sigmoid();
        }
        let y = projected(call, &y, 2, "attention_output", plain);
        call.set_mask(&y, query_mask.as_ref());
        let scores = shares.map(|shares| axes.scores(&shares, query, &k));
        let cache = cache.filter(Cache::is_updated).map(|_| Cache::joined(&k, &v));
        Ok(std::iter::once(y).chain(scores).chain(cache).collect())
    }

    /// Where each query may attend to which key, as it broadcasts to the scores.
    fn mask(
        &self,
        call: &mut Call<'_>,
        inputs: &[Var],
        axes: &Axes,
        (k, query_mask, cache): (&Var, &Option<Var>, Option<&Cache>),
    ) -> Result<Option<Var>, Mistake> {
        let (query, value) = (&inputs[0], &inputs[1]);
        // Keys of a cache have no masks: those of the inputs are for the new ones.
        let mut of_input = |x: &Var, name: &str| {
            given(call, name).or_else(|| if cache.is_none() { call.mask(x) } else { None })
        };
        let value_mask = of_input(value, "value_mask");
        let key_mask = match inputs.get(2) {
            Some(key) => of_input(key, "key_mask"),
            None => given(call, "key_mask"),
        };
        let of_queries = query_mask.as_ref().map(|mask| axes.along(mask, query, true));
        let of_keys =
            [value_mask, key_mask].map(|mask| mask.map(|mask| axes.along(&mask, k, false)));
        let explicit = match given(call, "attention_mask") {
            Some(mask) => Some(axes.explicit(&mask, query, k, self.heads)?),
            None => None,
        };
        let places = self.of_places(call, axes, (query, k, cache))?;
        let [of_values, of_keys] = of_keys;
        let masks = [
            of_queries.transpose()?,
            of_values.transpose()?,
            of_keys.transpose()?,
            places,
            explicit,
        ];
        Ok(all_of(masks))
    }

    /// Whether queries attend to the keys up to their own place, counted alike: attention itself
    /// sees to it, and no mask is needed.
    fn is_causal_alone(&self, call: &Call<'_>, cache: Option<&Cache>) -> bool {
        call.flag("use_causal_mask") && cache.and_then(Cache::first).is_none()
    }

    /// Where the places of query and key allow it, beyond [`MultiHead::is_causal_alone`].
    fn of_places(
        &self,
        call: &Call<'_>,
        axes: &Axes,
        (query, k, cache): (&Var, &Var, Option<&Cache>),
    ) -> Result<Option<Var>, Mistake> {
        let is_causal = call.flag("use_causal_mask");
        if !is_causal && self.sliding_window.is_none() {
            return Ok(None);
        }
        let [axis] = axes.attended[..] else {
            let count = axes.attended.len();
            let message = format!("{}: places of steps along {count} axes", self.class);
            let help =
                "use_causal_mask and sliding_window are for one axis: name it in attention_axes";
            return Err(Mistake::new(message).help(help));
        };
        let tracer = call.tracer();
        let (mut from, to) = (rows(tracer, query.shape()[axis]), columns(tracer, k.shape()[axis]));
        if let Some(first) = cache.and_then(Cache::first) {
            from = from + first;
        }
        let masks = [
            (is_causal && !self.is_causal_alone(call, cache)).then(|| causal(&from, &to)),
            self.sliding_window.map(|width| near(&from, &to, width)),
        ];
        // A mask for each sample lies before the heads.
        let lifted = |mask: Var| match mask.shape().rank() {
            3 => mask.reshape([mask.shape()[0], 1, mask.shape()[1], mask.shape()[2]]),
            _ => mask,
        };
        Ok(all_of(masks).map(lifted))
    }
}

impl Axes {
    /// `[batch, steps.., heads, features]` as `[batch, free.., heads, attended, features]`.
    fn apart(&self, x: &Var) -> Var {
        let heads = x.shape().rank() - 2;
        let order = [&[0], &*self.free, &[heads], &*self.attended, &[heads + 1]].concat();
        let ordered = x.transpose(&order);
        let shape = ordered.shape();
        let (before, after) = shape.split_at(self.free.len() + 2);
        let attended = after[..self.attended.len()].iter().product();
        let features = after[self.attended.len()..].iter().copied();
        let shape: Vec<usize> = before.iter().copied().chain([attended]).chain(features).collect();
        ordered.reshape(shape)
    }

    /// The way back, with the steps of the query.
    fn together(&self, y: &Var, query: &Var) -> Var {
        let rank = query.shape().rank();
        let steps = self.attended.iter().map(|&axis| query.shape()[axis]);
        let (before, features) = (&y.shape()[..self.free.len() + 2], y.shape().last());
        let shape: Vec<usize> =
            before.iter().copied().chain(steps).chain(features.copied()).collect();
        let order = [&[0], &*self.free, &[rank - 1], &*self.attended, &[rank]].concat();
        let back: Vec<usize> =
            (0..=rank).map(|axis| order.iter().position(|&o| o == axis).unwrap_or(axis)).collect();
        y.reshape(shape).transpose(&back)
    }

    /// The shares with the steps of queries and keys.
    fn scores(&self, shares: &Var, query: &Var, k: &Var) -> Var {
        let before = shares.shape()[..self.free.len() + 2].iter().copied();
        let steps = |x: &Var| self.attended.iter().map(|&axis| x.shape()[axis]).collect::<Vec<_>>();
        let shape: Vec<usize> = before.chain(steps(query)).chain(steps(k)).collect();
        shares.reshape(shape)
    }

    /// The mask of an input over its first axes, along the queries of the scores, or the keys.
    fn along(&self, mask: &Var, x: &Var, queries: bool) -> Result<Var, Mistake> {
        let steps = 1 + self.free.len() + self.attended.len();
        let (of, shape) = (mask.shape(), &x.shape()[..steps]);
        if of.rank() > steps || shape[..of.rank()] != **of {
            return Err(misfit(mask, x));
        }
        let mut extents = of.to_vec();
        extents.resize(steps, 1);
        let order = [&[0], &*self.free, &*self.attended].concat();
        let ordered = mask.reshape(extents).broadcast(shape).transpose(&order);
        let (before, attended) = ordered.shape().split_at(1 + self.free.len());
        let attended: usize = attended.iter().product();
        let ends = if queries { [1, attended, 1] } else { [1, 1, attended] };
        let shape: Vec<usize> = before.iter().copied().chain(ends).collect();
        Ok(ordered.reshape(shape))
    }

    /// Keras's `attention_mask`, `[batch, queries.., keys..]` with further axes between, or fewer in
    /// front, as it broadcasts to the scores.
    fn explicit(&self, mask: &Var, query: &Var, k: &Var, heads: usize) -> Result<Var, Mistake> {
        let steps = |x: &Var| self.attended.iter().map(|&axis| x.shape()[axis]).collect::<Vec<_>>();
        let ends = [steps(query), steps(k)].concat();
        let lead: Vec<usize> =
            [0].iter().chain(&self.free).map(|&axis| query.shape()[axis]).chain([heads]).collect();
        let rank = lead.len() + ends.len();
        let given = mask.shape();
        let fits = given.rank() >= ends.len() && given.rank() <= rank && {
            let (front, back) = given.split_at(given.rank() - ends.len());
            let mut pairs = front.iter().zip(&lead).chain(back.iter().zip(&ends));
            pairs.all(|(m, n)| m == n || *m == 1)
        };
        if !fits {
            let wanted = [&lead[..lead.len() - 1], &ends].concat();
            let message =
                format!("attention_mask is {}, which does not fit the scores", shape_of(mask));
            let help = format!(
                "it says where each query attends to each key: {}",
                with_batch(&wanted[1..])
            );
            return Err(Mistake::new(message).help(help));
        }
        let (front, back) = given.split_at(given.rank() - ends.len());
        let missing = std::iter::repeat_n(1, rank - given.rank());
        let front: Vec<usize> = front.iter().copied().chain(missing).collect();
        if self.attended.len() == 1 {
            return Ok(mask.reshape([&front, back].concat()));
        }
        let [queries, keys] = [steps(query), steps(k)].map(|steps| steps.iter().product::<usize>());
        let full = mask.reshape([&front, back].concat()).broadcast([&front, &*ends].concat());
        Ok(full.reshape([&front, &[queries, keys][..]].concat()))
    }
}

/// A mask that the call gives.
fn given(call: &Call<'_>, name: &str) -> Option<Var> {
    call.tensor(name).map(|mask| truth(&mask))
}

/// `(x · kernel + bias) · scale`, contracted over the last `axes` axes of `x` and the first ones of
/// the kernel.
///
/// All of it is computed of a matrix, so that bias and scale are in the kernel of the product.
fn projected(call: &Call<'_>, x: &Var, axes: usize, name: &str, how: (bool, f64)) -> Var {
    let (has_bias, scale) = how;
    let kernel = call.weight(&format!("{name}/kernel"));
    let (rows, inner) = x.shape().split_at(x.shape().rank() - axes);
    let outer = kernel.shape().get(axes..).unwrap_or_default();
    let (m, k, n) = (rows.iter().product(), inner.iter().product(), outer.iter().product());
    let product = x.reshape([m, k]).matmul(&kernel.reshape([k, n]));
    let sum = match has_bias {
        true => product + call.weight(&format!("{name}/bias")).reshape([n]),
        false => product,
    };
    let scaled = if scale == 1.0 { sum } else { sum * scale };
    scaled.reshape([rows, outer].concat())
}
