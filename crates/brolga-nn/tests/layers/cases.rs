//! Layers with inputs of several shapes: odd ones, extents of 1, a batch of 1.

use brolga_ir::Var;
use brolga_nn::Window;
use brolga_nn::layers::{Activation, Base};
use brolga_nn::prelude::*;
use brolga_nn::trace::Call;
use serde::{Deserialize, Serialize};

use crate::check::Case;

/// A layer with one input of each of these shapes.
fn each<L: Layer + 'static>(layer: impl Fn() -> L, shapes: &[&[usize]]) -> Vec<Case> {
    shapes.iter().map(|&shape| Case::new(layer(), &[shape])).collect()
}

/// A layer with these lists of inputs.
fn many<L: Layer + 'static>(layer: impl Fn() -> L, inputs: &[&[&[usize]]]) -> Vec<Case> {
    inputs.iter().map(|inputs| Case::new(layer(), inputs)).collect()
}

const LINES: [&[usize]; 3] = [&[1, 5, 1], &[2, 9, 3], &[3, 17, 2]];
const IMAGES: [&[usize]; 3] = [&[1, 4, 5, 1], &[2, 5, 3, 3], &[3, 7, 6, 2]];
const VOLUMES: [&[usize]; 2] = [&[1, 3, 3, 4, 1], &[2, 4, 3, 5, 2]];

/// All cases.
pub(crate) fn all() -> Vec<Case> {
    let families: &[fn() -> Vec<Case>] = &[
        core,
        convolutions,
        poolings,
        adaptive_poolings,
        mergings,
        normalizations,
        shapes,
        dense,
        activations,
        noises,
        preprocessing,
        masks,
        attentions,
        positions,
        recurrent,
        categories,
        sounds,
    ];
    families.iter().flat_map(|family| family()).collect()
}

fn core() -> Vec<Case> {
    [
        each(|| Dense::new(3).activation("tanh"), &[&[1, 1], &[5, 7], &[2, 3, 4]]),
        each(|| Activation::new("silu"), &[&[1, 3], &[3, 2, 5]]),
        each(Flatten::new, &IMAGES),
        each(|| Reshape::new([-1, 1]), &IMAGES),
        each(|| Dropout::new(0.25), &[&[1, 3], &[3, 65], &[2, 4, 5]]),
        each(|| Rescaling::new(0.5).offset(-1.0), &[&[1, 3], &[3, 5]]),
        each(|| Rescaling::new([0.5, 2.0]).offset([1.0, -1.0]), &[&[1, 2], &[2, 3, 2]]),
    ]
    .concat()
}

fn convolutions() -> Vec<Case> {
    [
        each(|| Conv1D::new(3, 3), &LINES),
        each(|| Conv1D::new(2, 3).padding("causal").dilation_rate(2).activation("tanh"), &LINES),
        each(|| Conv1D::new(2, 3).padding("same").strides(2).use_bias(false), &LINES),
        each(|| Conv2D::new(3, 3).activation("relu"), &IMAGES),
        each(|| Conv2D::new(4, (2, 3)).padding("same").strides((2, 1)), &IMAGES),
        each(|| Conv2D::new(4, 3).groups(2), &[&[1, 5, 4, 2], &[2, 4, 4, 6]]),
        each(|| Conv3D::new(2, 2).padding("same"), &VOLUMES),
        each(|| Conv3D::new(2, (2, 3, 1)).strides((1, 1, 2)), &VOLUMES),
        each(|| DepthwiseConv1D::new(3).depth_multiplier(2), &LINES),
        each(|| DepthwiseConv1D::new(2).padding("same").strides(2).activation("tanh"), &LINES),
        each(|| DepthwiseConv2D::new(3).padding("same"), &IMAGES),
        each(|| DepthwiseConv2D::new((2, 3)).depth_multiplier(3).use_bias(false), &IMAGES),
        each(|| SeparableConv1D::new(4, 3).activation("tanh"), &LINES),
        each(|| SeparableConv1D::new(2, 2).depth_multiplier(2).padding("same").strides(2), &LINES),
        each(|| SeparableConv2D::new(5, 3).depth_multiplier(2), &IMAGES),
        each(|| SeparableConv2D::new(2, 3).padding("same").dilation_rate(2), &IMAGES),
        each(|| Conv1DTranspose::new(2, 3), &LINES),
        each(|| Conv1DTranspose::new(3, 2).strides(3).padding("same").activation("tanh"), &LINES),
        each(|| Conv2DTranspose::new(3, 3).strides(2), &IMAGES),
        each(|| Conv2DTranspose::new(2, (3, 4)).strides(2).padding("same"), &IMAGES),
        each(
            || Conv2DTranspose::new(2, 3).strides((2, 3)).padding("same").output_padding(1),
            &IMAGES,
        ),
        each(|| Conv2DTranspose::new(2, 2).dilation_rate(2).use_bias(false), &IMAGES),
        each(|| Conv3DTranspose::new(2, 2).strides(2).padding("same"), &VOLUMES),
    ]
    .concat()
}

