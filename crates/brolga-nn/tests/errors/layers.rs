//! Layers that do not fit their input, and names that nothing has.

use brolga_nn::config::Padding;
use brolga_nn::layers;
use brolga_nn::prelude::*;
use ndarray::{Array1, Array2};

use crate::{built, compile, message};

#[test]
fn layers_that_do_not_fit_their_input() {
    insta::assert_snapshot!(built(&[usize::MAX, 2], Flatten::new()), @"
    layer `input_layer`: `parameter`: a tensor of type f32[2,18446744073709551615,2] is larger than the limit of 64 TiB
      at crates/brolga-nn/tests/errors/layers.rs:[line]
    ");
    insta::assert_snapshot!(built(&[4, 4, 1], Conv2D::new(2, 5)), @"
    layer `conv2d`: `conv`: a window of height 5 is larger than its input of height 4
      at crates/brolga-nn/tests/errors/layers.rs:[line]
      help: make the window smaller, the input larger, or use padding
    ");
    insta::assert_snapshot!(built(&[4, 4, 1], Conv2D::new(2, 3).dilation_rate(2)), @"
    layer `conv2d`: `conv`: a window of height 5 (dilated from 3) is larger than its input of height 4
      at crates/brolga-nn/tests/errors/layers.rs:[line]
      help: make the window smaller, the input larger, or use padding
    ");
    insta::assert_snapshot!(built(&[4, 4, 1], MaxPooling2D::new((5, 2))), @"
    layer `max_pooling2d`: `max_pool`: a window of height 5 is larger than its input of height 4
      at crates/brolga-nn/tests/errors/layers.rs:[line]
      help: make the window smaller, the input larger, or use padding
    ");
    insta::assert_snapshot!(built(&[28, 28], Conv2D::new(2, 3)), @"
    layer `conv2d`: Conv2D takes images (None, height, width, channels), given (None, 28, 28)
      at crates/brolga-nn/tests/errors/layers.rs:[line]
      help: images without a channel axis need one of extent 1: Input::new([28, 28, 1])
    ");
    insta::assert_snapshot!(built(&[28, 28, 3], Conv2D::new(4, 3).groups(2)), @"
    layer `conv2d`: 2 groups cannot share 3 channels and 4 filters evenly
      at crates/brolga-nn/tests/errors/layers.rs:[line]
      help: both must be multiples of the number of groups
    ");
    insta::assert_snapshot!(built(&[28], AveragePooling2D::new(2)), @"
    layer `average_pooling2d`: AveragePooling2D takes images (None, height, width, channels), given (None, 28)
      at crates/brolga-nn/tests/errors/layers.rs:[line]
      help: images without a channel axis need one of extent 1: Input::new([28, 28, 1])
    ");
    insta::assert_snapshot!(built(&[], Dense::new(3)), @"
    layer `dense`: Dense takes (None, .., inputs), given (None,)
      at crates/brolga-nn/tests/errors/layers.rs:[line]
    ");
    insta::assert_snapshot!(built(&[10], Reshape::new([3, -1])), @"
    layer `reshape`: a sample of 10 elements cannot have the shape [3, -1]
      at crates/brolga-nn/tests/errors/layers.rs:[line]
      help: the product of the extents must be the same; one extent may be -1
    ");
    insta::assert_snapshot!(built(&[4, 4, 2], Rescaling::new([0.1, 0.2, 0.3])), @"
    layer `rescaling`: scale is for 3 channels, the input has 2
      at crates/brolga-nn/tests/errors/layers.rs:[line]
      help: give one number, or one for each channel of the last axis
    ");
    insta::assert_snapshot!(built(&[3], Rescaling::new(0.5).offset([1.0])), @"
    layer `rescaling`: offset is for 1 channels, the input has 3
      at crates/brolga-nn/tests/errors/layers.rs:[line]
      help: give one number, or one for each channel of the last axis
    ");
    insta::assert_snapshot!(built(&[], Rescaling::new(vec![1.0])), @"
    layer `rescaling`: scale is for 1 channels, the input has no axis of channels
      at crates/brolga-nn/tests/errors/layers.rs:[line]
      help: give one number, or one for each channel of the last axis
    ");
    insta::assert_snapshot!(built(&[10], Dense::new(3).name("my layer")), @"
    layer `my layer`: this is not a name for a layer
      at crates/brolga-nn/tests/errors/layers.rs:[line]
      help: names consist of letters, digits and _ . - and do not start with a digit
    ");
}

#[test]
fn outputs_of_one_class() {
    let model = |units, activation, built: bool| {
        let mut model = Sequential::new();
        if built {
            model.add(Input::new([4]));
        }
        model.add(Dense::new(units).activation(activation));
        model
    };
    let of = |activation, loss| message(model(1, activation, true).compile(compile().loss(loss)));
    insta::assert_snapshot!(of("softmax", "categorical_crossentropy"), @r#"
    categorical_crossentropy: the output of layer `dense` has one class, whose probability is always 1: nothing would be trained
      help: for answers of yes or no, use the activation "sigmoid" and the loss "binary_crossentropy"; otherwise give the last layer a unit for each class
    "#);
    insta::assert_snapshot!(of("softmax", "sparse_categorical_crossentropy"), @r#"
    sparse_categorical_crossentropy: the output of layer `dense` has one class, whose probability is always 1: nothing would be trained
      help: for answers of yes or no, use the activation "sigmoid" and the loss "binary_crossentropy"; otherwise give the last layer a unit for each class
    "#);
    insta::assert_snapshot!(of("linear", "sparse_categorical_crossentropy"), @r#"
    sparse_categorical_crossentropy: the output of layer `dense` has one class, whose probability is always 1: nothing would be trained
      help: for answers of yes or no, use the activation "sigmoid" and the loss "binary_crossentropy"; otherwise give the last layer a unit for each class
    "#);
    insta::assert_snapshot!(of("softmax", "binary_crossentropy"), @r#"
    binary_crossentropy: the output of layer `dense` has one class, whose probability is always 1: nothing would be trained
      help: for answers of yes or no, use the activation "sigmoid" and the loss "binary_crossentropy"; otherwise give the last layer a unit for each class
    "#);
    let (x, y) = (Array2::<f32>::zeros((5, 4)), Array1::<u8>::ones(5));
    let mut late = model(1, "softmax", false);
    late.compile(compile().loss("sparse_categorical_crossentropy")).expect("the shape comes later");
    insta::assert_snapshot!(message(late.fit(&x, &y, Fit::new())), @r#"
    sparse_categorical_crossentropy: the output of layer `dense` has one class, whose probability is always 1: nothing would be trained
      help: for answers of yes or no, use the activation "sigmoid" and the loss "binary_crossentropy"; otherwise give the last layer a unit for each class
    "#);
    for (units, activation, loss) in
        [(1, "sigmoid", "binary_crossentropy"), (2, "softmax", "categorical_crossentropy")]
    {
        model(units, activation, true).compile(compile().loss(loss)).expect("it can be trained");
    }
}

#[test]
fn names_that_do_not_exist() {
    insta::assert_snapshot!(built(&[4], Dense::new(3).activation("rleu")), @"
    layer `dense`: there is no activation `rleu`; did you mean `relu`?
      at crates/brolga-nn/tests/errors/layers.rs:[line]
      help: there are celu, elu, exponential, gelu, glu, hard_shrink, hard_sigmoid, hard_silu, hard_tanh, leaky_relu, linear, log_sigmoid, log_softmax, mish, relu, relu6, selu, sigmoid, silu, soft_shrink, softmax, softplus, softsign, sparse_plus, sparse_sigmoid, sparsemax, squareplus, tanh, tanh_shrink, threshold
    ");
    insta::assert_snapshot!(built(&[4], layers::Activation::new("softmin")), @"
    layer `activation`: there is no activation `softmin`; did you mean `softmax`?
      at crates/brolga-nn/tests/errors/layers.rs:[line]
      help: there are celu, elu, exponential, gelu, glu, hard_shrink, hard_sigmoid, hard_silu, hard_tanh, leaky_relu, linear, log_sigmoid, log_softmax, mish, relu, relu6, selu, sigmoid, silu, soft_shrink, softmax, softplus, softsign, sparse_plus, sparse_sigmoid, sparsemax, squareplus, tanh, tanh_shrink, threshold
    ");
    insta::assert_snapshot!(built(&[4, 4, 1], Conv2D::new(2, 3).padding("full")), @r#"
    layer `conv2d`: there is no padding `full`
      at crates/brolga-nn/tests/errors/layers.rs:[line]
      help: padding is "valid" or "same"
    "#);
    assert_eq!(Padding::from("same"), Padding::Same);
    let mut model = Sequential::new();
    insta::assert_snapshot!(message(model.compile(compile().optimizer("adamm"))), @"
    there is no optimizer `adamm`; did you mean `adam`?
      help: there are adadelta, adafactor, adagrad, adam, adamax, adamw, ftrl, lamb, lion, muon, nadam, rmsprop, sgd
    ");
    insta::assert_snapshot!(message(model.compile(compile().loss("cross_entropy"))), @"
    there is no loss `cross_entropy`
      help: there are binary_crossentropy, binary_focal_crossentropy, categorical_crossentropy, categorical_focal_crossentropy, categorical_generalized_cross_entropy, categorical_hinge, circle, cosine_similarity, ctc, dice, hinge, huber, kl_divergence, log_cosh, mean_absolute_error, mean_absolute_percentage_error, mean_squared_error, mean_squared_logarithmic_error, poisson, sparse_categorical_crossentropy, squared_hinge, tversky
    ");
    insta::assert_snapshot!(message(model.compile(compile().loss("mse").metrics(["acuracy"]))), @"
    there is no metric `acuracy`; did you mean `accuracy`?
      help: there are accuracy, auc, binary_accuracy, binary_crossentropy, binary_io_u, categorical_accuracy, categorical_crossentropy, categorical_hinge, concordance_correlation, cosine_similarity, f1_score, f_beta_score, false_negatives, false_positives, hinge, io_u, kl_divergence, log_cosh_error, mean, mean_absolute_error, mean_absolute_percentage_error, mean_io_u, mean_squared_error, mean_squared_logarithmic_error, one_hot_io_u, one_hot_mean_io_u, pearson_correlation, poisson, precision, precision_at_recall, r2_score, recall, recall_at_precision, root_mean_squared_error, sensitivity_at_specificity, sparse_categorical_accuracy, sparse_categorical_crossentropy, sparse_top_k_categorical_accuracy, specificity_at_sensitivity, squared_hinge, sum, top_k_categorical_accuracy, true_negatives, true_positives
    ");
    model.add(Input::new([4]));
    model.add(Dense::new(3).kernel_initializer("glorot"));
    insta::assert_snapshot!(message(model.get_weights()), @"
    layer `dense`: there is no initializer `glorot`
      at crates/brolga-nn/tests/errors/layers.rs:[line]
      help: there are constant, glorot_normal, glorot_uniform, he_normal, he_uniform, identity, lecun_normal, lecun_uniform, ones, orthogonal, random_normal, random_uniform, stft, truncated_normal, variance_scaling, zeros
    ");
    insta::assert_snapshot!(message(brolga_nn::builtin::by_name("resnet")), @"
    there is no model `resnet`
      help: there are mnist_cnn, mlp, tiny
    ");
}
