//! Whole numbers as vectors of zeros and ones.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::categories::{check_axes, encoded, integers, vector_dtype};
use super::{Base, Layer, WeightSpec, layer, shapes};
use crate::setters::setters;
use crate::trace::Call;

/// Whole numbers from 0 to `num_tokens − 1` as vectors, by `output_mode`:
///
/// | mode | `x` | `y` |
/// |---|---|---|
/// | `"one_hot"` | `[batch, ..]` | `[batch, .., num_tokens]`: 1 at the number; a last extent of 1 is dropped first |
/// | `"multi_hot"`, the default | `[batch, .., n]` | `[batch, .., num_tokens]`: 1 at each of the n numbers |
/// | `"count"` | `[batch, .., n]` | `[batch, .., num_tokens]`: how often each number occurs |
///
/// Fractions of `x` are cut off; a number out of range counts nowhere. No gradient flows through
/// `x`. In the mode `"count"` a second input of the shape of `x` may say how much each number
/// counts, `count_weights` of Keras's call.
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
        if let [x, weights] = inputs {
            if self.output_mode != "count" {
                let message = format!("output_mode `{}` takes no weights", self.output_mode);
                return Err(Mistake::new(message).help("a second input needs output_mode `count`"));
            }
            if x.shape != weights.shape {
                let message = format!("numbers and weights differ: {}", shapes(inputs));
                return Err(Mistake::new(message).help("give a weight for each number"));
            }
        }
        check_axes("CategoryEncoding", inputs).map(|()| vec![])
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        if let [x, weights] = inputs {
            let hot = integers(x).one_hot(self.num_tokens, weights.dtype());
            return vec![counted(&hot, weights)];
        }
        call.map(inputs, |_, x| {
            encoded(&self.output_mode, &integers(&x), self.num_tokens, vector_dtype(&x))
        })
    }
}

/// The sums of the vectors of numbers times their weights.
fn counted(hot: &Var, weights: &Var) -> Var {
    let mut shape = weights.shape().to_vec();
    shape.push(1);
    (hot * weights.reshape(shape)).reduce_sum(&[weights.shape().rank() - 1], false)
}
