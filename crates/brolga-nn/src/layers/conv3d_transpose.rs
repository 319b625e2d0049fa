//! Transposed convolution of volumes.

use super::transposed::{TransposedConvolution, transposed_layer};

/// `y = f(x ∗ᵀ kernel + bias)` over volumes: each input spreads over the outputs under its window,
/// as [`ConvGradInput`](brolga_ir::ops::ConvGradInput) computes it.
///
/// `x: [batch, depth, height, width, channels]`,
/// `kernel: [depth, height, width, filters, channels]`, `bias: [filters]`,
/// `y: [batch, depth', height', width', filters]`. On each axis, with
/// `span = (kernel_size − 1)·dilation_rate + 1`:
///
/// | padding | output | with `output_padding` |
/// |---|---|---|
/// | `"valid"` | `(input − 1)·stride + max(span, stride)` | `(input − 1)·stride + span + output_padding` |
/// | `"same"` | `input·stride` | `(input − 1)·stride + span mod 2 + output_padding` |
///
/// A mistake if the input is no volume, an output would be empty, or `output_padding` is not
/// smaller than `strides`.
///
/// Keras: <https://keras.io/api/layers/convolution_layers/convolution3d_transpose/>
pub type Conv3DTranspose = TransposedConvolution<3>;

transposed_layer!(Conv3DTranspose);