fn poolings() -> Vec<Case> {
    [
        each(MaxPooling1D::default, &LINES),
        each(|| MaxPooling1D::new(3).strides(2).padding("same"), &LINES),
        each(MaxPooling2D::default, &IMAGES),
        each(|| MaxPooling2D::new(3).strides(2).padding("same"), &IMAGES),
        each(MaxPooling3D::default, &VOLUMES),
        each(|| MaxPooling3D::new((2, 1, 3)).strides(1).padding("same"), &VOLUMES),
        each(AveragePooling1D::default, &LINES),
        each(|| AveragePooling1D::new(4).strides(3).padding("same"), &LINES),
        each(AveragePooling2D::default, &IMAGES),
        each(|| AveragePooling2D::new((3, 2)).strides(1).padding("same"), &IMAGES),
        each(AveragePooling3D::default, &VOLUMES),
        each(|| AveragePooling3D::new((2, 3, 1)).strides(1).padding("same"), &VOLUMES),
        each(GlobalAveragePooling1D::new, &LINES),
        each(GlobalAveragePooling2D::new, &IMAGES),
        each(|| GlobalAveragePooling2D::new().keepdims(true), &IMAGES),
        each(GlobalAveragePooling3D::new, &VOLUMES),
        each(|| GlobalMaxPooling1D::new().keepdims(true), &LINES),
        each(GlobalMaxPooling2D::new, &IMAGES),
        each(GlobalMaxPooling3D::new, &VOLUMES),
    ]
    .concat()
}

fn mergings() -> Vec<Case> {
    let several: [&[&[usize]]; 5] = [
        &[&[1, 1]],
        &[&[2, 3], &[2, 3]],
        &[&[3, 2, 5], &[3, 1, 5], &[3, 2, 1]],
        &[&[1, 4, 3], &[1, 3]],
        &[&[2, 3], &[2, 1, 4, 3]],
    ];
    let two = &several[1..2].iter().chain(&several[3..]).copied().collect::<Vec<_>>();
    [
        many(Add::new, &several),
        many(Subtract::new, two),
        many(Multiply::new, &several),
        many(Average::new, &several),
        many(Maximum::new, &several),
        many(Minimum::new, &several),
        many(
            Concatenate::new,
            &[&[&[1, 2]], &[&[2, 3], &[2, 1]], &[&[1, 2, 3], &[1, 2, 5], &[1, 2, 2]]],
        ),
        many(|| Concatenate::new().axis(1), &[&[&[2, 3, 5], &[2, 1, 5]]]),
        many(|| Dot::new(1), &[&[&[1, 6], &[1, 6]], &[&[2, 3], &[2, 3, 4]]]),
        many(|| Dot::new([2, 1]), &[&[&[3, 4, 5], &[3, 5, 2]], &[&[1, 2, 3, 2], &[1, 3]]]),
        each(UnitNormalization::new, &[&[1, 3], &[2, 3, 5]]),
        each(|| UnitNormalization::new().axis([1, 2]), &[&[1, 3, 1], &[2, 3, 5]]),
        many(|| Dot::new(-1).normalize(true), &[&[&[2, 4, 5], &[2, 3, 5]], &[&[1, 7], &[1, 7]]]),
    ]
    .concat()
}

