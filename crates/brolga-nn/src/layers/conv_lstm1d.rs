//! A convolutional LSTM of lines.

use super::conv_lstm::{ConvolutionalLSTM, conv_lstm_layer};

/// An [`LSTM`](super::LSTM) over sequences of lines, whose products are convolutions.
///
/// `x: [batch, time, steps, channels]`; the output is that of the last step or, with `return_sequences`, those of all;
/// with `return_state` the last states follow. The window over the input has `strides`, `padding`
/// and `dilation_rate`, that over the states the padding `same`.
///
/// Weights: `conv_lstm_cell/kernel` with `4·filters` filters, `recurrent_kernel` and `bias`.
///
/// A mistake if the input is no sequence of lines, or the window does not fit into them.
///
/// Shi et al., "Convolutional LSTM network" (2015). Keras:
/// <https://keras.io/api/layers/recurrent_layers/conv_lstm1d/>
pub type ConvLSTM1D = ConvolutionalLSTM<1>;

conv_lstm_layer!(ConvLSTM1D);
