//! Regularizers and constraints as arguments of layers, in training.

use brolga_nn::constraints::{Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm};
use brolga_nn::prelude::*;
use brolga_nn::registry::Choice;
use brolga_nn::regularizers::{L1, L1L2, L2, OrthogonalRegularizer};
use brolga_runtime::Backend;
use ndarray::{Array2, Array4, ArrayD, array};

type Outcome = Result<(), NnError>;

/// A model of one layer without a bias, with these weights.
fn model(layer: Dense, weights: &[ArrayD<f32>], backend: Backend) -> Result<Sequential, NnError> {
    let mut model = Sequential::new();
    model.add(Input::new([2])).add(layer);
    let compile = Compile::new().optimizer(SGD::new(0.5)).loss("mse").backend(backend);
    model.compile(compile)?;
    model.set_weights(weights)?;
    Ok(model)
}

const BACKENDS: [Backend; 2] = [Backend::Interpreter, Backend::Native];

/// On a sample of zeros the loss is that of the regularizers, and so are the gradients.
#[test]
fn penalties_are_added_to_the_loss_and_to_gradients() -> Outcome {
    let (x, y) = (Array2::<f32>::zeros((1, 2)), array![[1.0f32]]);
    for backend in BACKENDS {
        let layer =
            Dense::new(1).kernel_regularizer(L2::new(0.25)).bias_regularizer(L1::new(0.125));
        let weights = [array![[2.0f32], [-1.0]].into_dyn(), array![1.0f32].into_dyn()];
        let mut model = model(layer, &weights, backend)?;
        let loss = model.evaluate_with(&x, &y, brolga_nn::Evaluate::new().verbose(false))?.loss();
        assert_eq!(loss, 0.25 * 5.0 + 0.125);
        let history = model.fit(&x, &y, Fit::new().verbose(false))?;
        assert_eq!(history.last("loss"), Some(loss));
        let after = model.get_weights()?;
        assert_eq!(after[0], array![[1.5], [-0.75]].into_dyn());
        assert_eq!(after[1], array![0.9375].into_dyn());
    }
    Ok(())
}

#[test]
fn weights_that_are_not_trained_have_no_penalty() -> Outcome {
    let (x, y) = (Array2::<f32>::zeros((1, 2)), array![[0.0f32]]);
    let mut model = Sequential::new();
    let frozen = Dense::new(2).kernel_regularizer("l2").trainable(false);
    model.add(Input::new([2])).add(frozen).add(Dense::new(1).kernel_initializer("zeros"));
    model.compile(Compile::new().loss("mse"))?;
    assert_eq!(model.evaluate_with(&x, &y, brolga_nn::Evaluate::new().verbose(false))?.loss(), 0.0);
    Ok(())
}

#[test]
fn outputs_are_regularized() -> Outcome {
    let (x, y) = (array![[1.0f32, 2.0], [3.0, 4.0]], array![[3.0f32], [7.0]]);
    for backend in BACKENDS {
        let layer = Dense::new(1).activity_regularizer(L1::new(0.5));
        let weights = [array![[1.0f32], [1.0]].into_dyn(), array![0.0f32].into_dyn()];
        let mut model = model(layer, &weights, backend)?;
        let history = model.fit(&x, &y, Fit::new().verbose(false))?;
        assert_eq!(history.last("loss"), Some(5.0), "½·(3 + 7), not divided by the batch");
        assert_eq!(model.get_weights()?[0], array![[0.0], [-0.5]].into_dyn());
        assert_eq!(model.predict(&x)?.shape(), [2, 1]);
    }
    Ok(())
}

/// The kernel after a step that would double it.
fn constrained(
    constraint: impl Into<Choice<dyn Constraint>>,
    backend: Backend,
) -> Result<ArrayD<f32>, NnError> {
    let layer = Dense::new(1).use_bias(false).kernel_constraint(constraint);
    let weights = [array![[3.0f32], [-4.0]].into_dyn()];
    let mut model = model(layer, &weights, backend)?;
    // The gradient of (w·x − y)² by w is 2·(w·x − y)·x = −2·w where w·x − y is −1 and x is w.
    let fit = Fit::new().verbose(false);
    model.fit(&array![[3.0f32, -4.0]], &array![[26.0f32]], fit)?;
    Ok(model.get_weights()?.remove(0))
}