fn normalizations() -> Vec<Case> {
    const ROWS: [&[usize]; 3] = [&[2, 3], &[33, 5], &[3, 4, 7]];
    [
        each(BatchNormalization::new, &[&[2, 3], &[33, 5], &[3, 4, 5, 2]]),
        each(|| BatchNormalization::new().axis(1).momentum(0.5).scale(false), &[&[3, 4, 5]]),
        each(|| BatchNormalization::new().center(false).trainable(false), &[&[1, 3], &[4, 2, 3]]),
        each(|| LayerNormalization::new().axis([1, 2]).rms_scaling(true), &[&[2, 3, 4]]),
        each(LayerNormalization::new, &ROWS),
        each(|| LayerNormalization::new().axis([1, 2]).center(false), &[&[1, 4, 5], &[2, 3, 2, 4]]),
        each(|| LayerNormalization::new().axis([1, 3]).scale(false), &[&[2, 3, 2, 4]]),
        each(|| GroupNormalization::new().groups(2), &[&[1, 4], &[2, 3, 6], &[3, 5, 3, 2]]),
        each(|| GroupNormalization::new().groups(-1).axis(1), &[&[2, 3, 4]]),
        each(|| GroupNormalization::new().groups(1).scale(false).center(false), &[&[2, 3, 4]]),
        each(RMSNormalization::new, &ROWS),
        each(|| RMSNormalization::new().axis([1, 2]), &[&[1, 4, 5], &[2, 3, 2, 4]]),
    ]
    .concat()
}

fn shapes() -> Vec<Case> {
    [
        each(|| Permute::new([2, 1]), &LINES),
        each(|| Permute::new([3, 1, 2]), &IMAGES),
        each(|| RepeatVector::new(3), &[&[1, 1], &[2, 5]]),
        each(Identity::new, &[&[1, 1], &[2, 5, 3]]),
        each(ZeroPadding1D::default, &LINES),
        each(|| ZeroPadding2D::new(((1, 0), (2, 3))), &IMAGES),
        each(|| ZeroPadding3D::new((0, 2, 1)), &VOLUMES),
        each(|| Cropping1D::new((1, 2)), &LINES),
        each(|| Cropping2D::new(((1, 2), (0, 1))), &IMAGES),
        each(|| Cropping3D::new([[1, 0], [0, 1], [1, 1]]), &VOLUMES),
        each(|| UpSampling1D::new(3), &LINES),
        each(|| UpSampling2D::new((2, 3)), &IMAGES),
        each(|| UpSampling2D::new((3, 2)).interpolation("bilinear"), &IMAGES),
        each(|| UpSampling2D::new((1, 2)).interpolation("bicubic"), &IMAGES[..1]),
        each(|| UpSampling2D::new(2).interpolation("lanczos5"), &IMAGES[..1]),
        each(|| UpSampling3D::new((2, 1, 3)), &VOLUMES),
    ]
    .concat()
}

fn dense() -> Vec<Case> {
    let whole = |case: Case| case.whole(9);
    let embedding = || Embedding::new(7, 3);
    [
        each(embedding, &[&[1, 1], &[5], &[3, 5], &[2, 3, 2]]).into_iter().map(whole).collect(),
        each(
            || EinsumDense::new("abc,cde->abde", [None, Some(3), Some(4)]).bias_axes("de"),
            &LINES,
        ),
        each(|| EinsumDense::new("...x,xy->...y", 4).bias_axes("y").activation("tanh"), &LINES),
        each(|| EinsumDense::new("...x,xy->...y", 2), &[&[1, 3], &[2, 3, 4, 5]]),
        each(|| EinsumDense::new("ab...,bc->ac...", 4).bias_axes("c"), &LINES),
        each(|| EinsumDense::new("abc,bcd->adb", [Some(2), None]).bias_axes("d"), &LINES),
        each(|| EinsumDense::new("abc,b->ab", [None]), &LINES),
    ]
    .concat()
}

