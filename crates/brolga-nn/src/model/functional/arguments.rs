//! What a layer is called with in a functional model.

use serde_json::Value;

use super::symbolic::{IntoSymbolic, Symbolic};
use crate::keywords::{Keyword, Keywords};

/// Tensors and keyword arguments of a call: Keras's `layer(query, value, use_causal_mask=True)`.
///
/// ```
/// use brolga_nn::prelude::*;
///
/// let ids = Input::new([9]).dtype("int32").tensor();
/// let x = Embedding::new(50, 8).mask_zero(true).on(&ids);
/// let arguments = CallArguments::of([&x, &x]).use_causal_mask(true).return_attention_scores(true);
/// let [y, scores] = MultiHeadAttention::new(2, 4).on_all(arguments);
/// # let _ = (y, scores);
/// ```
///
/// Which of them a layer takes its documentation tells; each takes `mask` and `training`. Another
/// one is an error when the model is built.
#[derive(Debug, Clone, Default)]
pub struct CallArguments {
    pub(super) inputs: Vec<Symbolic>,
    pub(super) keywords: Keywords<Symbolic>,
}

impl CallArguments {
    /// A call on a tensor, or on a list of them.
    pub fn of(inputs: impl IntoSymbolic) -> Self {
        Self { inputs: inputs.into_symbolic(), keywords: Keywords::default() }
    }

    /// Which steps of the inputs count, in place of the masks that they have: a tensor of truth
    /// values, or of numbers that are not 0 where a step counts; for several inputs a list.
    #[must_use]
    pub fn mask(self, masks: impl IntoSymbolic) -> Self {
        self.tensors("mask", masks)
    }

    /// Whether the layer behaves as in training; false holds for all programs.
    #[must_use]
    pub fn training(self, training: bool) -> Self {
        self.argument("training", training)
    }

    /// Whether a query attends to no key after its own place; false by default.
    #[must_use]
    pub fn use_causal_mask(self, use_causal_mask: bool) -> Self {
        self.argument("use_causal_mask", use_causal_mask)
    }

    /// Whether the attention's shares are a result too; false by default.
    #[must_use]
    pub fn return_attention_scores(self, return_attention_scores: bool) -> Self {
        self.argument("return_attention_scores", return_attention_scores)
    }

    /// Which keys each query may attend to: `[batch, queries, keys]`.
    #[must_use]
    pub fn attention_mask(self, mask: &Symbolic) -> Self {
        self.tensor("attention_mask", mask)
    }

    /// Which queries count: `[batch, queries]`.
    #[must_use]
    pub fn query_mask(self, mask: &Symbolic) -> Self {
        self.tensor("query_mask", mask)
    }

    /// Which values count: `[batch, keys]`.
    #[must_use]
    pub fn value_mask(self, mask: &Symbolic) -> Self {
        self.tensor("value_mask", mask)
    }

    /// Which keys count: `[batch, keys]`.
    #[must_use]
    pub fn key_mask(self, mask: &Symbolic) -> Self {
        self.tensor("key_mask", mask)
    }

    /// Keys and values of earlier tokens, and the place of the new ones among them.
    #[must_use]
    pub fn cache(self, cache: &Symbolic, cache_update_index: &Symbolic) -> Self {
        self.tensor("cache", cache).tensor("cache_update_index", cache_update_index)
    }

    /// The position of the first step; 0 by default.
    #[must_use]
    pub fn start_index(self, start_index: usize) -> Self {
        self.argument("start_index", start_index)
    }

    /// The positions of the steps: `[batch, steps]`, or `[batch, 1]` for the first of them.
    #[must_use]
    pub fn positions(self, positions: &Symbolic) -> Self {
        self.tensor("positions", positions)
    }

    /// Whether an embedding computes the way back; false by default.
    #[must_use]
    pub fn reverse(self, reverse: bool) -> Self {
        self.argument("reverse", reverse)
    }

    /// Sets an argument of this name to a number, a truth value or a word.
    #[must_use]
    pub fn argument(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.keywords.set(name, Keyword::Value(value.into()));
        self
    }

    /// Sets an argument of this name to a tensor.
    #[must_use]
    pub fn tensor(mut self, name: &str, tensor: &Symbolic) -> Self {
        self.keywords.set(name, Keyword::Tensor(tensor.clone()));
        self
    }

    /// Sets an argument of this name to a tensor, or a list of them.
    #[must_use]
    pub fn tensors(mut self, name: &str, tensors: impl IntoSymbolic) -> Self {
        let tensors = tensors.into_symbolic();
        let keyword = match <[Symbolic; 1]>::try_from(tensors) {
            Ok([one]) => Keyword::Tensor(one),
            Err(many) => Keyword::Tensors(many.into_iter().map(Some).collect()),
        };
        self.keywords.set(name, keyword);
        self
    }
}

/// What a layer can be called on: tensors, or tensors and other arguments.
pub trait IntoArguments {
    /// The same as arguments.
    fn into_arguments(self) -> CallArguments;
}

impl IntoArguments for CallArguments {
    fn into_arguments(self) -> CallArguments {
        self
    }
}

impl<T: IntoSymbolic> IntoArguments for T {
    fn into_arguments(self) -> CallArguments {
        CallArguments::of(self)
    }
}
