//! Transposed convolution of sequences.

use super::transposed::{TransposedConvolution, transposed_layer};

/// `y = f(x ∗ᵀ kernel + bias)` over sequences: each input spreads over the outputs under its
/// window, as [`ConvGradInput`](brolga_ir::ops::ConvGradInput) computes it.
///
/// `x: [batch, steps, channels]`, `kernel: [width, filters, channels]`, `bias: [filters]`,
/// `y: [batch, steps', filters]`. On each axis, with `span = (kernel_size − 1)·dilation_rate + 1`:
///
/// | padding | output | with `output_padding` |
/// |---|---|---|
/// | `"valid"` | `(input − 1)·stride + max(span, stride)` | `(input − 1)·stride + span + output_padding` |
/// | `"same"` | `input·stride` | `(input − 1)·stride + span mod 2 + output_padding` |
///
/// A mistake if the input is no sequence, an output would be empty, or `output_padding` is not
/// smaller than `strides`.
///
/// Keras: <https://keras.io/api/layers/convolution_layers/convolution1d_transpose/>
pub type Conv1DTranspose = TransposedConvolution<1>;

transposed_layer!(Conv1DTranspose);
