//! Layers that do not fit their input, family by family.

use brolga_ir::{Tracer, Type, Var};
use brolga_nn::prelude::*;
use brolga_nn::registry::from_config;
use brolga_nn::trace::{Call, Context, Weights};
use ndarray::Array2;
use serde_json::json;

use crate::ranges::all;
use crate::{built, message};

const LINE: [usize; 2] = [5, 3];
const IMAGE: [usize; 3] = [4, 5, 3];
const VOLUME: [usize; 4] = [3, 4, 5, 2];

#[test]
fn convolutions() {
    insta::assert_snapshot!(all([
        built(&IMAGE, Conv1D::new(2, 3)),
        built(&LINE, Conv1D::new(2, 6)),
        built(&LINE, Conv1D::new(4, 3).groups(2)),
        built(&LINE, Conv1D::new(2, 3).padding("full")),
        built(&IMAGE, Conv2D::new(2, 3).padding("causal")),
        built(&IMAGE, Conv3D::new(2, 3)),
        built(&VOLUME, Conv3D::new(2, (4, 1, 1))),
        built(&IMAGE, DepthwiseConv1D::new(3)),
        built(&LINE, DepthwiseConv1D::new(3).padding("causal")),
        built(&IMAGE, DepthwiseConv2D::new((5, 2))),
        built(&IMAGE, DepthwiseConv2D::new(2).depth_multiplier(0)),
        built(&LINE, SeparableConv2D::new(2, 3)),
        built(&LINE, SeparableConv1D::new(2, 7)),
        built(&VOLUME, Conv2DTranspose::new(2, 3)),
        built(&IMAGE, Conv2DTranspose::new(2, 3).strides(2).output_padding((1, 2))),
        built(&[1, 2], Conv1DTranspose::new(2, 2).padding("same").output_padding(0)),
        built(&[0, 2], Conv1DTranspose::new(2, 2)),
        built(&LINE, Conv1DTranspose::new(2, 3).padding("full")),
        built(&LINE, Conv1DTranspose::new(2, 3).strides(usize::MAX)),
        built(&LINE, DepthwiseConv1D::new(3).depth_multiplier(usize::MAX)),
    ]), @r#"
    layer `conv1d`: Conv1D takes sequences (None, steps, channels), given (None, 4, 5, 3);  help: sequences without a channel axis need one of extent 1: Input::new([28, 1])
    layer `conv1d`: `conv`: a window of length 6 is larger than its input of length 5;  help: make the window smaller, the input larger, or use padding
    layer `conv1d`: 2 groups cannot share 3 channels and 4 filters evenly;  help: both must be multiples of the number of groups
    layer `conv1d`: there is no padding `full`;  help: padding is "valid", "same" or "causal"
    layer `conv2d`: there is no padding `causal`;  help: padding is "valid" or "same"
    layer `conv3d`: Conv3D takes volumes (None, depth, height, width, channels), given (None, 4, 5, 3);  help: volumes without a channel axis need one of extent 1: Input::new([28, 28, 28, 1])
    layer `conv3d`: `conv`: a window of depth 4 is larger than its input of depth 3;  help: make the window smaller, the input larger, or use padding
    layer `depthwise_conv1d`: DepthwiseConv1D takes sequences (None, steps, channels), given (None, 4, 5, 3);  help: sequences without a channel axis need one of extent 1: Input::new([28, 1])
    layer `depthwise_conv1d`: there is no padding `causal`;  help: padding is "valid" or "same"
    layer `depthwise_conv2d`: `conv`: a window of height 5 is larger than its input of height 4;  help: make the window smaller, the input larger, or use padding
    layer `depthwise_conv2d`: DepthwiseConv2D: `depth_multiplier` is 0;  help: it must be a whole number from 1 on
    layer `separable_conv2d`: SeparableConv2D takes images (None, height, width, channels), given (None, 5, 3);  help: images without a channel axis need one of extent 1: Input::new([28, 28, 1])
    layer `separable_conv1d`: `conv`: a window of length 7 is larger than its input of length 5;  help: make the window smaller, the input larger, or use padding
    layer `conv2d_transpose`: Conv2DTranspose takes images (None, height, width, channels), given (None, 3, 4, 5, 2);  help: images without a channel axis need one of extent 1: Input::new([28, 28, 1])
    layer `conv2d_transpose`: output_padding [1, 2] is not smaller than strides [2, 2];  help: more of it would be outputs that no window reaches: leave it out, or make the strides larger
    layer `conv1d_transpose`: the output of an input of 1 under a window of 2 with padding `same` is empty or too large;  help: choose another kernel_size, strides or padding, or another input
    layer `conv1d_transpose`: the output of an input of 0 under a window of 2 with padding `valid` is empty or too large;  help: choose another kernel_size, strides or padding, or another input
    layer `conv1d_transpose`: there is no padding `full`;  help: padding is "valid" or "same"
    layer `conv1d_transpose`: the output of an input of 5 under a window of 3 with padding `valid` is empty or too large;  help: choose another kernel_size, strides or padding, or another input
    layer `depthwise_conv1d`: `parameter`: a tensor of type f32[3,3,18446744073709551615] is larger than the limit of 64 TiB
    "#);
    let config = json!({"class_name": "Conv1D", "config": {"filters": 1, "kernel_size": [3, 3]}});
    insta::assert_snapshot!(message(from_config::<dyn Layer>(&config)), @"Conv1D: `kernel_size`: expected one number, given [3, 3]");
    let config = json!({"class_name": "Conv3D", "config": {"filters": 1, "kernel_size": [3, 3]}});
    insta::assert_snapshot!(message(from_config::<dyn Layer>(&config)), @"Conv3D: `kernel_size`: expected one or three numbers, given [3, 3]");
}

#[test]
fn poolings() {
    insta::assert_snapshot!(all([
        built(&IMAGE, MaxPooling1D::default()),
        built(&LINE, MaxPooling1D::new(6)),
        built(&LINE, MaxPooling1D::new(2).padding("causal")),
        built(&LINE, MaxPooling1D::new(0)),
        built(&LINE, AveragePooling3D::default()),
        built(&VOLUME, AveragePooling3D::new((4, 1, 1))),
        built(&LINE, AveragePooling1D::new(2).strides(0)),
        built(&IMAGE, MaxPooling3D::new(2)),
        built(&IMAGE, GlobalAveragePooling1D::new()),
        built(&LINE, GlobalAveragePooling2D::new()),
        built(&IMAGE, GlobalAveragePooling3D::new()),
        built(&IMAGE, GlobalMaxPooling1D::new()),
        built(&LINE, GlobalMaxPooling2D::new()),
        built(&IMAGE, GlobalMaxPooling3D::new()),
    ]), @r#"
    layer `max_pooling1d`: MaxPooling1D takes sequences (None, steps, channels), given (None, 4, 5, 3);  help: sequences without a channel axis need one of extent 1: Input::new([28, 1])
    layer `max_pooling1d`: `max_pool`: a window of length 6 is larger than its input of length 5;  help: make the window smaller, the input larger, or use padding
    layer `max_pooling1d`: there is no padding `causal`;  help: padding is "valid" or "same"
    layer `max_pooling1d`: MaxPooling1D: `pool_size` is 0;  help: it must be a whole number from 1 on
    layer `average_pooling3d`: AveragePooling3D takes volumes (None, depth, height, width, channels), given (None, 5, 3);  help: volumes without a channel axis need one of extent 1: Input::new([28, 28, 28, 1])
    layer `average_pooling3d`: `avg_pool`: a window of depth 4 is larger than its input of depth 3;  help: make the window smaller, the input larger, or use padding
    layer `average_pooling1d`: AveragePooling1D: `strides` is 0;  help: it must be a whole number from 1 on
    layer `max_pooling3d`: MaxPooling3D takes volumes (None, depth, height, width, channels), given (None, 4, 5, 3);  help: volumes without a channel axis need one of extent 1: Input::new([28, 28, 28, 1])
    layer `global_average_pooling1d`: GlobalAveragePooling1D takes sequences (None, steps, channels), given (None, 4, 5, 3);  help: sequences without a channel axis need one of extent 1: Input::new([28, 1])
    layer `global_average_pooling2d`: GlobalAveragePooling2D takes images (None, height, width, channels), given (None, 5, 3);  help: images without a channel axis need one of extent 1: Input::new([28, 28, 1])
    layer `global_average_pooling3d`: GlobalAveragePooling3D takes volumes (None, depth, height, width, channels), given (None, 4, 5, 3);  help: volumes without a channel axis need one of extent 1: Input::new([28, 28, 28, 1])
    layer `global_max_pooling1d`: GlobalMaxPooling1D takes sequences (None, steps, channels), given (None, 4, 5, 3);  help: sequences without a channel axis need one of extent 1: Input::new([28, 1])
    layer `global_max_pooling2d`: GlobalMaxPooling2D takes images (None, height, width, channels), given (None, 5, 3);  help: images without a channel axis need one of extent 1: Input::new([28, 28, 1])
    layer `global_max_pooling3d`: GlobalMaxPooling3D takes volumes (None, depth, height, width, channels), given (None, 4, 5, 3);  help: volumes without a channel axis need one of extent 1: Input::new([28, 28, 28, 1])
    "#);
}

/// The mistake of a layer with inputs of these shapes, the batch included.
fn merged(layer: impl Layer, shapes: &[&[usize]]) -> String {
    let types: Vec<Type> = shapes.iter().map(|&shape| Type::f32(shape)).collect();
    if let Err(mistake) = layer.build(&types) {
        return mistake.to_string();
    }
    let tracer = Tracer::new("layer");
    let input = |(place, ty): (usize, Type)| tracer.input(&format!("x{place}"), ty);
    let inputs: Vec<Var> = types.into_iter().enumerate().map(input).collect();
    let mut context = Context::inference(&tracer);
    layer.call(&mut Call::new(&mut context, &mut Weights::default()), &inputs);
    tracer.error().expect("a mistake").mistake.to_string()
}

#[test]
fn mergings() {
    insta::assert_snapshot!(all([
        merged(Add::new(), &[&[2, 3], &[2, 4]]),
        merged(Multiply::new(), &[&[2, 3, 4], &[2, 4], &[2, 3]]),
        merged(Maximum::new(), &[]),
        merged(Minimum::new(), &[&[2, 3], &[3, 3]]),
        merged(Average::new(), &[]),
        merged(Subtract::new(), &[&[2, 3]]),
        merged(Subtract::new(), &[&[2, 3], &[2, 3], &[2, 3]]),
        merged(Subtract::new(), &[]),
        merged(Subtract::new(), &[&[2, 3], &[2, 4]]),
        merged(Concatenate::new(), &[]),
        merged(Concatenate::new(), &[&[2, 3, 4], &[2, 3]]),
        merged(Concatenate::new().axis(1), &[&[2, 3, 4], &[2, 3, 5]]),
        merged(Concatenate::new().axis(0), &[&[2, 3], &[2, 3]]),
        merged(Concatenate::new().axis(-3), &[&[2, 3], &[2, 3]]),
        merged(Concatenate::new().axis(2), &[&[2, 3], &[2, 3]]),
        merged(Dot::new(1), &[&[2, 3]]),
        merged(Dot::new(1), &[&[2, 3], &[2, 4]]),
        merged(Dot::new([1, 2]), &[&[2, 3], &[2, 4]]),
        merged(Dot::new([1, 1, 1]), &[&[2, 3], &[2, 3]]),
        merged(Dot::new(0), &[&[2, 3], &[2, 3]]),
        merged(Dot::new(1), &[&[2], &[2]]),
    ]), @r"
    Add cannot merge (None, 3), (None, 4);  help: an extent must be the same in all inputs, or 1
    Multiply cannot merge (None, 3, 4), (None, 4), (None, 3);  help: an extent must be the same in all inputs, or 1
    Maximum takes a list of inputs, none was given;  help: give it at least one
    Minimum cannot merge (None, 3), (None, 3);  help: an extent must be the same in all inputs, or 1
    Average takes a list of inputs, none was given;  help: give it at least one
    Subtract takes two inputs, given 1: (None, 3);  help: call it with a list of two
    Subtract takes two inputs, given 3: (None, 3), (None, 3), (None, 3);  help: call it with a list of two
    Subtract takes two inputs, none was given;  help: call it with a list of two
    Subtract cannot merge (None, 3), (None, 4);  help: an extent must be the same in all inputs, or 1
    Concatenate takes a list of inputs, none was given;  help: give it at least one
    Concatenate cannot put (None, 3, 4), (None, 3) one behind the other along axis -1;  help: the ranks, and the extents of all other axes, must be equal
    Concatenate cannot put (None, 3, 4), (None, 3, 5) one behind the other along axis 1;  help: the ranks, and the extents of all other axes, must be equal
    axis 0 of (None, 3) counts the samples;  help: give another axis: samples are computed one by one
    (None, 3) has no axis -3;  help: there are 1 to 1, or -1 to -1 counted from the last
    (None, 3) has no axis 2;  help: there are 1 to 1, or -1 to -1 counted from the last
    Dot takes two inputs, given 1: (None, 3);  help: call it with a list of two
    Dot sums products along axis 1 of extent 3 and axis 1 of extent 4 of (None, 3), (None, 4);  help: the extents must be equal: choose other axes
    (None, 4) has no axis 2;  help: there are 1 to 1, or -1 to -1 counted from the last
    Dot takes one axis, or one for each input, given [1, 1, 1];  help: give one number, or two
    axis 0 of (None, 3) counts the samples;  help: give another axis: samples are computed one by one
    (None,) has no axis 1;  help: the layer takes inputs with an axis beside the batch
    ");
}

#[test]
fn normalizations() {
    insta::assert_snapshot!(all([
        built(&[], BatchNormalization::new()),
        built(&IMAGE, BatchNormalization::new().axis(4)),
        built(&IMAGE, BatchNormalization::new().axis(0)),
        built(&IMAGE, BatchNormalization::new().momentum(1.5)),
        built(&IMAGE, BatchNormalization::new().epsilon(-1.0)),
        built(&IMAGE, LayerNormalization::new().axis([1, -3])),
        built(&IMAGE, LayerNormalization::new().axis(-4)),
        built(&LINE, LayerNormalization::new().axis(3)),
        built(&LINE, LayerNormalization::new().epsilon(f64::NAN)),
        built(&IMAGE, GroupNormalization::new()),
        built(&IMAGE, GroupNormalization::new().groups(2)),
        built(&IMAGE, GroupNormalization::new().groups(0)),
        built(&IMAGE, GroupNormalization::new().axis(7)),
        built(&IMAGE, RMSNormalization::new().axis([2, 2])),
        built(&IMAGE, RMSNormalization::new().axis(5)),
        built(&IMAGE, UnitNormalization::new().axis(0)),
        built(&IMAGE, UnitNormalization::new().axis(-5)),
    ]), @r"
    layer `batch_normalization`: axis -1 of (None,) counts the samples;  help: give another axis: samples are computed one by one
    layer `batch_normalization`: (None, 4, 5, 3) has no axis 4;  help: there are 1 to 3, or -1 to -3 counted from the last
    layer `batch_normalization`: axis 0 of (None, 4, 5, 3) counts the samples;  help: give another axis: samples are computed one by one
    layer `batch_normalization`: BatchNormalization: `momentum` is 1.5;  help: it must be a number from 0 to 1
    layer `batch_normalization`: BatchNormalization: `epsilon` is -1;  help: it must be a number from 0 on that f32 can hold
    layer `layer_normalization`: axis 1 is given twice in [1, -3];  help: give each axis once
    layer `layer_normalization`: axis -4 of (None, 4, 5, 3) counts the samples;  help: give another axis: samples are computed one by one
    layer `layer_normalization`: (None, 5, 3) has no axis 3;  help: there are 1 to 2, or -1 to -2 counted from the last
    layer `layer_normalization`: LayerNormalization: `epsilon` is NaN;  help: it must be a number from 0 on that f32 can hold
    layer `group_normalization`: 32 groups cannot share 3 channels evenly;  help: the number of channels must be a multiple of it; -1 makes each channel a group
    layer `group_normalization`: 2 groups cannot share 3 channels evenly;  help: the number of channels must be a multiple of it; -1 makes each channel a group
    layer `group_normalization`: 0 groups cannot share 3 channels evenly;  help: the number of channels must be a multiple of it; -1 makes each channel a group
    layer `group_normalization`: (None, 4, 5, 3) has no axis 7;  help: there are 1 to 3, or -1 to -3 counted from the last
    layer `rms_normalization`: axis 2 is given twice in [2, 2];  help: give each axis once
    layer `rms_normalization`: (None, 4, 5, 3) has no axis 5;  help: there are 1 to 3, or -1 to -3 counted from the last
    layer `unit_normalization`: axis 0 of (None, 4, 5, 3) counts the samples;  help: give another axis: samples are computed one by one
    layer `unit_normalization`: (None, 4, 5, 3) has no axis -5;  help: there are 1 to 3, or -1 to -3 counted from the last
    ");
    let config =
        json!({"class_name": "BatchNormalization", "config": {"renorm_clipping": {"rmaxx": 1}}});
    insta::assert_snapshot!(message(from_config::<dyn Layer>(&config)), @"BatchNormalization: `renorm_clipping`: unknown field `rmaxx`, expected one of `rmax`, `rmin`, `dmax`");
}

#[test]
fn shapes() {
    insta::assert_snapshot!(all([
        built(&IMAGE, Permute::new([2, 1])),
        built(&LINE, Permute::new([1, 1])),
        built(&LINE, Permute::new([0, 1])),
        built(&LINE, RepeatVector::new(3)),
        built(&[3], RepeatVector::new(0)),
        built(&[3], RepeatVector::new(usize::MAX)),
        built(&IMAGE, ZeroPadding1D::new(1)),
        built(&LINE, ZeroPadding2D::new(1)),
        built(&IMAGE, ZeroPadding3D::new(1)),
        built(&LINE, ZeroPadding1D::new(usize::MAX)),
        built(&IMAGE, Cropping1D::new(1)),
        built(&LINE, Cropping1D::new((2, 3))),
        built(&IMAGE, Cropping2D::new((1, 3))),
        built(&IMAGE, Cropping2D::new(usize::MAX)),
        built(&LINE, Cropping3D::new(1)),
        built(&IMAGE, UpSampling1D::new(2)),
        built(&LINE, UpSampling1D::new(0)),
        built(&LINE, UpSampling2D::new(2)),
        built(&IMAGE, UpSampling2D::new(2).interpolation("cubic")),
        built(&IMAGE, UpSampling2D::new(usize::MAX)),
        built(&IMAGE, UpSampling2D::new(usize::MAX).interpolation("bilinear")),
        built(&IMAGE, UpSampling3D::new(2)),
    ]), @r"
    layer `permute`: dims [2, 1] is not an order of the axes of (None, 4, 5, 3);  help: each axis but the batch must occur once, counted from 1
    layer `permute`: dims [1, 1] is not an order of the axes of (None, 5, 3);  help: each axis but the batch must occur once, counted from 1
    layer `permute`: dims [0, 1] is not an order of the axes of (None, 5, 3);  help: each axis but the batch must occur once, counted from 1
    layer `repeat_vector`: RepeatVector takes (None, features), given (None, 5, 3);  help: make vectors of the samples first: Flatten::new()
    layer `repeat_vector`: RepeatVector: `n` is 0;  help: it must be a whole number from 1 on
    layer `repeat_vector`: `broadcast`: a tensor of type f32[2,18446744073709551615,3] is larger than the limit of 64 TiB
    layer `zero_padding1d`: ZeroPadding1D takes sequences (None, steps, channels), given (None, 4, 5, 3);  help: sequences without a channel axis need one of extent 1: Input::new([28, 1])
    layer `zero_padding2d`: ZeroPadding2D takes images (None, height, width, channels), given (None, 5, 3);  help: images without a channel axis need one of extent 1: Input::new([28, 28, 1])
    layer `zero_padding3d`: ZeroPadding3D takes volumes (None, depth, height, width, channels), given (None, 4, 5, 3);  help: volumes without a channel axis need one of extent 1: Input::new([28, 28, 28, 1])
    layer `zero_padding1d`: `pad`: a tensor of type f32[2,18446744073709551615,3] is larger than the limit of 64 TiB
    layer `cropping1d`: Cropping1D takes sequences (None, steps, channels), given (None, 4, 5, 3);  help: sequences without a channel axis need one of extent 1: Input::new([28, 1])
    layer `cropping1d`: cropping [[2, 3]] leaves nothing of extents 5;  help: crop less than the extent of each axis
    layer `cropping2d`: cropping [[1, 1], [3, 3]] leaves nothing of extents 4×5;  help: crop less than the extent of each axis
    layer `cropping2d`: cropping [[18446744073709551615, 18446744073709551615], [18446744073709551615, 18446744073709551615]] leaves nothing of extents 4×5;  help: crop less than the extent of each axis
    layer `cropping3d`: Cropping3D takes volumes (None, depth, height, width, channels), given (None, 5, 3);  help: volumes without a channel axis need one of extent 1: Input::new([28, 28, 28, 1])
    layer `up_sampling1d`: UpSampling1D takes sequences (None, steps, channels), given (None, 4, 5, 3);  help: sequences without a channel axis need one of extent 1: Input::new([28, 1])
    layer `up_sampling1d`: UpSampling1D: `size` is 0;  help: it must be a whole number from 1 on
    layer `up_sampling2d`: UpSampling2D takes images (None, height, width, channels), given (None, 5, 3);  help: images without a channel axis need one of extent 1: Input::new([28, 28, 1])
    layer `up_sampling2d`: there is no interpolation `cubic`;  help: there are nearest, bilinear, bicubic, lanczos3, lanczos5
    layer `up_sampling2d`: `broadcast`: a tensor of type f32[2,4,18446744073709551615,5,18446744073709551615,3] is larger than the limit of 64 TiB
    layer `up_sampling2d`: 4 pixels cannot be resampled to 18446744073709551615: a tensor of type f32[18446744073709551615,4] is larger than the limit of 64 TiB;  help: make the result smaller
    layer `up_sampling3d`: UpSampling3D takes volumes (None, depth, height, width, channels), given (None, 4, 5, 3);  help: volumes without a channel axis need one of extent 1: Input::new([28, 28, 28, 1])
    ");
}

#[test]
fn sizes_of_other_forms() {
    let layer = |class: &str, config| {
        let config = json!({"class_name": class, "config": config});
        message(from_config::<dyn Layer>(&config))
    };
    insta::assert_snapshot!(all([
        layer("ZeroPadding1D", json!({"padding": [1, 2, 3]})),
        layer("ZeroPadding2D", json!({"padding": [[1, 2, 3], [1, 2]]})),
        layer("Cropping3D", json!({"cropping": [1, 2]})),
        layer("UpSampling2D", json!({"size": "2"})),
    ]), @r"
    ZeroPadding1D: `padding`: expected a number, or two for both sides
    ZeroPadding2D: `padding`: expected a number, 2 numbers, or 2 pairs for both sides
    Cropping3D: `cropping`: expected a number, 3 numbers, or 3 pairs for both sides
    UpSampling2D: `size`: expected a number or a list of two
    ");
}

#[test]
fn dense() {
    let einsum = |equation: &str, shape: &[usize]| {
        built(shape, EinsumDense::new(equation, 4).bias_axes("c"))
    };
    insta::assert_snapshot!(all([
        built(&[3], Embedding::new(0, 3)),
        built(&[3], Embedding::new(3, 0)),
        einsum("ab,bc", &[3]),
        einsum("ab->ac", &[3]),
        einsum("ab,bc->ad", &[3]),
        einsum("ab,bx->ac", &[3]),
        einsum("aa,ac->ac", &[3]),
        einsum("...b,bc->ac...", &[3]),
        einsum("a..b,bc->a..c", &[3]),
        einsum("ab,bc->ac", &LINE),
        einsum("abdef...,bc->ac...", &LINE),
        einsum("abd,bc->abdc", &LINE),
        einsum("ab,bd->ad", &[3]),
        built(&[3], EinsumDense::new("ab,bc->ac", 4).bias_axes("a")),
        built(&LINE, EinsumDense::new("abc,cd->abd", [Some(4), Some(2)])),
        built(&LINE, EinsumDense::new("abc,cd->abd", [None, None])),
    ]), @r#"
    layer `embedding`: Embedding: `input_dim` is 0;  help: it must be a whole number from 1 on
    layer `embedding`: Embedding: `output_dim` is 0;  help: it must be a whole number from 1 on
    layer `einsum_dense`: `ab,bc` is no equation of EinsumDense;  help: write "abc,cde->abde", "...x,xy->...y" or "ab...,bc->ac...", each letter of an operand once
    layer `einsum_dense`: `ab->ac` is no equation of EinsumDense;  help: write "abc,cde->abde", "...x,xy->...y" or "ab...,bc->ac...", each letter of an operand once
    layer `einsum_dense`: `ab,bc->ad` is no equation of EinsumDense;  help: write "abc,cde->abde", "...x,xy->...y" or "ab...,bc->ac...", each letter of an operand once
    layer `einsum_dense`: `ab,bx->ac` is no equation of EinsumDense;  help: write "abc,cde->abde", "...x,xy->...y" or "ab...,bc->ac...", each letter of an operand once
    layer `einsum_dense`: `aa,ac->ac` is no equation of EinsumDense;  help: write "abc,cde->abde", "...x,xy->...y" or "ab...,bc->ac...", each letter of an operand once
    layer `einsum_dense`: `...b,bc->ac...` is no equation of EinsumDense;  help: write "abc,cde->abde", "...x,xy->...y" or "ab...,bc->ac...", each letter of an operand once
    layer `einsum_dense`: `a..b,bc->a..c` is no equation of EinsumDense;  help: write "abc,cde->abde", "...x,xy->...y" or "ab...,bc->ac...", each letter of an operand once
    layer `einsum_dense`: `ab,bc->ac` takes an input of 2 axes, given one of 3;  help: the batch is an axis too; `...` stands for any number of axes
    layer `einsum_dense`: `abdef...,bc->ac...` takes an input of 5 axes, given one of 3;  help: the batch is an axis too; `...` stands for any number of axes
    layer `einsum_dense`: the output of `abd,bc->abdc` has 3 axes beside the batch, output_shape is for 1;  help: give one for each letter of the output
    layer `einsum_dense`: there is no axis `c` for a bias in the output of `ab,bd->ad`;  help: bias_axes are letters of the output, without the batch
    layer `einsum_dense`: there is no axis `a` for a bias in the output of `ab,bc->ac`;  help: bias_axes are letters of the output, without the batch
    layer `einsum_dense`: the axis `b` has extent 5 in the input and 4 in output_shape;  help: leave it open in output_shape (None, in a config null)
    layer `einsum_dense`: output_shape leaves the extent of the axis `d` open;  help: the input does not tell it: give it
    "#);
    let config = json!({"class_name": "Embedding", "config": {"input_dim": 3, "output_dim": 2, "lora_rank": 4}});
    insta::assert_snapshot!(message(from_config::<dyn Layer>(&config)), @"Embedding: `lora_rank` = 4 is not supported");
}

#[test]
fn activations() {
    insta::assert_snapshot!(all([
        built(&LINE, Softmax::new().axis(0)),
        built(&LINE, Softmax::new().axis([1, 3])),
        built(&LINE, ReLU::new().max_value(-1.0)),
        built(&LINE, ReLU::new().negative_slope(-0.5)),
        built(&LINE, ReLU::new().threshold(f64::NAN)),
        built(&LINE, LeakyReLU::new().negative_slope(-0.5)),
        built(&LINE, ELU::new().alpha(f64::INFINITY)),
        built(&LINE, PReLU::new().shared_axes(3)),
        built(&LINE, ActivityRegularization::new().l1(-1.0)),
        built(&LINE, ActivityRegularization::new().l2(f64::NAN)),
    ]), @r"
    layer `softmax`: axis 0 of (None, 5, 3) counts the samples;  help: give another axis: samples are computed one by one
    layer `softmax`: (None, 5, 3) has no axis 3;  help: there are 1 to 2, or -1 to -2 counted from the last
    layer `re_lu`: ReLU: `max_value` is -1;  help: it must be a number from 0 on that f32 can hold
    layer `re_lu`: ReLU: `negative_slope` is -0.5;  help: it must be a number from 0 on that f32 can hold
    layer `re_lu`: ReLU: `threshold` is NaN;  help: it must be a number from 0 on that f32 can hold
    layer `leaky_re_lu`: LeakyReLU: `negative_slope` is -0.5;  help: it must be a number from 0 on that f32 can hold
    layer `elu`: ELU: `alpha` is inf;  help: it must be a number that f32 can hold
    layer `p_re_lu`: (None, 5, 3) has no axis 3;  help: there are 1 to 2, or -1 to -2 counted from the last
    layer `activity_regularization`: ActivityRegularization: `l1` is -1;  help: it must be a number from 0 on that f32 can hold
    layer `activity_regularization`: ActivityRegularization: `l2` is NaN;  help: it must be a number from 0 on that f32 can hold
    ");
}

#[test]
fn noises() {
    insta::assert_snapshot!(all([
        built(&IMAGE, SpatialDropout1D::new(0.5)),
        built(&LINE, SpatialDropout2D::new(0.5)),
        built(&IMAGE, SpatialDropout3D::new(0.5)),
        built(&IMAGE, SpatialDropout2D::new(1.5)),
        built(&LINE, GaussianNoise::new(-1.0)),
        built(&LINE, GaussianDropout::new(1.0)),
        built(&LINE, AlphaDropout::new(1.0)),
        built(&LINE, AlphaDropout::new(f64::NAN)),
    ]), @r"
    layer `spatial_dropout1d`: SpatialDropout1D takes sequences (None, steps, channels), given (None, 4, 5, 3);  help: sequences without a channel axis need one of extent 1: Input::new([28, 1])
    layer `spatial_dropout2d`: SpatialDropout2D takes images (None, height, width, channels), given (None, 5, 3);  help: images without a channel axis need one of extent 1: Input::new([28, 28, 1])
    layer `spatial_dropout3d`: SpatialDropout3D takes volumes (None, depth, height, width, channels), given (None, 4, 5, 3);  help: volumes without a channel axis need one of extent 1: Input::new([28, 28, 28, 1])
    layer `spatial_dropout2d`: SpatialDropout2D: `rate` is 1.5;  help: it must be a number from 0 to 1
    layer `gaussian_noise`: GaussianNoise: `stddev` is -1;  help: it must be a number from 0 on that f32 can hold
    layer `gaussian_dropout`: GaussianDropout: `rate` is 1;  help: it must be a number from 0 up to, but not including, 1
    layer `alpha_dropout`: AlphaDropout: `rate` is 1;  help: it must be a number from 0 up to, but not including, 1
    layer `alpha_dropout`: AlphaDropout: `rate` is NaN;  help: it must be a number from 0 up to, but not including, 1
    ");
}

#[test]
fn weights_of_numbers() {
    let counts = || CategoryEncoding::new(5).output_mode("count");
    let message = |layer: CategoryEncoding, shapes: [&[usize]; 2]| {
        message(layer.build(&shapes.map(Type::f32)))
    };
    insta::assert_snapshot!(message(CategoryEncoding::new(5), [&[2, 4], &[2, 4]]), @"
    output_mode `multi_hot` takes no weights
      help: a second input needs output_mode `count`
    ");
    insta::assert_snapshot!(message(counts(), [&[2, 4], &[2, 3]]), @"
    numbers and weights differ: (None, 4), (None, 3)
      help: give a weight for each number
    ");
}

#[test]
fn preprocessing() {
    insta::assert_snapshot!(all([
        built(&LINE, Normalization::new().mean(1.0)),
        built(&LINE, Normalization::new().mean(1.0).variance(-1.0)),
        built(&LINE, Normalization::new().mean([1.0, 2.0]).variance([1.0, 2.0])),
        built(&LINE, Normalization::new().mean([1.0; 3]).variance(1.0).axis(3)),
        built(&LINE, Normalization::new().mean([1.0; 3]).variance(1.0).axis([])),
        message(Normalization::new().adapt(&[1.0_f32, 2.0])),
        message(Normalization::new().adapt(&Array2::<f32>::zeros((0, 3)))),
        built(&[], CategoryEncoding::new(3)),
        built(&[3], CategoryEncoding::new(0)),
        built(&[3], CategoryEncoding::new(3).output_mode("hot")),
        built(&LINE, Resizing::new(3, 3)),
        built(&IMAGE, Resizing::new(0, 3)),
        built(&IMAGE, Resizing::new(3, 3).interpolation("area")),
        built(&IMAGE, Resizing::new(3, 3).fill_mode("reflect")),
        built(&IMAGE, Resizing::new(3, 3).crop_to_aspect_ratio(true).pad_to_aspect_ratio(true)),
        built(&IMAGE, Resizing::new(usize::MAX, 1)),
        built(&IMAGE, Resizing::new(usize::MAX, 1).pad_to_aspect_ratio(true)),
    ]), @r#"
    layer `normalization`: Normalization has one of mean and variance alone;  help: give both, .mean(..).variance(..), or take them from data, .adapt(&x)?
    layer `normalization`: Normalization: `variance` is -1;  help: it must be a number from 0 on that f32 can hold
    layer `normalization`: mean has the extents [2], (None, 5, 3) has [3] on axes [2];  help: give one number, or one for each place on the axes
    layer `normalization`: (None, 5, 3) has no axis 3;  help: there are 1 to 2, or -1 to -2 counted from the last
    layer `normalization`: mean has the extents [3], (None, 5, 3) has [] on axes [];  help: give one number, or one for each place on the axes
    axis -1 of (None,) counts the samples;  help: give another axis: samples are computed one by one
    adapt: there are no data of shape [0, 3];  help: give at least one sample
    layer `category_encoding`: CategoryEncoding takes (None, .., numbers), given (None,);  help: numbers, one for each sample, need an axis of extent 1
    layer `category_encoding`: CategoryEncoding: `num_tokens` is 0;  help: it must be a whole number from 1 on
    layer `category_encoding`: there is no output_mode `hot`;  help: there are one_hot, multi_hot, count
    layer `resizing`: Resizing takes images (None, height, width, channels), given (None, 5, 3);  help: images without a channel axis need one of extent 1: Input::new([28, 28, 1])
    layer `resizing`: Resizing: `height` is 0;  help: it must be a whole number from 1 on
    layer `resizing`: there is no interpolation `area`;  help: there are nearest, bilinear, bicubic, lanczos3, lanczos5
    layer `resizing`: there is no fill_mode `reflect`;  help: padding is of one value: "constant"
    layer `resizing`: crop_to_aspect_ratio and pad_to_aspect_ratio are both set;  help: images are cropped or padded to another aspect
    layer `resizing`: 4 pixels cannot be resampled to 18446744073709551615: a tensor of type f32[18446744073709551615,4] is larger than the limit of 64 TiB;  help: make the result smaller
    layer `resizing`: `broadcast`: a tensor of type f32[2,9223372036854775805,5,3] is larger than the limit of 64 TiB
    "#);
}

#[test]
fn images() {
    insta::assert_snapshot!(all([
        built(&LINE, CenterCrop::new(3, 3)),
        built(&IMAGE, CenterCrop::new(3, usize::MAX)),
        built(&LINE, RandomFlip::default()),
        built(&IMAGE, RandomFlip::new("diagonal")),
        built(&LINE, RandomRotation::new(0.5)),
        built(&IMAGE, RandomRotation::new(1.5)),
        built(&IMAGE, RandomRotation::new((-2.0, 0.0))),
        built(&IMAGE, RandomRotation::new(0.5).fill_mode("mirror")),
        built(&IMAGE, RandomRotation::new(0.5).interpolation("bicubic")),
        built(&IMAGE, RandomRotation::new(0.5).fill_value(f64::NAN)),
        built(&IMAGE, RandomTranslation::new(0.5, 1.5)),
        built(&LINE, RandomTranslation::new(0.5, 0.5)),
        built(&IMAGE, RandomZoom::new(-1.5)),
        built(&LINE, RandomZoom::new(0.5).width_factor(0.5)),
        built(&LINE, RandomCrop::new(2, 2)),
        built(&IMAGE, RandomCrop::new(2, 0)),
        built(&LINE, RandomContrast::new(0.5)),
        built(&IMAGE, RandomContrast::new((0.5, 1.5))),
    ]), @r"
    layer `center_crop`: CenterCrop takes images (None, height, width, channels), given (None, 5, 3);  help: images without a channel axis need one of extent 1: Input::new([28, 28, 1])
    layer `center_crop`: 5 pixels cannot be resampled to 18446744073709551615: a tensor of type f32[18446744073709551615,5] is larger than the limit of 64 TiB;  help: make the result smaller
    layer `random_flip`: RandomFlip takes images (None, height, width, channels), given (None, 5, 3);  help: images without a channel axis need one of extent 1: Input::new([28, 28, 1])
    layer `random_flip`: there is no mode `diagonal`;  help: there are horizontal, vertical, horizontal_and_vertical
    layer `random_rotation`: RandomRotation takes images (None, height, width, channels), given (None, 5, 3);  help: images without a channel axis need one of extent 1: Input::new([28, 28, 1])
    layer `random_rotation`: RandomRotation: `factor` is 1.5;  help: it must be a number from -1 to 1
    layer `random_rotation`: RandomRotation: `factor` is [-2, 0];  help: it must be a number from -1 to 1
    layer `random_rotation`: there is no fill_mode `mirror`;  help: there are reflect, wrap, constant, nearest
    layer `random_rotation`: there is no interpolation `bicubic`;  help: there are nearest, bilinear
    layer `random_rotation`: RandomRotation: `fill_value` is NaN;  help: it must be a number that f32 can hold
    layer `random_translation`: RandomTranslation: `width_factor` is 1.5;  help: it must be a number from -1 to 1
    layer `random_translation`: RandomTranslation takes images (None, height, width, channels), given (None, 5, 3);  help: images without a channel axis need one of extent 1: Input::new([28, 28, 1])
    layer `random_zoom`: RandomZoom: `height_factor` is -1.5;  help: it must be a number from -1 to 1
    layer `random_zoom`: RandomZoom takes images (None, height, width, channels), given (None, 5, 3);  help: images without a channel axis need one of extent 1: Input::new([28, 28, 1])
    layer `random_crop`: RandomCrop takes images (None, height, width, channels), given (None, 5, 3);  help: images without a channel axis need one of extent 1: Input::new([28, 28, 1])
    layer `random_crop`: RandomCrop: `width` is 0;  help: it must be a whole number from 1 on
    layer `random_contrast`: RandomContrast takes images (None, height, width, channels), given (None, 5, 3);  help: images without a channel axis need one of extent 1: Input::new([28, 28, 1])
    layer `random_contrast`: RandomContrast: `factor` is [0.5, 1.5];  help: it must be a number from 0 to 1
    ");
}

#[test]
fn adaptive_poolings() {
    insta::assert_snapshot!(all([
        built(&IMAGE, AdaptiveMaxPooling1D::new(3)),
        built(&LINE, AdaptiveMaxPooling1D::new(6)),
        built(&LINE, AdaptiveMaxPooling2D::new(2)),
        built(&IMAGE, AdaptiveMaxPooling3D::new(2)),
        built(&LINE, AdaptiveAveragePooling1D::new(0)),
        built(&IMAGE, AdaptiveAveragePooling2D::new((2, usize::MAX))),
        built(&VOLUME, AdaptiveAveragePooling3D::new((4, 1, 1))),
    ]), @r"
    layer `adaptive_max_pooling1d`: AdaptiveMaxPooling1D takes sequences (None, steps, channels), given (None, 4, 5, 3);  help: sequences without a channel axis need one of extent 1: Input::new([28, 1])
    layer `adaptive_max_pooling1d`: output_size [6] is larger than the input of 5;  help: make it smaller, or enlarge the input: UpSampling
    layer `adaptive_max_pooling2d`: AdaptiveMaxPooling2D takes images (None, height, width, channels), given (None, 5, 3);  help: images without a channel axis need one of extent 1: Input::new([28, 28, 1])
    layer `adaptive_max_pooling3d`: AdaptiveMaxPooling3D takes volumes (None, depth, height, width, channels), given (None, 4, 5, 3);  help: volumes without a channel axis need one of extent 1: Input::new([28, 28, 28, 1])
    layer `adaptive_average_pooling1d`: AdaptiveAveragePooling1D: `output_size` is 0;  help: it must be a whole number from 1 on
    layer `adaptive_average_pooling2d`: output_size [2, 18446744073709551615] is larger than the input of 4×5;  help: make it smaller, or enlarge the input: UpSampling
    layer `adaptive_average_pooling3d`: output_size [4, 1, 1] is larger than the input of 3×4×5;  help: make it smaller, or enlarge the input: UpSampling
    ");
}