#[test]
fn constraints_hold_after_each_step() -> Outcome {
    let near = |given: ArrayD<f32>, expected: [f32; 2]| {
        let off = given.iter().zip(expected).map(|(g, e)| (g - e).abs()).fold(0.0, f32::max);
        assert!(off < 1e-5, "{given}, not {expected:?}");
    };
    for backend in BACKENDS {
        near(
            constrained(MinMaxNorm { max_value: 100.0, ..Default::default() }, backend)?,
            [6.0, -8.0],
        );
        near(constrained(MaxNorm::default(), backend)?, [1.2, -1.6]);
        near(constrained("unit_norm", backend)?, [0.6, -0.8]);
        near(constrained("non_neg", backend)?, [6.0, 0.0]);
    }
    Ok(())
}

#[test]
fn convolutions_have_the_same_arguments() -> Outcome {
    let mut model = Sequential::new();
    model.add(Input::new([4, 4, 1]));
    let conv = Conv2D::new(2, 3).kernel_constraint(UnitNorm { axis: [0, 1, 2].into() });
    let conv = conv.kernel_regularizer(L1L2::new(0.01, 0.01)).bias_constraint(NonNeg::default());
    model.add(conv).add(Flatten::new()).add(Dense::new(1));
    model.compile(Compile::new().optimizer("sgd").loss("mse"))?;
    let x = Array4::from_shape_fn((8, 4, 4, 1), |(i, j, k, _)| (i + 2 * j + 3 * k) as f32 / 8.0);
    model.fit(&x, &Array2::<f32>::ones((8, 1)), Fit::new().verbose(false))?;
    let weights = model.get_weights()?;
    for filter in 0..2 {
        let square: f32 = weights[0].iter().skip(filter).step_by(2).map(|w| w * w).sum();
        assert!((square - 1.0).abs() < 1e-5, "{square}");
    }
    assert!(weights[1].iter().all(|&w| w >= 0.0));
    Ok(())
}

/// The error of a model of this layer.
fn error(layer: impl Layer + 'static) -> String {
    let mut model = Sequential::new();
    model.add(Input::new([4])).add(layer);
    let error = model.compile(Compile::new().loss("mse")).expect_err("a mistake").to_string();
    error.lines().filter(|line| !line.starts_with("  at ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn mistakes_name_layer_and_weight() {
    insta::assert_snapshot!(error(Dense::new(3).kernel_regularizer("l3")), @"
    layer `dense`: there is no regularizer `l3`
      help: there are l1, l1l2, l2, orthogonal_regularizer
    ");
    insta::assert_snapshot!(error(Dense::new(3).kernel_regularizer(L1::new(-1.0))), @"
    layer `dense`: L1: `l1` is -1
      help: it must be a number from 0 on that f32 can hold
    ");
    insta::assert_snapshot!(error(Dense::new(1).kernel_regularizer(OrthogonalRegularizer {
        mode: brolga_nn::regularizers::Vectors::Columns, ..Default::default()
    })), @"
    layer `dense`: the weight `kernel`: OrthogonalRegularizer compares vectors of a matrix, not [4,1]
      help: the tensor must have two axes, and two vectors at least
    ");
    insta::assert_snapshot!(error(Dense::new(3).bias_regularizer("orthogonal_regularizer")), @"
    layer `dense`: the weight `bias`: OrthogonalRegularizer compares vectors of a matrix, not [3]
      help: the tensor must have two axes, and two vectors at least
    ");
    insta::assert_snapshot!(error(Dense::new(3).activity_regularizer(L2::new(f64::NAN))), @"
    layer `dense`: L2: `l2` is NaN
      help: it must be a number from 0 on that f32 can hold
    ");
    insta::assert_snapshot!(error(Dense::new(3).kernel_constraint("unitnrm")), @"
    layer `dense`: there is no constraint `unitnrm`; did you mean `unit_norm`?
      help: there are max_norm, min_max_norm, non_neg, unit_norm
    ");
    insta::assert_snapshot!(error(Dense::new(3).kernel_constraint(UnitNorm { axis: 2.into() })), @"
    layer `dense`: the weight `kernel`: shape [4,3] has no axis 2
      help: its axes are 0 to 1, or -2 to -1 from the end
    ");
    insta::assert_snapshot!(error(Dense::new(3).bias_constraint(MinMaxNorm {
        min_value: 2.0, ..Default::default()
    })), @"
    layer `dense`: MinMaxNorm: `max_value` is 1
      help: it must be a number from 2 on that f32 can hold
    ");
    insta::assert_snapshot!(error(Dense::new(3).bias_initializer("identity")), @"
    layer `dense`: the weight `bias`: Identity initializes matrices, not shape [3]
      help: use Orthogonal for weights of more axes
    ");
    insta::assert_snapshot!(error(Dense::new(3).bias_initializer("orthogonal")), @"
    layer `dense`: the weight `bias`: Orthogonal initializes weights of two axes or more, not [3]
      help: use another initializer for vectors
    ");
}
