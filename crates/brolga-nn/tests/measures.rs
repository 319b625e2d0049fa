//! Losses and metrics beside the reference cases: values of the model's own output, and mistakes.

use brolga_ir::{Tensor, Tracer, Type, interpret};
use brolga_nn::layers::Identity;
use brolga_nn::losses::{
    self, BinaryCrossentropy, CategoricalCrossentropy, CategoricalFocalCrossentropy, Circle,
    CosineSimilarity, Dice, Loss, SparseCategoricalCrossentropy,
};
use brolga_nn::metrics::{
    AUC, Average, F1Score, FBetaScore, LogCoshError, Mean, MeanIoU, Metric, Precision, Recall, Sum,
    TruePositives,
};
use brolga_nn::prelude::*;
use brolga_nn::registry::Choice;
use ndarray::{Array1, Array2, Array3, array};

/// A metric of one batch, with these weights of its samples.
fn measured(metric: &dyn Metric, y_pred: &Array2<f32>, weight: Option<&[f32]>) -> f64 {
    let tensor = |values: Vec<f32>, shape: &[usize]| {
        Tensor::f32(shape, values).expect("as many as the shape says")
    };
    let tracer = Tracer::new("metric");
    let mut inputs = vec![tensor(y_pred.iter().copied().collect(), y_pred.shape())];
    inputs.extend(weight.map(|weight| tensor(weight.to_vec(), &[weight.len()])));
    let names = ["y_pred", "weight"];
    let vars = inputs.iter().zip(names).map(|(x, name)| tracer.input(name, x.ty()));
    let vars: Vec<_> = vars.collect();
    let parts = metric.statistics(&vars[0], &vars[0].clone().into(), vars.get(1));
    assert_eq!(parts.len(), metric.parts());
    parts.iter().for_each(|part| tracer.output(part));
    let results = interpret(&tracer.finish().expect("a graph"), &inputs).expect("a valid graph");
    metric.result(&results.iter().map(|part| part.data().to_f64()).collect::<Vec<_>>())
}

#[test]
fn outputs_are_summed_and_averaged() {
    let y = array![[1.0, 2.0], [3.0, 6.0]];
    assert_eq!(measured(&Mean::new(), &y, None), 3.0);
    assert_eq!(measured(&Mean::new(), &y, Some(&[3.0, 1.0])), 2.25);
    assert_eq!(measured(&Sum::new(), &y, None), 12.0);
    assert_eq!(measured(&Sum::new(), &y, Some(&[3.0, 1.0])), 18.0);
}

#[test]
fn metrics_have_the_names_of_keras() -> Result<(), NnError> {
    let mut model = Sequential::new();
    model.add(Input::new([2])).add(Dense::new(2).activation("sigmoid"));
    let compile = Compile::new().loss("mse").metrics(["precision", "mape", "f1_score"]);
    let compile = compile.metrics([LogCoshError::new()]).metrics([FBetaScore::new(2.0)]);
    model.compile(compile.metrics([Recall::new().name("found")]))?;
    let (x, y) = (Array2::<f32>::zeros((4, 2)), Array2::<f32>::ones((4, 2)));
    let history = model.fit(&x, &y, Fit::new().verbose(false))?;
    let names: Vec<&str> = history.history.iter().map(|series| series.name.as_str()).collect();
    let expected = [
        "loss",
        "precision",
        "mape",
        "f1_score/0",
        "f1_score/1",
        "logcosh",
        "fbeta_score/0",
        "fbeta_score/1",
        "found",
    ];
    assert_eq!(names, expected);
    Ok(())
}

/// The mistake of a metric of this prediction, with labels of the same shape.
fn mistake(metric: impl Metric, shape: &[usize]) -> String {
    let tracer = Tracer::new("metric");
    let (t, p) = (tracer.input("t", Type::f32(shape)), tracer.input("p", Type::f32(shape)));
    let parts = metric.statistics(&t, &p.into(), None);
    assert_eq!(parts.len(), metric.parts());
    without_location(&tracer.error().expect("a mistake").to_string())
}