fn activations() -> Vec<Case> {
    const SHAPES: [&[usize]; 3] = [&[1, 1], &[3, 33], &[2, 3, 5]];
    [
        each(Softmax::new, &SHAPES),
        each(|| Softmax::new().axis(1), &SHAPES),
        each(|| Softmax::new().axis([1, 2]), &SHAPES[2..]),
        each(ReLU::new, &SHAPES),
        each(|| ReLU::new().max_value(1.0).negative_slope(0.1).threshold(0.2), &SHAPES),
        each(|| ReLU::new().max_value(0.5).negative_slope(0.25), &SHAPES),
        each(LeakyReLU::new, &SHAPES),
        each(|| ELU::new().alpha(0.7), &SHAPES),
        each(PReLU::new, &SHAPES),
        each(|| PReLU::new().shared_axes([1, 2]), &IMAGES),
        each(|| ActivityRegularization::new().l1(0.5).l2(0.25), &SHAPES)
            .into_iter()
            .map(Case::of_f32)
            .collect(),
    ]
    .concat()
}

fn noises() -> Vec<Case> {
    const SHAPES: [&[usize]; 3] = [&[1, 1], &[3, 65], &[2, 4, 5]];
    [
        each(|| SpatialDropout1D::new(0.5), &LINES),
        each(|| SpatialDropout2D::new(0.5), &IMAGES),
        each(|| SpatialDropout3D::new(0.25), &VOLUMES),
        each(|| GaussianNoise::new(0.5), &SHAPES),
        each(|| GaussianDropout::new(0.25), &SHAPES),
        each(|| AlphaDropout::new(0.25), &SHAPES),
        each(|| AlphaDropout::new(0.5).noise_shape([None, Some(1)]), &[&[3, 4]]),
    ]
    .concat()
}

fn preprocessing() -> Vec<Case> {
    let encoding = |mode| CategoryEncoding::new(5).output_mode(mode);
    let whole = |case: Case| case.whole(6);
    let statistics = || Normalization::new().mean([1.0, 2.0, 3.0]).variance([4.0, 0.0, 9.0]);
    [
        each(statistics, &[&[1, 3], &[2, 5, 3]]),
        each(|| statistics().invert(true), &[&[1, 3], &[2, 5, 3]]),
        each(|| Normalization::new().mean(1.0).variance(2.0).axis([1, 2]), &LINES),
        each(|| encoding("multi_hot"), &[&[1, 1], &[3, 4]]).into_iter().map(whole).collect(),
        each(|| encoding("one_hot"), &[&[1, 1], &[3, 4]]).into_iter().map(whole).collect(),
        each(|| encoding("count"), &[&[1, 1], &[3, 4]]).into_iter().map(whole).collect(),
        each(|| Resizing::new(3, 8), &IMAGES),
        each(|| Resizing::new(3, 2).interpolation("bicubic").antialias(true), &IMAGES),
        each(|| Resizing::new(4, 2).crop_to_aspect_ratio(true), &IMAGES),
        each(|| Resizing::new(4, 9).pad_to_aspect_ratio(true).fill_value(2.0), &IMAGES),
        each(|| CenterCrop::new(3, 2), &IMAGES),
        each(|| CenterCrop::new(5, 4), &IMAGES),
        each(|| RandomFlip::new("horizontal"), &IMAGES),
        each(RandomFlip::default, &IMAGES),
        each(|| RandomRotation::new(0.3), &IMAGES),
        each(|| RandomRotation::new((-0.5, 0.1)).fill_mode("constant").fill_value(1.0), &IMAGES),
        each(|| RandomRotation::new(0.3).fill_mode("wrap").interpolation("nearest"), &IMAGES),
        each(|| RandomTranslation::new(0.3, (-0.2, 0.4)), &IMAGES),
        each(|| RandomZoom::new(0.3).fill_mode("nearest"), &IMAGES),
        each(|| RandomZoom::new((-0.5, -0.1)).width_factor(0.2), &IMAGES),
        each(|| RandomCrop::new(2, 2), &IMAGES),
        each(|| RandomCrop::new(9, 3), &IMAGES),
        each(|| RandomContrast::new((0.2, 0.4)).value_range([-1.2, 1.3]), &IMAGES),
    ]
    .concat()
}

