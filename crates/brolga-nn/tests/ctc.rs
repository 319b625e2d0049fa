//! Connectionist temporal classification, beside a sum over all paths.

use std::collections::HashMap;
use std::error::Error;

use brolga_autodiff::gradients;
use brolga_ir::{DType, Data, Tensor, Tracer, Type, interpret};
use brolga_nn::ctc::{Strategy, decode};
use brolga_nn::losses::{CTC, ctc};
use brolga_nn::prelude::*;
use ndarray::{Array2, Array3, ArrayView2, array, s};

type Outcome = Result<(), Box<dyn Error>>;

/// Numbers without a pattern.
fn logits(samples: usize, frames: usize, classes: usize) -> Array3<f64> {
    Array3::from_shape_fn((samples, frames, classes), |(i, t, k)| {
        2.0 * ((i * 31 + t * 17 + k * 7) as f64 * 0.7).sin()
    })
}

/// The logarithms of the probabilities of all labels, each the sum over its paths.
fn all_labels(logits: ArrayView2<'_, f64>) -> HashMap<Vec<usize>, f64> {
    let (frames, classes) = logits.dim();
    let sums: Vec<f64> = logits
        .rows()
        .into_iter()
        .map(|row| row.iter().map(|z| z.exp()).sum::<f64>().ln())
        .collect();
    let mut found: HashMap<Vec<usize>, f64> = HashMap::new();
    for mut path in 0..classes.pow(frames as u32) {
        let (mut labels, mut before, mut log_p) = (vec![], 0, 0.0);
        for frame in 0..frames {
            let class = path % classes;
            path /= classes;
            log_p += logits[[frame, class]] - sums[frame];
            if class != 0 && class != before {
                labels.push(class);
            }
            before = class;
        }
        *found.entry(labels).or_default() += log_p.exp();
    }
    found.into_iter().map(|(labels, p)| (labels, p.ln())).collect()
}

fn tensor(values: &Array3<f64>) -> Tensor {
    let shape = values.shape().to_vec();
    Tensor::new(shape, Data::F64(values.iter().copied().collect())).expect("as many as elements")
}

/// The losses of some labels, and the gradient of their sum by the logits.
fn computed(y: &Array2<i32>, z: &Array3<f64>) -> (Vec<f64>, Vec<f64>) {
    let tracer = Tracer::new("ctc");
    let labels = tracer.input("y", Type::new(DType::I32, y.shape()));
    let logits = tracer.input("z", Type::new(DType::F64, z.shape()));
    let losses = ctc(&labels, &logits);
    tracer.output(&losses);
    let sum = losses.reduce_sum(&[0], false);
    let gradient =
        gradients(&tracer, &sum, std::slice::from_ref(&logits)).expect("a gradient").swap_remove(0);
    tracer.output(&gradient);
    drop((labels, logits, losses, sum, gradient));
    let graph = tracer.finish().expect("no mistake");
    let y = Tensor::new(y.shape().to_vec(), Data::I32(y.iter().copied().collect()));
    let results = interpret(&graph, &[y.expect("labels"), tensor(z)]).expect("inputs that fit");
    let [losses, gradient] = &results[..] else { panic!("two results") };
    (losses.data().to_f64(), gradient.data().to_f64())
}

#[test]
fn the_loss_is_that_of_all_paths() {
    let z = logits(4, 4, 3);
    let y = array![[1, 2, 0], [1, 1, 0], [0, 0, 0], [2, 1, 2]];
    let (losses, _) = computed(&y, &z);
    for (sample, loss) in losses.iter().enumerate() {
        let labels: Vec<usize> = y
            .row(sample)
            .iter()
            .filter(|&&label| label != 0)
            .map(|&label| label as usize)
            .collect();
        let expected = -all_labels(z.slice(s![sample, .., ..]))[&labels];
        assert!((loss - expected).abs() < 1e-12 * (1.0 + expected), "{loss} {expected}");
    }
}

#[test]
fn too_few_frames_are_an_infinite_loss() {
    let (losses, _) = computed(&array![[1, 1]], &logits(1, 2, 3));
    assert_eq!(losses, [f64::INFINITY]);
}

