//! The ops of ONNX, one function each, in a file for each group.
//!
//! A new op is a function and a line in the table below. The function makes values of the IR; what
//! changed between versions of an op it decides by [`Call::version`].

mod activation;
mod attention;
mod cast;
mod control;
mod conv;
mod elementwise;
mod gather;
mod integers;
mod looped;
mod loss;
mod normalization;
mod pad;
mod pool;
mod product;
mod quantization;
mod recurrent;
mod reduce;
mod resize;
mod sequence;
mod shape;
mod signal;
mod training;
mod trigonometry;

use crate::call::{Call, Outs};

pub(crate) use elementwise::round_to_even;

/// What an op does with the operands and attributes of a node.
pub(crate) type Lower = fn(&Call<'_>) -> Outs;

/// A domain as messages and the table name it: ONNX's own is empty.
pub(crate) fn domain(domain: &str) -> &str {
    if domain == "ai.onnx" { "" } else { domain }
}

/// Whether an op draws random numbers, so that it is no constant even where all operands are known.
pub(crate) fn is_random(op: &str) -> bool {
    matches!(op, "Bernoulli" | "Multinomial" | "RandomNormal" | "RandomUniform")
}

/// Whether an op multiplies each element of an operand with many of another.
pub(crate) fn is_product(op: &str) -> bool {
    matches!(
        op,
        "Attention"
            | "Conv"
            | "ConvInteger"
            | "ConvTranspose"
            | "DFT"
            | "Einsum"
            | "FusedMatMul"
            | "Gemm"
            | "GRU"
            | "LSTM"
            | "MatMul"
            | "MatMulInteger"
            | "QLinearConv"
            | "QLinearMatMul"
            | "RNN"
            | "STFT"
    )
}

/// The table of ops by their domains and names.
macro_rules! ops {
    ($($domain:literal { $($name:literal: $lower:path,)* })*) => {
        /// The ops that are known: a domain, which is empty for ONNX's own, and its ops.
        pub const NAMES: &[(&str, &[&str])] = &[$(($domain, &[$($name,)*]),)*];

        /// The function of an op; `None` if it is not known.
        pub(crate) fn lower(domain: &str, name: &str) -> Option<Lower> {
            let lower: Lower = match (self::domain(domain), name) {
                $($(($domain, $name) => $lower,)*)*
                _ => return None,
            };
            Some(lower)
        }
    };
}

ops! {
    "" {
        "Abs": elementwise::abs,
        "Acos": trigonometry::acos,
        "Acosh": trigonometry::acosh,
        "Add": elementwise::add,
        "AffineGrid": resize::affine_grid,
        "And": elementwise::and,
        "ArgMax": gather::arg_max,
        "ArgMin": gather::arg_min,
        "Asin": trigonometry::asin,
        "Asinh": trigonometry::asinh,
        "Atan": trigonometry::atan,
        "Atanh": trigonometry::atanh,
        "Attention": attention::attention,
        "AveragePool": pool::average_pool,
        "BatchNormalization": normalization::batch_normalization,
        "BitCast": cast::bit_cast,
        "BitShift": elementwise::bit_shift,
        "BitwiseAnd": elementwise::bitwise_and,
        "BitwiseNot": elementwise::bitwise_not,
        "BitwiseOr": elementwise::bitwise_or,
        "BitwiseXor": elementwise::bitwise_xor,
        "BlackmanWindow": signal::blackman_window,
        "Cast": cast::cast,
        "CastLike": cast::cast_like,
        "CausalConvWithState": conv::causal_conv_with_state,
        "Ceil": elementwise::ceil,
        "Celu": activation::celu,
        "CenterCropPad": pad::center_crop_pad,
        "Clip": elementwise::clip,
        "Col2Im": conv::col2im,
        "Compress": gather::compress,
        "Concat": shape::concat,
        "ConcatFromSequence": sequence::concat_from_sequence,
        "Constant": shape::constant,
        "ConstantOfShape": shape::constant_of_shape,
        "Conv": conv::conv,
        "ConvInteger": quantization::conv_integer,
        "ConvTranspose": conv::conv_transpose,
        "Cos": trigonometry::cos,
        "Cosh": trigonometry::cosh,
        "CumProd": reduce::cum_prod,
        "CumSum": reduce::cum_sum,
        "DFT": signal::dft,
        "DepthToSpace": shape::depth_to_space,
        "DequantizeLinear": quantization::dequantize_linear,
        "Det": product::det,
        "Div": elementwise::div,
        "Dropout": activation::dropout,
        "DynamicQuantizeLinear": quantization::dynamic_quantize_linear,
        "Einsum": product::einsum,
        "Elu": activation::elu,
        "Equal": elementwise::equal,
        "Erf": elementwise::erf,
        "Exp": elementwise::exp,
        "Expand": shape::expand,
        "EyeLike": shape::eye_like,
        "Flatten": shape::flatten,
        "Floor": elementwise::floor,
        "GRU": recurrent::gru,
        "Gather": gather::gather,
        "GatherElements": gather::gather_elements,
        "GatherND": gather::gather_nd,
        "Gelu": activation::gelu,
        "Gemm": product::gemm,
        "GlobalAveragePool": pool::global_average_pool,
        "GlobalLpPool": pool::global_lp_pool,
        "GlobalMaxPool": pool::global_max_pool,
        "Greater": elementwise::greater,
        "GreaterOrEqual": elementwise::greater_or_equal,
        "GridSample": resize::grid_sample,
        "GroupNormalization": normalization::group_normalization,
        "HammingWindow": signal::hamming_window,
        "HannWindow": signal::hann_window,
        "HardSigmoid": activation::hard_sigmoid,
        "HardSwish": activation::hard_swish,
        "Hardmax": activation::hardmax,
        "Identity": shape::identity,
        "If": control::if_,
        "InstanceNormalization": normalization::instance_normalization,
        "IsInf": elementwise::is_inf,
        "IsNaN": elementwise::is_nan,
        "LRN": normalization::lrn,
        "LSTM": recurrent::lstm,
        "LayerNormalization": normalization::layer_normalization,
        "LeakyRelu": activation::leaky_relu,
        "Less": elementwise::less,
        "LessOrEqual": elementwise::less_or_equal,
        "LinearAttention": attention::linear_attention,
        "Log": elementwise::log,
        "LogSoftmax": activation::log_softmax,
        "Loop": control::loop_,
        "LpNormalization": reduce::lp_normalization,
        "LpPool": pool::lp_pool,
        "MatMul": product::mat_mul,
        "MatMulInteger": quantization::mat_mul_integer,
        "Max": elementwise::max,
        "MaxPool": pool::max_pool,
        "MaxUnpool": pool::max_unpool,
        "Mean": elementwise::mean,
        "MeanVarianceNormalization": reduce::mean_variance_normalization,
        "MelWeightMatrix": signal::mel_weight_matrix,
        "Min": elementwise::min,
        "Mish": activation::mish,
        "Mod": elementwise::modulo,
        "Mul": elementwise::mul,
        "Neg": elementwise::neg,
        "NegativeLogLikelihoodLoss": loss::negative_log_likelihood,
        "NonMaxSuppression": sequence::non_max_suppression,
        "NonZero": gather::non_zero,
        "Not": elementwise::not,
        "OneHot": gather::one_hot,
        "Optional": sequence::optional,
        "OptionalGetElement": sequence::optional_get_element,
        "OptionalHasElement": sequence::optional_has_element,
        "Or": elementwise::or,
        "PRelu": activation::prelu,
        "Pad": pad::pad,
        "Pow": elementwise::pow,
        "QLinearConv": quantization::q_linear_conv,
        "QLinearMatMul": quantization::q_linear_mat_mul,
        "QuantizeLinear": quantization::quantize_linear,
        "RMSNormalization": normalization::rms_normalization,
        "RNN": recurrent::rnn,
        "Range": shape::range,
        "Reciprocal": elementwise::reciprocal,
        "ReduceL1": reduce::l1,
        "ReduceL2": reduce::l2,
        "ReduceLogSum": reduce::log_sum,
        "ReduceLogSumExp": reduce::log_sum_exp,
        "ReduceMax": reduce::max,
        "ReduceMean": reduce::mean,
        "ReduceMin": reduce::min,
        "ReduceProd": reduce::prod,
        "ReduceSum": reduce::sum,
        "ReduceSumSquare": reduce::sum_square,
        "Relu": activation::relu,
        "Reshape": shape::reshape,
        "Resize": resize::resize,
        "ReverseSequence": gather::reverse_sequence,
        "RotaryEmbedding": attention::rotary_embedding,
        "Round": elementwise::round,
        "STFT": signal::stft,
        "Scan": control::scan,
        "Scatter": gather::scatter_elements,
        "ScatterElements": gather::scatter_elements,
        "ScatterND": gather::scatter_nd,
        "Selu": activation::selu,
        "SequenceAt": sequence::sequence_at,
        "SequenceConstruct": sequence::sequence_construct,
        "SequenceEmpty": sequence::sequence_empty,
        "SequenceErase": sequence::sequence_erase,
        "SequenceInsert": sequence::sequence_insert,
        "SequenceLength": sequence::sequence_length,
        "SequenceMap": sequence::sequence_map,
        "Shape": shape::shape,
        "Shrink": activation::shrink,
        "Sigmoid": activation::sigmoid,
        "Sign": elementwise::sign,
        "Sin": trigonometry::sin,
        "Sinh": trigonometry::sinh,
        "Size": shape::size,
        "Slice": shape::slice,
        "Softmax": activation::softmax,
        "SoftmaxCrossEntropyLoss": loss::softmax_cross_entropy,
        "Softplus": activation::softplus,
        "Softsign": activation::softsign,
        "SpaceToDepth": shape::space_to_depth,
        "Split": shape::split,
        "SplitToSequence": sequence::split_to_sequence,
        "Sqrt": elementwise::sqrt,
        "Squeeze": shape::squeeze,
        "Sub": elementwise::sub,
        "Sum": elementwise::sum,
        "SwiGLU": activation::swiglu,
        "Swish": activation::swish,
        "Tan": trigonometry::tan,
        "Tanh": activation::tanh,
        "TensorScatter": attention::tensor_scatter,
        "ThresholdedRelu": activation::thresholded_relu,
        "Tile": shape::tile,
        "TopK": gather::top_k,
        "Transpose": shape::transpose,
        "Trilu": shape::trilu,
        "Unique": gather::unique,
        "Unsqueeze": shape::unsqueeze,
        "Upsample": resize::upsample,
        "Where": elementwise::where_,
        "Xor": elementwise::xor,
    }
    "ai.onnx.preview" {
        "FlexAttention": attention::flex_attention,
    }
    "ai.onnx.preview.training" {
        "Adagrad": training::adagrad,
        "Adam": training::adam,
        "Momentum": training::momentum,
    }
    "com.microsoft" {
        "Attention": attention::packed_attention,
        "BiasGelu": activation::bias_gelu,
        "FastGelu": activation::fast_gelu,
        "FusedMatMul": product::fused_mat_mul,
        "Gelu": activation::gelu,
        "QuickGelu": activation::quick_gelu,
        "SimplifiedLayerNormalization": normalization::rms_normalization,
        "SkipLayerNormalization": normalization::skip_layer_normalization,
        "SkipSimplifiedLayerNormalization": normalization::skip_rms_normalization,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order() {
        for (domain, names) in NAMES {
            assert!(names.is_sorted(), "{domain}");
            assert!(names.iter().all(|name| lower(domain, name).is_some()));
        }
        assert!(lower("ai.onnx", "Relu").is_some());
        assert!(lower("", "Rleu").is_none());
    }
}
