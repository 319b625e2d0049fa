//! Applications beside Keras's: names, classes, shapes and weights of all layers, from the files that
//! `reference.py` writes.

use std::error::Error;
use std::fmt::Write;

use brolga_nn::applications::{
    Architecture, Pooling, Preprocessing, decode_predictions, densenet121, efficientnet_b0,
    mobilenet_v2, resnet50, resnet50_v2, vgg16, vgg19, xception,
};
use brolga_nn::prelude::*;
use ndarray::{Array3, Array4, array};

type Outcome = Result<(), Box<dyn Error>>;
type Build = fn(Architecture) -> Result<Model, NnError>;

/// The networks, what Keras says of their layers, and how many weights they have.
const ALL: [(&str, Build, &str, usize); 8] = [
    ("vgg16", vgg16, include_str!("vgg16.txt"), 138_357_544),
    ("vgg19", vgg19, include_str!("vgg19.txt"), 143_667_240),
    ("resnet50", resnet50, include_str!("resnet50.txt"), 25_636_712),
    ("resnet50_v2", resnet50_v2, include_str!("resnet50_v2.txt"), 25_613_800),
    ("mobilenet_v2", mobilenet_v2, include_str!("mobilenet_v2.txt"), 3_538_984),
    ("densenet121", densenet121, include_str!("densenet121.txt"), 8_062_504),
    ("efficientnet_b0", efficientnet_b0, include_str!("efficientnet_b0.txt"), 5_330_571),
    ("xception", xception, include_str!("xception.txt"), 22_910_480),
];

#[test]
fn layers_are_those_of_keras() -> Outcome {
    for (name, build, expected, params) in ALL {
        let mut model = build(Architecture::new())?;
        assert_eq!(model.count_params()?, params, "{name}");
        let mut lines = String::new();
        for row in &model.summarize()?.layers {
            let (shapes, params) = row.built.clone().ok_or("the model is built")?;
            writeln!(lines, "{} {} {:?} {params}", row.name, row.class_name, shapes[0])?;
        }
        for (number, (given, expected)) in lines.lines().zip(expected.lines()).enumerate() {
            assert_eq!(given, expected, "{name}, layer {number}");
        }
        assert_eq!(lines.lines().count(), expected.lines().count(), "{name}");
    }
    Ok(())
}

/// Images of odd extents through the network without its classifier, as features of a new one.
#[test]
fn features_of_small_images_are_a_layer_of_a_new_model() -> Outcome {
    for (name, build, ..) in ALL {
        if name.starts_with("vgg") {
            // Their first weights alone take a second; the layers are tested above.
            continue;
        }
        let shape = if name == "xception" { [71, 75, 3] } else { [33, 39, 3] };
        let features = Architecture::new().include_top(false).input_shape(shape);
        let features = build(features.pooling(Pooling::Average))?.into_shared()?;
        let image = Input::new(shape).tensor();
        let mut model = Model::new(&image, Dense::new(2).on(features.on(&image)))?;
        let images = Array4::from_shape_fn((2, shape[0], shape[1], 3), |(n, i, j, c)| {
            ((n * 7 + i * 3 + j * 5 + c) % 11) as f32 / 11.0
        });
        let given = model.predict_with(&images, Predict::new().verbose(false))?;
        assert_eq!(given.shape(), [2, 2], "{name}");
        assert!(given.iter().all(|x| x.is_finite()), "{name}");
        model.compile(Compile::new().optimizer("sgd").loss("mse"))?;
        let labels = array![[0.0_f32, 1.0], [1.0, 0.0]];
        model.fit(&images, &labels, Fit::new().verbose(false))?;
    }
    Ok(())
}

#[test]
fn what_does_not_fit_is_an_error() -> Outcome {
    let small = resnet50(Architecture::new().input_shape([31, 64, 3]));
    insta::assert_snapshot!(small.map(drop).expect_err("too small"), @r"
    resnet50: images of 31×64 are too small
      help: images must be 32×32 at least
    ");
    let missing = mobilenet_v2(Architecture::new().weights("no/such.safetensors"));
    insta::assert_snapshot!(missing.map(drop).expect_err("no file"), @r"
    no/such.safetensors: No such file or directory (os error 2)
      help: check the path: its folder must exist, and a file to be read too
    ");
    let gray = Preprocessing::Signed.apply(Array3::<f32>::zeros((2, 2, 1)));
    insta::assert_snapshot!(gray.map(drop).expect_err("one colour"), @r"
    preprocessing: the shape is [2, 2, 1]
      help: the last axis of images has red, green and blue
    ");
    let predictions = array![[0.5_f32, 0.5]];
    let labels = decode_predictions(predictions.view(), &["a"], 1);
    insta::assert_snapshot!(labels.map(drop).expect_err("one label"), @r"
    decode_predictions: 2 classes, but 1 labels
      help: give a label for each class
    ");
    Ok(())
}

/// Keras 3.15 gives these numbers.
#[test]
fn pixels_are_prepared_as_keras_does() -> Outcome {
    let pixel = array![[0.0_f32, 127.5, 255.0]];
    let given =
        |mode: Preprocessing| mode.apply(pixel.clone()).map(|x| x.into_raw_vec_and_offset().0);
    assert_eq!(given(Preprocessing::Signed)?, [-1.0, 0.0, 1.0]);
    assert_eq!(given(Preprocessing::Unchanged)?, [0.0, 127.5, 255.0]);
    assert_eq!(given(Preprocessing::Caffe)?, [255.0 - 103.939, 127.5 - 116.779, -123.68]);
    let normalized = given(Preprocessing::Normalized)?;
    for (given, expected) in normalized.iter().zip([-2.117_904, 0.196_428_6, 2.64]) {
        assert!((given - expected).abs() < 1e-5, "{given}");
    }
    Ok(())
}

#[test]
fn the_most_probable_classes_come_first() -> Outcome {
    let predictions = array![[0.25_f32, 0.5, 0.125, 0.125]];
    let best = decode_predictions(predictions.view(), &["ant", "bee", "cat", "dog"], 3)?;
    assert_eq!(best, [[("bee", 0.5), ("ant", 0.25), ("cat", 0.125)]]);
    Ok(())
}