#[test]
fn the_gradient_agrees_with_differences() {
    let z = logits(3, 5, 4);
    let y = array![[1, 3, 0], [2, 2, 1], [0, 0, 0]];
    let (_, gradient) = computed(&y, &z);
    let h = 1e-5;
    for (place, expected) in gradient.iter().enumerate() {
        let moved = |by: f64| {
            let mut z = z.clone();
            z.as_slice_mut().expect("one block")[place] += by;
            computed(&y, &z).0.iter().sum::<f64>()
        };
        let difference = (moved(h) - moved(-h)) / (2.0 * h);
        assert!((difference - expected).abs() < 1e-8, "{difference} {expected}");
    }
}

#[test]
fn a_wide_beam_finds_the_most_probable_labels() {
    for sample in 0..6 {
        let z = logits(6, 5, 3);
        let z = z.slice(s![sample, .., ..]);
        let given = z.mapv(|z| z as f32);
        let found = decode(given.view(), Strategy::Beam { width: 1000 });
        let all = all_labels(given.mapv(f64::from).view());
        let best = all.values().copied().fold(f64::NEG_INFINITY, f64::max);
        assert!((found.log_probability - best).abs() < 1e-9);
        assert!((all[&found.labels] - best).abs() < 1e-9);
        let greedy = decode(given.view(), Strategy::Greedy);
        assert!(greedy.log_probability <= all[&greedy.labels] + 1e-9);
    }
    let nothing = decode(Array2::zeros((0, 3)).view(), Strategy::Beam { width: 0 });
    assert_eq!((nothing.labels, nothing.log_probability), (vec![], 0.0));
}

/// A model that learns to spell: each class is a pattern of two frames.
#[test]
fn a_model_learns_by_it() -> Outcome {
    let y: Array2<i32> = array![[1, 2, 0], [2, 1, 2], [1, 0, 0], [2, 2, 0]];
    let mut x = Array3::<f32>::zeros((4, 12, 3));
    for (sample, labels) in y.rows().into_iter().enumerate() {
        for (place, &label) in labels.iter().enumerate() {
            x[[sample, 4 * place + 1, label as usize]] = 1.0;
        }
    }
    let mut model = Sequential::new();
    model.add(Input::new([12, 3]));
    model.add(Bidirectional::new(GRU::new(8).return_sequences(true)));
    model.add(Dense::new(3));
    model.compile(Compile::new().optimizer(Adam::new(0.03)).loss(CTC::new().max_length(3)))?;
    model.fit(&x, &y, Fit::new().epochs(80).batch_size(4).verbose(0))?;
    let predicted = model.predict_with(&x, Predict::new().verbose(false))?;
    for (sample, labels) in y.rows().into_iter().enumerate() {
        let logits = predicted.slice(s![sample, .., ..]);
        let expected: Vec<usize> =
            labels.iter().filter(|&&label| label != 0).map(|&label| label as usize).collect();
        assert_eq!(decode(logits, Strategy::Greedy).labels, expected, "sample {sample}");
    }
    Ok(())
}

#[test]
fn labels_that_do_not_fit_are_errors() -> Outcome {
    let mut model = Sequential::new();
    model.add(Input::new([3, 2]));
    model.add(Dense::new(4).name("letters"));
    model.compile(Compile::new().optimizer("sgd").loss(CTC::new().max_length(3)))?;
    let x = Array3::<f32>::zeros((2, 3, 2));
    let mut message = |y: Array2<i32>| {
        let fit = Fit::new().epochs(1).batch_size(2).verbose(0);
        model.fit(&x, &y, fit).map(drop).expect_err("labels that do not fit").to_string()
    };
    insta::assert_snapshot!(message(array![[1, 2, 0], [2, 2, 3]]), @"
    ctc: the 3 labels of y[1] take 4 frames, the output of layer `letters` has 3
      help: give longer inputs or shorter labels, or let the layers before reduce the steps less; equal neighbours need a frame between them
    ");
    insta::assert_snapshot!(message(array![[1, 4, 0], [2, 1, 3]]), @"
    y has the label 4 at row 0, but the model's output `letters` has 4 classes: labels go from 0 to 3
      help: labels that start at 1 must be lowered by 1; for 5 classes the last layer needs 5 units
    ");
    insta::assert_snapshot!(message(array![[1, 2], [2, 1]]), @"
    ctc expects labels of shape (None, 3), y has shape (None, 2)
      help: give as many class numbers for each sample, with zeros at the end; `CTC::new().max_length(n)` tells how many
    ");
    Ok(())
}
