//! Keys and values of earlier tokens, for generation.

use brolga_ir::{DType, Mistake, Type, Var};

use super::shape_of;
use crate::trace::Call;

/// A cache `[batch, 2, keys, heads, features]`: the keys, then the values.
pub(super) struct Cache {
    class: &'static str,
    tensor: Var,
    /// Where new keys begin; `None`: those of the cache are all.
    index: Option<Index>,
}

enum Index {
    /// The same place in all samples.
    At(usize),
    /// `[batch, 1]` whole numbers.
    Each(Var),
}

impl Cache {
    /// The cache that a call is given.
    ///
    /// # Errors
    /// If it has another form, or there is an index without a cache.
    pub(super) fn of(call: &Call<'_>, class: &'static str) -> Result<Option<Self>, Mistake> {
        let index = match (call.tensor("cache_update_index"), call.count("cache_update_index")) {
            (Some(index), _) => Some(Index::Each(index)),
            (None, Some(at)) => Some(Index::At(at)),
            (None, None) => None,
        };
        let Some(tensor) = call.tensor("cache") else {
            return match index {
                None => Ok(None),
                Some(_) => {
                    Err(Mistake::new(format!("{class}: cache_update_index without a cache"))
                        .help("give the call both, or none"))
                }
            };
        };
        let index = match index {
            Some(Index::Each(index)) => Some(Index::Each(column(&index, &tensor, class)?)),
            other => other,
        };
        Ok(Some(Self { class, tensor, index }))
    }

    pub(super) fn is_updated(&self) -> bool {
        self.index.is_some()
    }

    /// The keys and values with the new ones, `[batch, steps, heads, features]` each, in their
    /// place.
    ///
    /// # Errors
    /// If the cache does not fit them, or is too short.
    pub(super) fn updated(&self, k: &Var, v: &Var) -> Result<(Var, Var), Mistake> {
        let Self { class, tensor, .. } = self;
        let [batch, steps, heads, features] = k.shape()[..] else {
            let message =
                format!("{class}: a cache, and keys {} with several axes of steps", k.ty());
            return Err(
                Mistake::new(message).help("a cache is for sequences [batch, steps, features]")
            );
        };
        let shape = tensor.shape();
        let fits = matches!(shape[..], [b, 2, _, h, f] if [b, h, f] == [batch, heads, features]);
        if !fits || k.shape() != v.shape() || tensor.dtype() != k.dtype() {
            let message = format!("{class}: the cache is {}", shape_of(tensor));
            let help = format!(
                "for keys and values of {heads} heads and {features} features it is (None, 2, steps, {heads}, {features})"
            );
            return Err(Mistake::new(message).help(help));
        }
        let keys = shape[2];
        let old = |of: usize| {
            let limits = [batch, of + 1, keys, heads, features];
            tensor
                .slice(&[0, of, 0, 0, 0], &limits, &[1; 5])
                .reshape([batch, keys, heads, features])
        };
        let (old_k, old_v) = (old(0), old(1));
        let last = match &self.index {
            None => return Ok((old_k, old_v)),
            Some(Index::At(at)) => at.saturating_add(steps),
            Some(Index::Each(_)) => steps,
        };
        if last > keys {
            let message = format!("{class}: the cache has {keys} places, {last} are needed");
            return Err(
                Mistake::new(message).help("make the cache as long as the longest sequence")
            );
        }
        Ok((self.put(&old_k, k), self.put(&old_v, v)))
    }

    /// The place of the first new key, as it is added to `[steps, 1]`.
    pub(super) fn first(&self) -> Option<Var> {
        match self.index.as_ref()? {
            Index::At(at) => Some(self.tensor.tracer().scalar(DType::I32, *at as f64)),
            Index::Each(index) => Some(index.reshape([index.shape()[0], 1, 1])),
        }
    }

    /// `new`, `[batch, steps, heads, features]`, in its place of `old`.
    fn put(&self, old: &Var, new: &Var) -> Var {
        let Some(first) = self.first() else { return old.clone() };
        let (batch, keys, steps) = (old.shape()[0], old.shape()[1], new.shape()[1]);
        let tracer = old.tracer();
        let place = tracer.iota(Type::new(DType::I32, [1, keys]), 1);
        let first = if first.shape().rank() == 3 { first.reshape([batch, 1]) } else { first };
        let step = (place - first).broadcast([batch, keys]);
        let zero = step.constant_like(0.0);
        let is_new = step.ge(&zero).logical_and(&step.lt(&step.constant_like(steps as f64)));
        let row: usize = new.shape()[2..].iter().product();
        let sample = tracer.iota(Type::new(DType::I32, [batch, 1]), 0) * steps as f64;
        let rows = is_new.select(&step, &zero) + sample;
        let moved = new.reshape([batch * steps, row]).gather(&rows).reshape(old.shape().clone());
        is_new.reshape([batch, keys, 1, 1]).select(&moved, old)
    }

    /// The cache of these keys and values.
    pub(super) fn joined(k: &Var, v: &Var) -> Var {
        let lifted = |x: &Var| {
            let shape: Vec<usize> = x.shape()[..1]
                .iter()
                .copied()
                .chain([1])
                .chain(x.shape()[1..].iter().copied())
                .collect();
            x.reshape(shape)
        };
        lifted(k).concat(&[&lifted(v)], 1)
    }
}

/// An index for each sample as whole numbers `[batch, 1]`.
fn column(index: &Var, cache: &Var, class: &str) -> Result<Var, Mistake> {
    let batch = cache.shape().first().copied().unwrap_or_default();
    if !matches!(index.shape()[..], [n] | [n, 1] if n == batch) {
        let message = format!("{class}: cache_update_index is {}", shape_of(index));
        let help = "it is a whole number, or one for each sample: (None, 1)";
        return Err(Mistake::new(message).help(help));
    }
    let whole = if index.dtype() == DType::I32 { index.clone() } else { index.cast(DType::I32) };
    Ok(whole.reshape([batch, 1]))
}
