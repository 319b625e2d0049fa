//! The layers and their sizes.

use std::sync::Arc;

use brolga::ir::Type;
use brolga::nn::layers::Layer;
use brolga::prelude::*;

/// A layer with inputs of these shapes, the batch included.
pub(super) struct SizedLayer {
    pub(super) layer: Arc<dyn Layer>,
    shapes: Vec<Vec<usize>>,
    /// Inputs are whole numbers, by which nothing is differentiated.
    pub(super) whole: bool,
    size: &'static str,
}

impl SizedLayer {
    /// `Conv2D, large`.
    pub(super) fn name(&self) -> String {
        format!("{}, {}", self.layer.class_name(), self.size)
    }

    pub(super) fn inputs(&self) -> Vec<Type> {
        self.shapes.iter().map(|shape| Type::f32(shape.clone())).collect()
    }
}

/// Shapes at which layers of a kind are measured: the small one fits the caches, the large one is
/// that of a layer in the middle of a network of today.
#[derive(Clone, Copy)]
struct Sizes([&'static [usize]; 2]);

const ROWS: Sizes = Sizes([&[32, 64], &[256, 1024]]);
const LINES: Sizes = Sizes([&[8, 64, 16], &[32, 256, 64]]);
const IMAGES: Sizes = Sizes([&[8, 16, 16, 16], &[16, 56, 56, 64]]);
const VOLUMES: Sizes = Sizes([&[2, 8, 8, 8, 16], &[4, 16, 16, 16, 64]]);
const STEPS: Sizes = Sizes([&[16, 16, 32], &[32, 64, 128]]);
const PICTURES: Sizes = Sizes([&[8, 32, 32, 3], &[32, 224, 224, 3]]);
const FRAMES: Sizes = Sizes([&[2, 4, 8, 8, 8], &[4, 8, 32, 32, 16]]);
const INDICES: Sizes = Sizes([&[16, 16], &[64, 256]]);
const SOUNDS: Sizes = Sizes([&[2, 2000], &[8, 16_000]]);
const WAVES: Sizes = Sizes([&[2, 2000, 1], &[8, 16_000, 1]]);

type All = Vec<SizedLayer>;

fn add(all: &mut All, copies: usize, sizes: Sizes, layer: impl Layer + 'static) {
    let layer: Arc<dyn Layer> = Arc::new(layer);
    for (shape, size) in sizes.0.into_iter().zip(["small", "large"]) {
        let shapes = vec![shape.to_vec(); copies];
        all.push(SizedLayer { layer: layer.clone(), shapes, whole: false, size });
    }
}

fn one(all: &mut All, sizes: Sizes, layer: impl Layer + 'static) {
    add(all, 1, sizes, layer);
}

fn whole(all: &mut All, sizes: Sizes, layer: impl Layer + 'static) {
    let first = all.len();
    add(all, 1, sizes, layer);
    all[first..].iter_mut().for_each(|sized| sized.whole = true);
}

/// All layers but those that compute nothing.
pub(super) fn all() -> Vec<SizedLayer> {
    let mut all = vec![];
    core(&mut all);
    convolutions(&mut all);
    poolings(&mut all);
    mergings(&mut all);
    normalizations(&mut all);
    shapes(&mut all);
    activations(&mut all);
    noises(&mut all);
    preprocessing(&mut all);
    sequences(&mut all);
    all
}

fn core(all: &mut All) {
    one(all, Sizes([&[32, 64], &[256, 1024]]), Dense::new(1024).activation("relu"));
    one(all, LINES, EinsumDense::new("abc,cd->abd", [None, Some(64)]).bias_axes("d"));
    one(all, ROWS, Activation::new("gelu"));
    whole(all, INDICES, Embedding::new(10_000, 64));
    whole(all, INDICES, PositionEmbedding::new(256));
    whole(all, INDICES, TokenAndPositionEmbedding::new(10_000, 256, 64));
    whole(all, INDICES, ReversibleEmbedding::new(10_000, 64));
}

fn convolutions(all: &mut All) {
    one(all, LINES, Conv1D::new(64, 3).padding("same").activation("relu"));
    one(all, IMAGES, Conv2D::new(64, 3).padding("same").activation("relu"));
    one(all, VOLUMES, Conv3D::new(64, 3).padding("same").activation("relu"));
    one(all, LINES, Conv1DTranspose::new(64, 3).strides(2).padding("same"));
    one(all, IMAGES, Conv2DTranspose::new(64, 3).strides(2).padding("same"));
    one(all, VOLUMES, Conv3DTranspose::new(32, 3).strides(2).padding("same"));
    one(all, LINES, DepthwiseConv1D::new(3).padding("same"));
    one(all, IMAGES, DepthwiseConv2D::new(3).padding("same"));
    one(all, LINES, SeparableConv1D::new(64, 3).padding("same"));
    one(all, IMAGES, SeparableConv2D::new(64, 3).padding("same"));
}

fn poolings(all: &mut All) {
    one(all, LINES, MaxPooling1D::default());
    one(all, IMAGES, MaxPooling2D::default());
    one(all, VOLUMES, MaxPooling3D::default());
    one(all, LINES, AveragePooling1D::default());
    one(all, IMAGES, AveragePooling2D::default());
    one(all, VOLUMES, AveragePooling3D::default());
    one(all, LINES, GlobalMaxPooling1D::new());
    one(all, IMAGES, GlobalMaxPooling2D::new());
    one(all, VOLUMES, GlobalMaxPooling3D::new());
    one(all, LINES, GlobalAveragePooling1D::new());
    one(all, IMAGES, GlobalAveragePooling2D::new());
    one(all, VOLUMES, GlobalAveragePooling3D::new());
    one(all, LINES, AdaptiveMaxPooling1D::new(5));
    one(all, IMAGES, AdaptiveMaxPooling2D::new(7));
    one(all, VOLUMES, AdaptiveMaxPooling3D::new(3));
    one(all, LINES, AdaptiveAveragePooling1D::new(5));
    one(all, IMAGES, AdaptiveAveragePooling2D::new(7));
    one(all, VOLUMES, AdaptiveAveragePooling3D::new(3));
}

fn mergings(all: &mut All) {
    add(all, 2, ROWS, Add::new());
    add(all, 2, ROWS, Subtract::new());
    add(all, 2, ROWS, Multiply::new());
    add(all, 2, ROWS, Average::new());
    add(all, 2, ROWS, Maximum::new());
    add(all, 2, ROWS, Minimum::new());
    add(all, 2, ROWS, Concatenate::new());
    add(all, 2, LINES, Dot::new(2));
}

fn normalizations(all: &mut All) {
    one(all, IMAGES, BatchNormalization::new());
    one(all, ROWS, LayerNormalization::new());
    one(all, IMAGES, GroupNormalization::new().groups(8));
    one(all, ROWS, RMSNormalization::new());
    one(all, ROWS, UnitNormalization::new());
}

fn shapes(all: &mut All) {
    one(all, LINES, Permute::new([2, 1]));
    one(all, ROWS, RepeatVector::new(8));
    one(all, LINES, ZeroPadding1D::default());
    one(all, IMAGES, ZeroPadding2D::default());
    one(all, VOLUMES, ZeroPadding3D::default());
    one(all, LINES, Cropping1D::new(1));
    one(all, IMAGES, Cropping2D::new(1));
    one(all, VOLUMES, Cropping3D::new(1));
    one(all, LINES, UpSampling1D::new(2));
    one(all, IMAGES, UpSampling2D::new(2));
    one(all, VOLUMES, UpSampling3D::new(2));
}

fn activations(all: &mut All) {
    one(all, ROWS, Softmax::new());
    one(all, ROWS, ReLU::new());
    one(all, ROWS, LeakyReLU::new());
    one(all, ROWS, ELU::new());
    one(all, IMAGES, PReLU::new().shared_axes([1, 2]));
    one(all, ROWS, ActivityRegularization::new().l2(0.25));
}

fn noises(all: &mut All) {
    one(all, ROWS, Dropout::new(0.25));
    one(all, LINES, SpatialDropout1D::new(0.5));
    one(all, IMAGES, SpatialDropout2D::new(0.5));
    one(all, VOLUMES, SpatialDropout3D::new(0.5));
    one(all, ROWS, GaussianNoise::new(0.5));
    one(all, ROWS, GaussianDropout::new(0.25));
    one(all, ROWS, AlphaDropout::new(0.25));
}

fn preprocessing(all: &mut All) {
    one(all, PICTURES, Rescaling::new(1.0 / 255.0));
    one(all, PICTURES, Normalization::new().mean([0.5, 0.4, 0.3]).variance([0.1, 0.1, 0.2]));
    one(all, PICTURES, Resizing::new(96, 96));
    one(all, PICTURES, CenterCrop::new(24, 24));
    one(all, PICTURES, RandomFlip::default());
    one(all, PICTURES, RandomRotation::new(0.1));
    one(all, PICTURES, RandomTranslation::new(0.1, 0.1));
    one(all, PICTURES, RandomZoom::new(0.1));
    one(all, PICTURES, RandomCrop::new(24, 24));
    one(all, PICTURES, RandomContrast::new(0.2));
    whole(all, INDICES, CategoryEncoding::new(8));
    whole(all, INDICES, IntegerLookup::new().vocabulary([4_i64, 0, 3]));
    one(all, ROWS, Discretization::new().bin_boundaries([0.0, 1.0, 3.0]));
    one(all, WAVES, STFTSpectrogram::new().frame_length(256).frame_step(128));
    one(all, SOUNDS, MelSpectrogram::new().fft_length(512).sequence_stride(128));
}

fn sequences(all: &mut All) {
    one(all, STEPS, Masking::new());
    one(all, STEPS, SimpleRNN::new(128));
    one(all, STEPS, LSTM::new(128));
    one(all, STEPS, GRU::new(128));
    one(all, STEPS, RNN::new(LSTMCell::new(128)));
    one(all, STEPS, Bidirectional::new(GRU::new(64).return_sequences(true)));
    one(all, STEPS, TimeDistributed::new(Dense::new(128)));
    one(all, Sizes([&[2, 4, 16, 8], &[4, 8, 64, 32]]), ConvLSTM1D::new(32, 3).padding("same"));
    one(all, FRAMES, ConvLSTM2D::new(32, 3).padding("same"));
    one(
        all,
        Sizes([&[1, 2, 4, 4, 4, 4], &[2, 4, 8, 8, 8, 8]]),
        ConvLSTM3D::new(16, 3).padding("same"),
    );
    add(all, 2, STEPS, Attention::new());
    add(all, 2, Sizes([&[4, 8, 16], &[8, 32, 64]]), AdditiveAttention::new());
    add(all, 2, STEPS, MultiHeadAttention::new(4, 32));
    add(all, 2, STEPS, GroupQueryAttention::new(32, 4, 2));
    one(all, STEPS, SinePositionEncoding::new());
    one(all, STEPS, RotaryEmbedding::new());
}