fn categories() -> Vec<Case> {
    let lookup = |mode: &str| {
        let lookup =
            IntegerLookup::new().vocabulary([4_i64, 0, 3]).num_oov_indices(2).mask_token(1);
        let lookup = lookup.output_mode(mode);
        if mode == "tf_idf" { lookup.idf_weights([0.5, 2.0, 1.5]) } else { lookup }
    };
    let bins =
        |mode: &str| Discretization::new().bin_boundaries([1.0, 3.0, 3.0, 4.5]).output_mode(mode);
    let whole = |case: Case| case.whole(6);
    ["one_hot", "multi_hot", "count", "tf_idf"]
        .into_iter()
        .flat_map(|mode| {
            let shapes: [&[usize]; 3] = [&[1, 1], &[3, 4], &[2, 3, 5]];
            let lookups = each(|| lookup(mode), &shapes);
            let bins = if mode == "tf_idf" { vec![] } else { each(|| bins(mode), &shapes) };
            lookups.into_iter().chain(bins).map(whole)
        })
        .collect()
}

fn sounds() -> Vec<Case> {
    const SIGNALS: [&[usize]; 2] = [&[1, 20, 1], &[2, 23, 2]];
    let spectrogram = |mode: &str| STFTSpectrogram::new().mode(mode).frame_length(6).frame_step(4);
    let mel = || MelSpectrogram::new().fft_length(12).sequence_stride(5).num_mel_bins(3);
    [
        each(|| spectrogram("log"), &SIGNALS),
        each(|| spectrogram("magnitude").padding("same").expand_dims(true), &SIGNALS),
        each(|| spectrogram("psd").fft_length(9).window("hamming"), &SIGNALS),
        each(|| spectrogram("real").scaling(None), &SIGNALS),
        each(|| spectrogram("imag").window(Window::None), &SIGNALS),
        each(|| spectrogram("stft").expand_dims(true), &SIGNALS),
        each(mel, &[&[1, 20], &[2, 33]]),
        each(|| mel().power_to_db(false).mag_exp(1.5), &[&[2, 20]]),
        each(|| mel().fft_length(7).sequence_length(5).window([1.0; 5]), &[&[2, 20]]),
    ]
    .concat()
}

fn adaptive_poolings() -> Vec<Case> {
    [
        each(|| AdaptiveMaxPooling1D::new(3), &LINES),
        each(|| AdaptiveMaxPooling2D::new((2, 3)), &IMAGES),
        each(|| AdaptiveMaxPooling3D::new((1, 2, 3)), &VOLUMES),
        each(|| AdaptiveAveragePooling1D::new(4), &LINES),
        each(|| AdaptiveAveragePooling2D::new((3, 2)), &IMAGES),
        each(|| AdaptiveAveragePooling3D::new((2, 3, 1)), &VOLUMES),
    ]
    .concat()
}

fn masks() -> Vec<Case> {
    let masked = |cases: Vec<Case>| cases.into_iter().map(Case::masked).collect::<Vec<_>>();
    [
        each(Masking::new, &LINES),
        each(|| Masking::new().mask_value(0.5), &[&[2, 3, 2, 2]]),
        masked(each(BatchNormalization::new, &LINES)),
        masked(each(GlobalAveragePooling1D::new, &LINES)),
        masked(each(|| GlobalAveragePooling1D::new().keepdims(true), &LINES)),
        masked(each(Softmax::new, &LINES)),
        masked(each(|| Softmax::new().axis([1, 2]), &LINES)),
        masked(many(Add::new, &[&[&[2, 4, 3], &[2, 4, 3]]])),
        masked(many(Concatenate::new, &[&[&[2, 4, 3], &[2, 4, 1]]])),
    ]
    .concat()
}

