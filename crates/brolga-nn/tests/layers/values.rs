//! Values of layers without a reference case, as Keras 3.15 computes them.

use brolga_ir::{Tensor, Tracer, Type, Var, interpret};
use brolga_nn::prelude::*;
use brolga_nn::trace::{Call, Context, Weights};
use ndarray::{Array3, array};

use crate::models::drawn;

/// A tensor: its shape, and its elements.
type Given<'a> = (&'a [usize], &'a [f64]);

fn tensor((shape, values): Given<'_>) -> Tensor {
    let values = values.iter().map(|&x| x as f32).collect();
    Tensor::f32(shape, values).expect("as many values as the shape has")
}

/// Within six digits, as the values here are rounded.
fn assert_near(given: &[f64], expected: &[f64], what: &dyn Layer) {
    let near = |(g, e): (&f64, &f64)| (g - e).abs() <= 4e-6 * e.abs().max(1.0);
    let agree = given.len() == expected.len() && given.iter().zip(expected).all(near);
    assert!(agree, "{what:?}:\nexpected {expected:?}\ngiven    {given:?}");
}

/// What a layer with the weights 1, 2, 3, … gives in inference.
fn computed(layer: &dyn Layer, inputs: &[Given<'_>]) -> Tensor {
    let tracer = Tracer::new("layer");
    let inputs: Vec<Tensor> = inputs.iter().map(|&given| tensor(given)).collect();
    let types: Vec<Type> = inputs.iter().map(Tensor::ty).collect();
    let variable = |tensor: &Tensor| tracer.constant(tensor.clone());
    let x: Vec<Var> = inputs.iter().map(variable).collect();
    let weights = layer.build(&types).expect("the layer fits").into_iter().map(|spec| {
        let values = (1..=spec.ty.shape.elements()).map(|n| n as f32).collect();
        let tensor = Tensor::f32(spec.ty.shape, values).expect("as many values as the shape has");
        (spec.name, variable(&tensor), spec.trainable)
    });
    let mut weights = Weights::new(weights);
    let mut context = Context::inference(&tracer);
    let y = layer.call(&mut Call::new(&mut context, &mut weights), &x);
    tracer.output(&y[0]);
    interpret(&tracer.finish().expect("a graph"), &[]).expect("no inputs").remove(0)
}

/// A row of tests: a layer, its inputs, and what it gives.
type Row<'a> = (Box<dyn Layer>, &'a [Given<'a>], Given<'a>);

#[test]
#[rustfmt::skip]
fn layers_compute_what_keras_computes() -> Result<(), NnError> {
    let rows: &[Row<'_>] = &[
        (Box::new(AdaptiveAveragePooling1D::new(3)), &[(&[1, 7, 1], &[0.0, 5.0, 3.0, 1.0, 6.0, 4.0, 2.0])], (&[1, 3, 1], &[2.666667, 3.333333, 4.0])),
        (Box::new(AdaptiveMaxPooling1D::new(3)), &[(&[1, 7, 1], &[0.0, 5.0, 3.0, 1.0, 6.0, 4.0, 2.0])], (&[1, 3, 1], &[5.0, 6.0, 6.0])),
        (Box::new(AdaptiveAveragePooling2D::new((3, 2))), &[(&[1, 4, 5, 1], &[0.0, 7.0, 3.0, 10.0, 6.0, 2.0, 9.0, 5.0, 1.0, 8.0, 4.0, 0.0, 7.0, 3.0, 10.0, 6.0, 2.0, 9.0, 5.0, 1.0])], (&[1, 3, 2, 1], &[4.333333, 5.5, 4.5, 5.666667, 4.666667, 5.833333])),
        (Box::new(AdaptiveMaxPooling2D::new((3, 2))), &[(&[1, 4, 5, 1], &[0.0, 7.0, 3.0, 10.0, 6.0, 2.0, 9.0, 5.0, 1.0, 8.0, 4.0, 0.0, 7.0, 3.0, 10.0, 6.0, 2.0, 9.0, 5.0, 1.0])], (&[1, 3, 2, 1], &[9.0, 10.0, 9.0, 10.0, 9.0, 10.0])),
        (Box::new(AdaptiveAveragePooling3D::new((2, 2, 3))), &[(&[1, 2, 3, 4, 1], &[0.0, 7.0, 3.0, 10.0, 6.0, 2.0, 9.0, 5.0, 1.0, 8.0, 4.0, 0.0, 7.0, 3.0, 10.0, 6.0, 2.0, 9.0, 5.0, 1.0, 8.0, 4.0, 0.0, 7.0])], (&[1, 2, 2, 3, 1], &[3.75, 5.25, 6.75, 4.25, 5.75, 4.5, 5.25, 6.75, 5.5, 5.75, 4.5, 3.25])),
        (Box::new(AdaptiveMaxPooling3D::new((2, 2, 3))), &[(&[1, 2, 3, 4, 1], &[0.0, 7.0, 3.0, 10.0, 6.0, 2.0, 9.0, 5.0, 1.0, 8.0, 4.0, 0.0, 7.0, 3.0, 10.0, 6.0, 2.0, 9.0, 5.0, 1.0, 8.0, 4.0, 0.0, 7.0])], (&[1, 2, 2, 3, 1], &[7.0, 9.0, 10.0, 8.0, 9.0, 9.0, 9.0, 10.0, 10.0, 9.0, 9.0, 7.0])),
        (Box::new(Conv1DTranspose::new(1, 3).strides(2).padding("valid").dilation_rate(1).use_bias(false).output_padding(1)), &[(&[1, 3, 1], &[1.0, 2.0, 4.0])], (&[1, 8, 1], &[1.0, 2.0, 5.0, 4.0, 10.0, 8.0, 12.0, 0.0])),
        (Box::new(Conv1DTranspose::new(1, 3).strides(2).padding("same").dilation_rate(1).use_bias(false).output_padding(0)), &[(&[1, 3, 1], &[1.0, 2.0, 4.0])], (&[1, 5, 1], &[2.0, 5.0, 4.0, 10.0, 8.0])),
        (Box::new(Conv1DTranspose::new(1, 3).strides(2).padding("same").dilation_rate(1).use_bias(false).output_padding(1)), &[(&[1, 3, 1], &[1.0, 2.0, 4.0])], (&[1, 6, 1], &[1.0, 2.0, 5.0, 4.0, 10.0, 8.0])),
        (Box::new(Conv1DTranspose::new(1, 2).strides(3).padding("same").dilation_rate(1).use_bias(false).output_padding(2)), &[(&[1, 3, 1], &[1.0, 2.0, 4.0])], (&[1, 8, 1], &[1.0, 2.0, 0.0, 2.0, 4.0, 0.0, 4.0, 8.0])),
        (Box::new(Conv1DTranspose::new(1, 4).strides(3).padding("same").dilation_rate(1).use_bias(false).output_padding(1)), &[(&[1, 3, 1], &[1.0, 2.0, 4.0])], (&[1, 7, 1], &[2.0, 3.0, 6.0, 4.0, 6.0, 12.0, 8.0])),
        (Box::new(Conv1DTranspose::new(1, 2).strides(1).padding("valid").dilation_rate(2).use_bias(false)), &[(&[1, 3, 1], &[1.0, 2.0, 4.0])], (&[1, 5, 1], &[1.0, 2.0, 6.0, 4.0, 8.0])),
        (Box::new(Conv1DTranspose::new(1, 3).strides(1).padding("same").dilation_rate(2).use_bias(false)), &[(&[1, 3, 1], &[1.0, 2.0, 4.0])], (&[1, 3, 1], &[6.0, 4.0, 11.0])),
        (Box::new(Conv3DTranspose::new(1, 2).strides(2).padding("same").use_bias(false)), &[(&[1, 1, 2, 2, 1], &[0.0, 1.0, 2.0, 3.0])], (&[1, 2, 4, 4, 1], &[0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 3.0, 4.0, 2.0, 4.0, 3.0, 6.0, 6.0, 8.0, 9.0, 12.0, 0.0, 0.0, 5.0, 6.0, 0.0, 0.0, 7.0, 8.0, 10.0, 12.0, 15.0, 18.0, 14.0, 16.0, 21.0, 24.0])),
        (Box::new(DepthwiseConv1D::new(2).depth_multiplier(2).strides(2).padding("same").use_bias(false)), &[(&[1, 5, 2], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0])], (&[1, 3, 4], &[10.0, 12.0, 24.0, 28.0, 34.0, 44.0, 64.0, 76.0, 8.0, 16.0, 27.0, 36.0])),
        (Box::new(CategoryEncoding::new(5).output_mode("count")), &[(&[2, 4], &[0.0, 1.0, 1.0, 4.0, 3.0, 3.0, 3.0, 5.0]), (&[2, 4], &[0.5, 1.0, 2.0, 3.0, 1.0, 0.25, 0.25, 9.0])], (&[2, 5], &[0.5, 3.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 1.5, 0.0])),
        (Box::new(Cropping3D::new([[1, 0], [0, 1], [1, 1]])), &[(&[1, 2, 3, 3, 1], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0])], (&[1, 1, 2, 1, 1], &[10.0, 13.0])),
        (Box::new(ZeroPadding3D::new([[1, 0], [0, 1], [0, 0]])), &[(&[1, 1, 1, 2, 1], &[1.0, 2.0])], (&[1, 2, 2, 2, 1], &[0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 0.0, 0.0])),
        (Box::new(EinsumDense::new("...x,xy->...y", 2).bias_axes("y")), &[(&[2, 2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0])], (&[2, 2, 2], &[14.0, 18.0, 41.0, 54.0, 68.0, 90.0, 95.0, 126.0])),
        (Box::new(EinsumDense::new("ab...,bc->ac...", 2).bias_axes("c")), &[(&[2, 3, 2], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0])], (&[2, 2, 2], &[27.0, 36.0, 34.0, 46.0, 81.0, 90.0, 106.0, 118.0])),
        (Box::new(EinsumDense::new("abc,bcd->adb", [Some(2), None]).bias_axes("d")), &[(&[1, 3, 2], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])], (&[1, 2, 3], &[4.0, 32.0, 92.0, 6.0, 38.0, 102.0])),
        (Box::new(EinsumDense::new("abc,b->ab", 3)), &[(&[1, 3, 2], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])], (&[1, 3], &[1.0, 10.0, 27.0])),
        (Box::new(Softmax::new().axis([1, 2])), &[(&[1, 2, 2], &[0.0, 1.0, 2.0, 3.0])], (&[1, 2, 2], &[0.032059, 0.087144, 0.236883, 0.643914])),
        (Box::new(Add::new()), &[(&[1, 2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), (&[1, 3], &[0.0, 1.0, 2.0])], (&[1, 2, 3], &[0.0, 2.0, 4.0, 3.0, 5.0, 7.0])),
        (Box::new(Dot::new([2, 1])), &[(&[1, 2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]), (&[1, 3], &[0.0, 1.0, 2.0])], (&[1, 2], &[5.0, 14.0])),
        (Box::new(CategoryEncoding::new(4).output_mode("one_hot")), &[(&[2, 3], &[0.0, 1.0, 1.0, 3.0, 2.0, 3.0])], (&[2, 3, 4], &[1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0])),
        (Box::new(CategoryEncoding::new(4)), &[(&[2, 3], &[0.0, 1.0, 1.0, 3.0, 2.0, 3.0])], (&[2, 4], &[1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0])),
        (Box::new(CategoryEncoding::new(4).output_mode("count")), &[(&[2, 3], &[0.0, 1.0, 1.0, 3.0, 2.0, 3.0])], (&[2, 4], &[1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0])),
        (Box::new(CategoryEncoding::new(4).output_mode("one_hot")), &[(&[2, 1], &[0.0, 3.0])], (&[2, 4], &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])),
        (Box::new(CategoryEncoding::new(4).output_mode("count")), &[(&[2, 3], &[0.0, 1.0, 7.0, 3.0, -1.0, 3.0])], (&[2, 4], &[1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0])),
    ];
    for (layer, inputs, (shape, expected)) in rows {
        let given = computed(&**layer, inputs);
        assert_eq!(given.shape()[..], **shape, "{layer:?}");
        assert_near(&given.data().to_f64(), expected, &**layer);
    }
    Ok(())
}