fn without_location(message: &str) -> String {
    message.lines().filter(|line| !line.starts_with("  at ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn metrics_that_do_not_fit_are_mistakes() {
    insta::assert_snapshot!(mistake(Precision::new().top_k(4), &[2, 3]), @"
    the metric takes the 4 greatest of 3 elements
      help: `top_k` must not exceed the extent of the last axis
    ");
    insta::assert_snapshot!(mistake(Precision::new().class_id(3), &[2, 3]), @"
    the metric looks at class 3 of f32[2,3]
      help: `class_id` must be an index of the last axis
    ");
    insta::assert_snapshot!(mistake(FBetaScore::new(1.0).average(Average::Micro), &[2, 3, 4]), @"the metric takes [batch, classes], given f32[2,3,4]");
    insta::assert_snapshot!(mistake(MeanIoU::new(3).sparse_y_pred(false), &[2, 3]), @"
    the metric compares classes i32[2,3] with i32[2]
      help: both must have as many; see the arguments for vectors over the classes
    ");
    insta::assert_snapshot!(mistake(AUC::new().multi_label(true), &[2, 3, 4]), @"
    AUC with `multi_label` takes [batch, labels], given f32[2,3,4]
      help: reshape the output, or leave multi_label out
    ");
    insta::assert_snapshot!(mistake(AUC::new().num_labels(2), &[2, 3]), @"
    AUC has `num_labels`, but not `multi_label`
      help: set multi_label, or leave num_labels out
    ");
    insta::assert_snapshot!(mistake(AUC::new().label_weights([1.0, 2.0]), &[2, 3]), @"
    `label_weights` is for 2 labels, predictions have 3
      help: give one for each element of the last axis
    ");
    insta::assert_snapshot!(mistake(Precision::new().thresholds(vec![]), &[2, 3]), @"
    the metric has no thresholds
      help: give one at least
    ");
}

#[test]
fn losses_that_do_not_fit_are_mistakes() {
    let mistake = |loss: &dyn Loss| {
        let tracer = Tracer::new("loss");
        let (t, p) = (tracer.input("t", Type::f32([2, 3])), tracer.input("p", Type::f32([2, 3])));
        let _ = losses::compute(loss, &t, &p.into(), None);
        without_location(&tracer.error().expect("a mistake").to_string())
    };
    insta::assert_snapshot!(mistake(&Dice::new().axis([1, 2])), @"
    shape [2,3] has no axis 2
      help: its axes are 0 to 1, or -2 to -1 from the end
    ");
    insta::assert_snapshot!(mistake(&CosineSimilarity::new().axis(-3)), @"
    shape [2,3] has no axis -3
      help: its axes are 0 to 1, or -2 to -1 from the end
    ");
    insta::assert_snapshot!(mistake(&CategoricalCrossentropy::new().axis(2)), @"
    shape [2,3] has no axis 2
      help: its axes are 0 to 1, or -2 to -1 from the end
    ");
    insta::assert_snapshot!(mistake(&SparseCategoricalCrossentropy::new().axis(-3)), @"
    shape [2,3] has no axis -3
      help: its axes are 0 to 1, or -2 to -1 from the end
    ");
    insta::assert_snapshot!(mistake(&BinaryCrossentropy::new().axis(2)), @"
    shape [2,3] has no axis 2
      help: its axes are 0 to 1, or -2 to -1 from the end
    ");
    insta::assert_snapshot!(mistake(&CategoricalFocalCrossentropy::new().alpha([0.5, 0.25])), @"
    alpha is for 2 channels, the input has 3
      help: give one number, or one for each channel of the last axis
    ");
}

/// `y_pred` says 1, 1, 0, 0 of the first class and 0, 1, 1, 0 of the second at ½, labels are
/// 1, 0, 0, 1 and 0, 1, 1, 0.
#[test]
fn metrics_of_several_numbers_are_reported_by_their_index() -> Result<(), NnError> {
    let mut model = Sequential::new();
    model.add(Input::new([2])).add(Identity::new());
    let metrics: [Choice<dyn Metric>; 4] = [
        Precision::new().thresholds([0.5, 0.8]).into(),
        TruePositives::new().thresholds([0.1, 0.5, 0.8]).into(),
        Recall::new().thresholds([0.5]).into(),
        F1Score::new().threshold(0.5).into(),
    ];
    model.compile(Compile::new().loss("mse").metrics(metrics))?;
    let x = array![[0.9f32, 0.2], [0.7, 0.75], [0.3, 0.85], [0.05, 0.1]];
    let y = array![[1.0f32, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]];
    let logs = model.evaluate_with(&x, &y, Evaluate::new().verbose(false))?;
    let close = |name: &str, expected: f64| {
        let given = logs.get(name).unwrap_or(f64::NAN);
        assert!((given - expected).abs() < 1e-6, "{name}: {given} instead of {expected}");
    };
    close("precision/0", 3.0 / 4.0);
    close("precision/1", 1.0);
    close("true_positives/0", 3.0);
    close("true_positives/1", 3.0);
    close("true_positives/2", 2.0);
    close("recall", 3.0 / 4.0);
    close("f1_score/0", 0.5);
    close("f1_score/1", 1.0);
    let monitored = EarlyStopping::new().monitor("f1_score/1");
    model.fit(&x, &y, Fit::new().verbose(false).callback(monitored))?;
    Ok(())
}

#[test]
fn class_numbers_fit_the_generalized_cross_entropy() -> Result<(), NnError> {
    let mut model = Sequential::new();
    model.add(Input::new([3])).add(Dense::new(3).activation("softmax"));
    let compile = Compile::new().optimizer("adam").loss("categorical_generalized_cross_entropy");
    model.compile(compile.metrics(["accuracy", "sparse_top_k_categorical_accuracy"]))?;
    let x = Array2::from_shape_fn((6, 3), |(i, j)| if i % 3 == j { 1.0f32 } else { 0.0 });
    let y = Array1::from_shape_fn(6, |i| (i % 3) as u8);
    let history = model.fit(&x, &y, Fit::new().epochs(3).verbose(false))?;
    let losses = history.get("loss").unwrap_or_default();
    assert!(losses.windows(2).all(|pair| pair[1] < pair[0]), "{losses:?}");
    assert_eq!(history.last("sparse_top_k_categorical_accuracy"), Some(1.0));
    Ok(())
}

/// Classes on another axis than the last one.
#[test]
fn labels_fit_the_axis_of_the_classes() -> Result<(), NnError> {
    let compiled = |loss: Choice<dyn Loss>| {
        let mut model = Sequential::new();
        model.add(Input::new([3, 4])).add(Identity::new());
        model.compile(Compile::new().loss(loss))?;
        Ok::<_, NnError>(model)
    };
    let x = Array3::from_shape_fn((2, 3, 4), |(i, j, k)| ((i + 2 * j + 3 * k) % 5) as f32);
    let evaluate = Evaluate::new().verbose(false);
    // −ln softmax(x)[t] along the axis 1, which has three classes, averaged over 2 × 4 places.
    let labels = array![[0, 1, 2, 0], [2, 2, 1, 0]];
    let mut sum = 0.0;
    for ((i, k), &label) in labels.indexed_iter() {
        let logits: Vec<f64> = (0..3).map(|j| f64::from(x[[i, j, k]])).collect();
        sum += logits.iter().map(|z| z.exp()).sum::<f64>().ln() - logits[label as usize];
    }
    let loss = SparseCategoricalCrossentropy::new().from_logits(true).axis(1);
    let logs = compiled(loss.into())?.evaluate_with(&x, &labels, evaluate)?;
    let given = logs.get("loss").unwrap_or(f64::NAN);
    assert!((given - sum / 8.0).abs() < 1e-6, "{given} instead of {}", sum / 8.0);
    let mistake = |loss: SparseCategoricalCrossentropy, labels: &Array2<i32>| {
        let model = compiled(loss.from_logits(true).into());
        let error = model.and_then(|mut model| model.evaluate(&x, labels).map(drop));
        error.expect_err("a mistake").to_string()
    };
    let crossentropy = SparseCategoricalCrossentropy::new;
    insta::assert_snapshot!(mistake(crossentropy().axis(1), &array![[0, 1, 3, 0], [2, 2, 1, 0]]), @"
    y has the label 3 at row 0, but the model's output `identity` has 3 classes: labels go from 0 to 2
      help: labels that start at 1 must be lowered by 1; for 4 classes the last layer needs 4 units
    ");
    insta::assert_snapshot!(mistake(crossentropy().axis(1), &array![[0, 1, 3], [2, 2, 1]]), @"
    sparse_categorical_crossentropy expects labels of shape (None, 4), y has shape (None, 3)
      help: give one class number for each vector of the model's output
    ");
    insta::assert_snapshot!(mistake(crossentropy().axis(0), &labels), @"
    the classes are on axis 0 of (None, 3, 4), the batch
      help: each sample needs a number for each class
    ");
    insta::assert_snapshot!(mistake(crossentropy().axis(3), &labels), @"
    the classes are on axis 3 of (None, 3, 4), which does not exist
      help: the last axis is -1
    ");
    Ok(())
}

/// Labels may be any integers: 100 is no class of vectors of two elements.
#[test]
fn vectors_of_one_label_come_together() -> Result<(), NnError> {
    let mut model = Sequential::new();
    model.add(Input::new([6])).add(Dense::new(2)).add(UnitNormalization::new());
    model.compile(Compile::new().optimizer(SGD::new(0.1)).loss(Circle::new().gamma(5.0)))?;
    let x = Array2::<f32>::eye(6);
    let y = array![100, 100, 7, 7, -3, -3];
    let fit = Fit::new().epochs(40).batch_size(6).verbose(false);
    model.fit(&x, &y, fit)?;
    let vectors = model.predict_with(&x, Predict::new().verbose(false))?;
    let cosine =
        |i: usize, j: usize| (0..2).map(|k| vectors[[i, k]] * vectors[[j, k]]).sum::<f32>();
    for i in [0, 2, 4] {
        let others = (0..6).filter(|&j| y[j] != y[i]).map(|j| cosine(i, j)).fold(-1.0, f32::max);
        assert!(cosine(i, i + 1) > others, "{i}: {} and {others}", cosine(i, i + 1));
    }
    Ok(())
}
