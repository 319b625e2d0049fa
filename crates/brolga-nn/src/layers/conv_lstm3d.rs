//! A convolutional LSTM of volumes.

use super::conv_lstm::{ConvolutionalLSTM, conv_lstm_layer};

/// An [`LSTM`](super::LSTM) over sequences of volumes, whose products are convolutions.
///
/// `x: [batch, time, depth, height, width, channels]`; the output is that of the last step or, with `return_sequences`, those of all;
/// with `return_state` the last states follow. The window over the input has `strides`, `padding`
/// and `dilation_rate`, that over the states the padding `same`.
///
/// Weights: `conv_lstm_cell/kernel` with `4·filters` filters, `recurrent_kernel` and `bias`.
///
/// A mistake if the input is no sequence of volumes, or the window does not fit into them.
///
/// Shi et al., "Convolutional LSTM network" (2015). Keras:
/// <https://keras.io/api/layers/recurrent_layers/conv_lstm3d/>
pub type ConvLSTM3D = ConvolutionalLSTM<3>;

conv_lstm_layer!(ConvLSTM3D);