/// Ranges of one number leave nothing to chance.
#[test]
#[rustfmt::skip]
fn images_become_what_keras_makes_of_them() {
    let pixels: Vec<f64> = (0..12).map(|n| f64::from(n * 7 % 11)).collect();
    let image = tensor((&[1, 3, 4, 1], &pixels));
    let rows: &[(Box<dyn Layer>, &[f64])] = &[
        (Box::new(Resizing::new(2, 6).interpolation("nearest").antialias(false)), &[0.0, 7.0, 7.0, 3.0, 10.0, 10.0, 1.0, 8.0, 8.0, 4.0, 0.0, 0.0]),
        (Box::new(Resizing::new(2, 6).interpolation("nearest").antialias(true)), &[0.0, 7.0, 7.0, 3.0, 10.0, 10.0, 1.0, 8.0, 8.0, 4.0, 0.0, 0.0]),
        (Box::new(Resizing::new(2, 6).interpolation("bilinear").antialias(false)), &[1.5, 3.625, 5.541667, 4.708333, 6.625, 8.75, 2.25, 4.375, 6.291667, 5.458333, 3.25, 1.25]),
        (Box::new(Resizing::new(2, 6).interpolation("bilinear").antialias(true)), &[2.25, 3.6875, 5.145833, 5.229167, 6.6875, 8.125, 2.875, 4.3125, 5.770833, 5.854167, 3.875, 1.875]),
        (Box::new(Resizing::new(2, 6).interpolation("bicubic").antialias(false)), &[0.940837, 3.544869, 5.931992, 4.219164, 6.750537, 9.483769, 1.772954, 4.376986, 6.870049, 5.580985, 2.736797, 0.560411]),
        (Box::new(Resizing::new(2, 6).interpolation("bicubic").antialias(true)), &[2.121906, 3.558115, 5.164931, 5.114206, 6.985365, 8.658338, 2.812115, 4.248324, 5.943014, 6.243784, 3.656123, 1.256758]),
        (Box::new(Resizing::new(2, 6).interpolation("lanczos3").antialias(false)), &[0.99125, 3.58456, 5.781775, 4.237737, 6.929182, 9.877421, 1.868036, 4.249116, 7.080903, 6.157448, 2.500234, 0.221268]),
        (Box::new(Resizing::new(2, 6).interpolation("lanczos3").antialias(true)), &[2.234309, 3.526677, 5.03312, 5.120157, 7.201713, 8.907097, 2.960359, 4.076984, 6.108902, 6.709833, 3.534187, 0.911024]),
        (Box::new(Resizing::new(2, 6).interpolation("lanczos5").antialias(false)), &[0.884881, 3.812523, 5.601764, 4.255274, 6.913264, 10.33835, 2.08395, 4.021245, 7.270997, 6.526052, 2.301997, -0.040208]),
        (Box::new(Resizing::new(2, 6).interpolation("lanczos5").antialias(true)), &[2.185872, 3.691424, 4.915902, 5.150097, 7.146197, 9.093578, 3.145701, 3.858501, 6.252087, 6.967805, 3.454977, 0.785766]),
        (Box::new(Resizing::new(4, 2).crop_to_aspect_ratio(true)), &[7.0, 7.0, 3.875, 3.875, 4.25, 4.25, 8.0, 8.0]),
        (Box::new(Resizing::new(4, 2).pad_to_aspect_ratio(true).fill_value(-1.0)), &[-1.0, -1.0, 3.5625, 6.5625, 4.4375, 2.625, -1.0, -1.0]),
        (Box::new(Resizing::new(2, 6).pad_to_aspect_ratio(true).fill_value(-1.0)), &[-1.0, 0.25, 5.041667, 5.208333, 3.875, -1.0, -1.0, 0.625, 5.791667, 4.583333, 0.125, -1.0]),
        (Box::new(CenterCrop::new(2, 2)), &[7.0, 3.0, 2.0, 9.0]),
        (Box::new(CenterCrop::new(2, 3)), &[0.0, 7.0, 3.0, 6.0, 2.0, 9.0]),
        (Box::new(CenterCrop::new(5, 2)), &[7.0, 7.0, 5.0, 5.0, 2.0, 2.0, 5.6, 5.6, 8.0, 8.0]),
        (Box::new(RandomRotation::new((0.1, 0.1)).fill_mode("reflect").interpolation("bilinear").fill_value(9.0)), &[6.119818, 4.266893, 6.729596, 4.636696, 2.342395, 3.829197, 7.170803, 1.737509, 5.564035, 4.270404, 6.733107, 3.497039]),
        (Box::new(RandomRotation::new((0.1, 0.1)).fill_mode("reflect").interpolation("nearest").fill_value(9.0)), &[7.0, 3.0, 3.0, 5.0, 0.0, 2.0, 9.0, 0.0, 6.0, 8.0, 8.0, 4.0]),
        (Box::new(RandomTranslation::new((0.5, 0.5), (-0.3, -0.3)).fill_mode("reflect").fill_value(9.0)), &[4.8, 6.3, 7.5, 7.2, 6.2, 4.4, 10.0, 8.6, 4.8, 6.3, 7.5, 7.2]),
        (Box::new(RandomTranslation::new((1.0, 1.0), (1.0, 1.0)).fill_mode("reflect").fill_value(9.0)), &[0.0, 4.0, 8.0, 1.0, 5.0, 9.0, 2.0, 6.0, 10.0, 3.0, 7.0, 0.0]),
        (Box::new(RandomZoom::new((0.5, 0.5)).width_factor((-0.3, -0.3)).fill_mode("reflect").fill_value(9.0)), &[3.15, 6.4, 3.6, 6.85, 4.2, 3.05, 7.95, 6.8, 4.15, 7.4, 4.6, 1.8]),
        (Box::new(RandomZoom::new((0.5, 0.5)).fill_mode("reflect").fill_value(9.0)), &[0.0, 5.25, 4.75, 10.0, 6.0, 3.0, 8.0, 5.0, 1.0, 6.25, 3.0, 0.0]),
        (Box::new(RandomRotation::new((0.1, 0.1)).fill_mode("wrap").interpolation("bilinear").fill_value(9.0)), &[6.810513, 4.369803, 6.729596, 4.938006, 2.342395, 3.829197, 7.170803, 1.737509, 5.503553, 4.270404, 6.630197, 3.761674]),
        (Box::new(RandomRotation::new((0.1, 0.1)).fill_mode("wrap").interpolation("nearest").fill_value(9.0)), &[8.0, 3.0, 3.0, 5.0, 0.0, 2.0, 9.0, 0.0, 6.0, 8.0, 8.0, 3.0]),
        (Box::new(RandomTranslation::new((0.5, 0.5), (-0.3, -0.3)).fill_mode("wrap").fill_value(9.0)), &[5.3, 5.7, 2.7, 3.8, 6.7, 3.8, 4.1, 1.9, 4.8, 6.3, 6.6, 3.3]),
        (Box::new(RandomTranslation::new((1.0, 1.0), (1.0, 1.0)).fill_mode("wrap").fill_value(9.0)), &[0.0, 7.0, 3.0, 10.0, 6.0, 2.0, 9.0, 5.0, 1.0, 8.0, 4.0, 0.0]),
        (Box::new(RandomZoom::new((0.5, 0.5)).width_factor((-0.3, -0.3)).fill_mode("wrap").fill_value(9.0)), &[3.65, 6.9, 4.1, 4.325, 4.2, 3.05, 7.95, 6.8, 3.65, 6.9, 4.1, 4.325]),
        (Box::new(RandomZoom::new((0.5, 0.5)).fill_mode("wrap").fill_value(9.0)), &[3.875, 5.75, 3.875, 1.625, 5.25, 3.0, 8.0, 5.75, 3.875, 5.75, 3.875, 1.625]),
        (Box::new(RandomRotation::new((0.1, 0.1)).fill_mode("constant").interpolation("bilinear").fill_value(9.0)), &[8.109145, 4.753975, 6.729596, 5.951406, 2.342395, 3.829197, 7.170803, 1.737509, 6.599328, 4.270404, 6.966392, 7.297906]),
        (Box::new(RandomRotation::new((0.1, 0.1)).fill_mode("constant").interpolation("nearest").fill_value(9.0)), &[9.0, 3.0, 3.0, 5.0, 0.0, 2.0, 9.0, 0.0, 6.0, 8.0, 8.0, 9.0]),
        (Box::new(RandomTranslation::new((0.5, 0.5), (-0.3, -0.3)).fill_mode("constant").fill_value(9.0)), &[9.0, 9.0, 9.0, 9.0, 7.6, 6.7, 9.4, 9.0, 4.8, 6.3, 7.8, 9.0]),
        (Box::new(RandomTranslation::new((1.0, 1.0), (1.0, 1.0)).fill_mode("constant").fill_value(9.0)), &[9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0]),
        (Box::new(RandomZoom::new((0.5, 0.5)).width_factor((-0.3, -0.3)).fill_mode("constant").fill_value(9.0)), &[6.075, 7.7, 6.3, 7.925, 4.2, 3.05, 7.95, 6.8, 6.575, 8.2, 6.8, 5.4]),
        (Box::new(RandomZoom::new((0.5, 0.5)).fill_mode("constant").fill_value(9.0)), &[7.875, 7.125, 6.875, 9.125, 8.25, 3.0, 8.0, 8.0, 8.0, 7.625, 6.0, 7.875]),
        (Box::new(RandomRotation::new((0.1, 0.1)).fill_mode("nearest").interpolation("bilinear").fill_value(9.0)), &[6.119818, 4.266893, 6.729596, 4.636696, 2.342395, 3.829197, 7.170803, 1.737509, 5.564035, 4.270404, 6.733107, 3.497039]),
        (Box::new(RandomRotation::new((0.1, 0.1)).fill_mode("nearest").interpolation("nearest").fill_value(9.0)), &[7.0, 3.0, 3.0, 5.0, 0.0, 2.0, 9.0, 0.0, 6.0, 8.0, 8.0, 4.0]),
        (Box::new(RandomTranslation::new((0.5, 0.5), (-0.3, -0.3)).fill_mode("nearest").fill_value(9.0)), &[6.2, 4.4, 10.0, 10.0, 6.2, 4.4, 10.0, 10.0, 4.8, 6.3, 7.5, 7.5]),
        (Box::new(RandomTranslation::new((1.0, 1.0), (1.0, 1.0)).fill_mode("nearest").fill_value(9.0)), &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
        (Box::new(RandomZoom::new((0.5, 0.5)).width_factor((-0.3, -0.3)).fill_mode("nearest").fill_value(9.0)), &[3.15, 6.4, 3.6, 6.85, 4.2, 3.05, 7.95, 6.8, 4.15, 7.4, 4.6, 1.8]),
        (Box::new(RandomZoom::new((0.5, 0.5)).fill_mode("nearest").fill_value(9.0)), &[0.0, 5.25, 4.75, 10.0, 6.0, 3.0, 8.0, 5.0, 1.0, 6.25, 3.0, 0.0]),
        (Box::new(RandomContrast::new((0.0, 0.0)).value_range([2.0, 8.0])), &[2.0, 7.0, 3.0, 8.0, 6.0, 2.0, 8.0, 5.0, 2.0, 8.0, 4.0, 2.0]),
    ];
    for (layer, expected) in rows {
        layer.build(&[image.ty()]).expect("the layer fits");
        assert_near(&drawn(&**layer, &image, 1), expected, &**layer);
    }
}

#[test]
fn images_are_flipped_one_by_one() {
    let rows = Tensor::f32([40, 1, 2, 1], [1.0, 2.0].repeat(40)).expect("40 rows of two");
    let flipped = drawn(&RandomFlip::new("horizontal"), &rows, 1);
    assert!(flipped.chunks(2).all(|row| row == [2.0, 1.0] || row == [1.0, 2.0]));
    let count = flipped.chunks(2).filter(|row| **row == [2.0, 1.0]).count();
    assert!((8..32).contains(&count), "{count} of 40");
    assert_eq!(drawn(&RandomFlip::new("vertical"), &rows, 1), rows.data().to_f64());
}

#[test]
fn parts_are_whole_and_begin_everywhere() {
    let pixels = (0..5 * 6).map(|n| n as f32).collect();
    let image = Tensor::f32([1, 5, 6, 1], pixels).expect("30 pixels");
    let starts: std::collections::BTreeSet<usize> = (0..200)
        .map(|seed| {
            let part = drawn(&RandomCrop::new(4, 4), &image, seed);
            let start = part[0] as usize;
            let expected = (0..16).map(|n| (start + n / 4 * 6 + n % 4) as f64);
            assert!(part.iter().copied().eq(expected), "{part:?}");
            start
        })
        .collect();
    assert_eq!(starts.into_iter().collect::<Vec<_>>(), [0, 1, 2, 6, 7, 8]);
}

/// The statistics of data are weights.
#[test]
fn what_a_normalization_is_adapted_to_becomes_its_weights() -> Result<(), Box<dyn std::error::Error>>
{
    let data = array![[0.0_f32, 7.0, 4.0], [2.0, 9.0, 6.0], [0.0, 7.0, 4.0], [2.0, 9.0, 6.0]];
    let volume = Array3::from_shape_fn((2, 3, 2), |(i, j, k)| (6 * i + 2 * j + k) as f32);
    let given = |layer: Normalization, x: ndarray::ArrayD<f32>| {
        let mut model = Sequential::new();
        model.add(Input::new(x.shape()[1..].to_vec()));
        model.add(layer);
        Ok::<_, NnError>((
            model.predict_with(&x, Predict::new().verbose(false))?,
            model.get_weights()?,
        ))
    };
    let near = |given: &ndarray::ArrayD<f32>, expected: &[f32]| {
        assert!(
            given.iter().zip(expected).all(|(g, e)| (g - e).abs() < 4e-6 * e.abs().max(1.0)),
            "{given}"
        );
        assert_eq!(given.len(), expected.len());
    };
    let x = array![[1.0_f32, 2.0, 3.0]].into_dyn();
    let (y, weights) = given(Normalization::new().adapt(&data)?, x.clone())?;
    near(&y, &[0.0, -6.0, -2.0]);
    near(&weights[0], &[1.0, 8.0, 5.0]);
    near(&weights[1], &[1.0, 1.0, 1.0]);
    near(&given(Normalization::new().invert(true).adapt(&data)?, x.clone())?.0, &[2.0, 10.0, 8.0]);
    // Before that the mean is 0 and the variance 1.
    near(&given(Normalization::new(), x)?.0, &[1.0, 2.0, 3.0]);
    let whole = given(Normalization::new().axis([]).adapt(&data)?, data.clone().into_dyn())?.0;
    near(&whole, &[-1.5367, 0.76835, -0.219529, -0.878114, 1.426935, 0.439057].repeat(2));
    let places = given(Normalization::new().axis([1, 2]).adapt(&volume)?, volume.into_dyn())?.0;
    near(&places, &[[-1.0; 6], [1.0; 6]].concat());
    let narrow = Normalization::new().adapt(&data)?;
    let error =
        given(narrow, array![[1.0_f32]].into_dyn()).map(drop).expect_err("one place of three");
    insta::assert_snapshot!(error.to_string().lines().next().unwrap_or_default(), @"layer `normalization`: Normalization has the statistics of 3 places, given (None, 1)");
    Ok(())
}