fn attentions() -> Vec<Case> {
    const PAIRS: [&[&[usize]]; 3] = [
        &[&[1, 1, 2], &[1, 1, 2]],
        &[&[2, 4, 3], &[2, 5, 3]],
        &[&[3, 3, 6], &[3, 17, 6], &[3, 17, 6]],
    ];
    const APART: [&[&[usize]]; 1] = [&[&[2, 3, 4], &[2, 5, 3], &[2, 5, 6]]];
    const PLANES: [&[&[usize]]; 1] = [&[&[2, 3, 2, 4], &[2, 3, 5, 4]]];
    let masked = |cases: Vec<Case>| cases.into_iter().map(Case::masked).collect::<Vec<_>>();
    let with = |cases: Vec<Case>, name: &str| {
        cases.into_iter().map(|case| case.with(name, true)).collect::<Vec<_>>()
    };
    let heads = || MultiHeadAttention::new(2, 3);
    let groups = || GroupQueryAttention::new(3, 4, 2);
    [
        many(heads, &PAIRS),
        many(|| heads().value_dim(2).output_shape([2, 2]).use_bias(false), &APART),
        masked(many(heads, &PAIRS)),
        masked(many(|| heads().dropout(0.25).use_gate(true), &PAIRS)),
        with(many(|| heads().sliding_window(2), &PAIRS), "use_causal_mask"),
        with(masked(many(heads, &PAIRS)), "return_attention_scores"),
        many(|| heads().attention_axes(2), &PLANES),
        many(heads, &PLANES),
        many(groups, &PAIRS),
        masked(many(|| groups().use_gate(true).dropout(0.5), &PAIRS)),
        with(many(|| groups().sliding_window(3), &PAIRS), "use_causal_mask"),
        many(Attention::new, &PAIRS),
        masked(many(|| Attention::new().use_scale(true).dropout(0.25), &PAIRS)),
        many(|| Attention::new().use_scale(true).score_mode("concat"), &PAIRS),
        with(many(|| Attention::new().score_mode("concat"), &PAIRS), "use_causal_mask"),
        masked(many(AdditiveAttention::new, &PAIRS)),
        with(many(|| AdditiveAttention::new().use_scale(false), &PAIRS), "return_attention_scores"),
    ]
    .concat()
}

fn positions() -> Vec<Case> {
    const SEQUENCES: [&[usize]; 3] = [&[1, 1, 2], &[2, 5, 4], &[3, 9, 6]];
    let whole = |cases: Vec<Case>| cases.into_iter().map(|case| case.whole(7)).collect::<Vec<_>>();
    let reverse = |cases: Vec<Case>| {
        cases.into_iter().map(|case| case.with("reverse", true)).collect::<Vec<_>>()
    };
    let from_two = |cases: Vec<Case>| {
        cases.into_iter().map(|case| case.with("start_index", 2)).collect::<Vec<_>>()
    };
    [
        whole(each(|| PositionEmbedding::new(11), &SEQUENCES)),
        whole(from_two(each(|| PositionEmbedding::new(11), &SEQUENCES))),
        whole(each(SinePositionEncoding::new, &SEQUENCES)),
        whole(from_two(each(|| SinePositionEncoding::new().max_wavelength(50.0), &SEQUENCES))),
        each(RotaryEmbedding::new, &SEQUENCES),
        from_two(each(
            || RotaryEmbedding::new().rope_type("dynamic").scaling_factor(2.0),
            &SEQUENCES,
        )),
        each(|| RotaryEmbedding::new().rope_type("yarn").scaling_factor(4.0), &[&[2, 3, 2, 8]]),
        each(|| RotaryEmbedding::new().sequence_axis(2).feature_axis(1), &[&[2, 4, 3, 2]]),
        whole(each(|| TokenAndPositionEmbedding::new(7, 9, 2), &[&[1, 1], &[3, 5]])),
        whole(each(|| ReversibleEmbedding::new(7, 2), &[&[1, 1], &[3, 5], &[4]])),
        reverse(each(
            || ReversibleEmbedding::new(7, 2).logit_soft_cap(3.0),
            &[&[1, 2], &[3, 5, 2]],
        )),
    ]
    .concat()
}

