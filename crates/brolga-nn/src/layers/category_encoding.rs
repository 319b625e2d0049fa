//! Whole numbers as vectors of zeros and ones.

use brolga_ir::{DType, Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use crate::setters::setters;
use super::{Base, Layer, WeightSpec, layer, shapes};
use crate::trace::Call;

/// Whole numbers from 0 to `num_tokens − 1` as vectors, by `output_mode`:
///
/// | mode | `x` | `y` |
/// |---|---|---|
/// | `"one_hot"` | `[batch, ..]` | `[batch, .., num_tokens]`: 1 at the number; a last extent of 1 is dropped first |
/// | `"multi_hot"`, the default | `[batch, .., n]` | `[batch, .., num_tokens]`: 1 at each of the n numbers |
/// | `"count"` | `[batch, .., n]` | `[batch, .., num_tokens]`: how often each number occurs |
///
/// Fractions of `x` are cut off; a number out of range counts nowhere. No gradient flows through.
///
/// A mistake if there is no such mode, or the input has no axis beside the batch.
///
/// Keras: <https://keras.io/api/layers/preprocessing_layers/categorical/category_encoding/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CategoryEncoding {
    #[serde(flatten)]
    base: Base,
    num_tokens: usize,
    #[serde(default = "multi_hot")]
    output_mode: String,
}

fn multi_hot() -> String {
    "multi_hot".to_owned()
}

layer!(CategoryEncoding { num_tokens: Count });

impl CategoryEncoding {
    /// Vectors for the numbers below this one.
    pub fn new(num_tokens: usize) -> Self {
        Self { base: Base::default(), num_tokens, output_mode: multi_hot() }
    }

    setters! {
        /// `"multi_hot"`, the default, `"one_hot"` or `"count"`.
        output_mode: into String,
    }
}

impl Layer for CategoryEncoding {
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        if !["one_hot", "multi_hot", "count"].contains(&&*self.output_mode) {
            return Err(Mistake::new(format!("there is no output_mode `{}`", self.output_mode))
                .help("there are one_hot, multi_hot, count"));
        }
        if inputs.iter().all(|ty| ty.shape.rank() > 1) {
            return Ok(vec![]);
        }
        let message = format!("CategoryEncoding takes (None, .., numbers), given {}", shapes(inputs));
        Err(Mistake::new(message).help("numbers, one for each sample, need an axis of extent 1"))
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |_, x| {
            let numbers = if x.dtype().is_float() { x.cast(DType::I32) } else { x.clone() };
            let of = |numbers: &Var| numbers.one_hot(self.num_tokens, x.dtype());
            let Some((&last, rest)) = numbers.shape().split_last() else { return x.clone() };
            match &*self.output_mode {
                "one_hot" if last == 1 => of(&numbers.reshape(rest)),
                "one_hot" => of(&numbers),
                "count" => of(&numbers).reduce_sum(&[rest.len()], false),
                _ => of(&numbers).reduce_max(&[rest.len()], false),
            }
        })
    }
}