/// `2x`, of which the gradient says half.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Half {
    #[serde(flatten)]
    base: Base,
}

brolga_nn::layer!(Half);

impl Layer for Half {
    fn base(&self) -> &Base {
        &self.base
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |_, x| &x + x.stop_gradient())
    }
}

fn recurrent() -> Vec<Case> {
    const STEPS: [&[usize]; 3] = [&[1, 1, 1], &[2, 3, 2], &[3, 4, 5]];
    const STATES: [&[&[usize]]; 1] = [&[&[2, 3, 2], &[2, 4]]];
    const TWO_STATES: [&[&[usize]]; 1] = [&[&[2, 3, 2], &[2, 4], &[2, 4]]];
    let masked = |cases: Vec<Case>| cases.into_iter().map(Case::masked).collect::<Vec<_>>();
    let all = |layer: LSTM| layer.return_sequences(true);
    [
        each(|| SimpleRNN::new(3), &STEPS),
        each(|| SimpleRNN::new(2).return_sequences(true).unroll(true), &STEPS),
        masked(many(|| SimpleRNN::new(4).return_state(true), &STATES)),
        each(|| LSTM::new(3), &STEPS),
        each(|| all(LSTM::new(2)).go_backwards(true).return_state(true), &STEPS),
        each(|| LSTM::new(3).dropout(0.25).recurrent_dropout(0.5).use_bias(false), &STEPS),
        masked(each(|| all(LSTM::new(3)), &STEPS)),
        masked(each(|| LSTM::new(3).zero_output_for_mask(true), &STEPS)),
        masked(many(|| all(LSTM::new(4)).zero_output_for_mask(true), &TWO_STATES)),
        each(|| GRU::new(3), &STEPS),
        each(|| GRU::new(3).reset_after(false).recurrent_dropout(0.5), &STEPS),
        masked(many(|| GRU::new(4).return_sequences(true), &STATES)),
        each(|| RNN::new(vec![LSTMCell::new(2), LSTMCell::new(3)]).return_state(true), &STEPS),
        masked(each(|| RNN::new(GRUCell::new(2)).return_sequences(true), &STEPS)),
        each(|| Bidirectional::new(LSTM::new(2)), &STEPS),
        each(|| Bidirectional::new(GRU::new(2).return_sequences(true)).merge_mode("mul"), &STEPS),
        masked(each(|| Bidirectional::new(all(LSTM::new(2))).merge_mode("ave"), &STEPS)),
        each(|| Bidirectional::new(SimpleRNN::new(2).return_state(true)).merge_mode(None), &STEPS),
        each(|| ConvLSTM1D::new(2, 2), &[&[1, 1, 2, 1], &[2, 3, 5, 2]]),
        each(
            || ConvLSTM2D::new(2, (2, 3)).padding("same").strides(2).return_sequences(true),
            &[&[2, 3, 5, 4, 2]],
        ),
        masked(each(|| ConvLSTM2D::new(1, 3).recurrent_dropout(0.5), &[&[2, 2, 3, 4, 1]])),
        each(|| ConvLSTM3D::new(1, 2).return_state(true), &[&[1, 2, 2, 3, 2, 1]]),
        each(|| TimeDistributed::new(Dense::new(2).activation("tanh")), &STEPS),
        each(|| TimeDistributed::new(BatchNormalization::new()), &STEPS),
        masked(each(|| TimeDistributed::new(Dropout::new(0.5)), &STEPS)),
    ]
    .concat()
}
