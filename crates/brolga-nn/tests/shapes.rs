//! The shapes of layers: what Keras's formulas say, for any sizes.

use brolga_ir::{Type, Var};
use brolga_nn::layers::{Base, Layer};
use brolga_nn::model::{Head, Network, Port};
use brolga_nn::prelude::*;
use brolga_nn::registry::Object;
use brolga_nn::trace::Call;
use proptest::prelude::*;

/// The shape of a sample after this layer; `None` if the layer does not fit.
fn shape(input: &[usize], layer: impl Layer + 'static) -> Option<Vec<usize>> {
    let mut model = Sequential::new();
    model.add(layer);
    model.build(input).ok()?;
    Some(model.built()?.outputs[0].ty.shape.to_vec())
}

/// The number of positions of a window on an axis.
fn positions(input: usize, span: usize, stride: usize, same: bool) -> Option<usize> {
    match same {
        true => Some(input.div_ceil(stride)),
        false => Some(input.checked_sub(span)? / stride + 1),
    }
}

proptest! {
    #[test]
    fn windows_take_the_places_of_kerass_formula(
        height in 1usize..20, width in 1usize..20,
        kernel in prop::array::uniform2(1usize..6),
        stride in prop::array::uniform2(1usize..4),
        dilation in prop::array::uniform2(1usize..4),
        same: bool,
    ) {
        let padding = if same { "same" } else { "valid" };
        let extents = |dilation: [usize; 2]| {
            let axis = |i: usize, extent| positions(extent, (kernel[i] - 1) * dilation[i] + 1, stride[i], same);
            Some((axis(0, height)?, axis(1, width)?))
        };
        let input = [height, width, 3];
        let conv = Conv2D::new(5, kernel).strides(stride).dilation_rate(dilation).padding(padding);
        prop_assert_eq!(shape(&input, conv), extents(dilation).map(|(h, w)| vec![h, w, 5]));
        let pooled = extents([1, 1]).map(|(h, w)| vec![h, w, 3]);
        let max = MaxPooling2D::new(kernel).strides(stride).padding(padding);
        prop_assert_eq!(shape(&input, max), pooled.clone());
        let average = AveragePooling2D::new(kernel).strides(stride).padding(padding);
        prop_assert_eq!(shape(&input, average), pooled);
    }

    #[test]
    fn elements_stay(extents in prop::collection::vec(0usize..5, 1..4)) {
        let elements: usize = extents.iter().product();
        prop_assert_eq!(shape(&extents, Flatten::new()), Some(vec![elements]));
        prop_assert_eq!(shape(&extents, Reshape::new([-1])), Some(vec![elements]));
        let wrong = Reshape::new([elements as isize + 1]);
        prop_assert_eq!(shape(&extents, wrong), None);
    }

    #[test]
    fn dense_changes_the_last_axis(extents in prop::collection::vec(1usize..5, 1..4), units in 0usize..4) {
        let mut expected = extents.clone();
        expected.pop();
        expected.push(units);
        let expected = (units > 0).then_some(expected);
        prop_assert_eq!(shape(&extents, Dense::new(units)), expected);
    }
}

/// A layer of the user's own.
#[derive(Debug)]
struct Own(Base, fn(&Var) -> Var);

impl Object for Own {
    fn class_name(&self) -> &'static str {
        "Own"
    }

    fn config(&self) -> Result<serde_json::Value, NnError> {
        Ok(serde_json::json!({}))
    }
}

impl Layer for Own {
    fn base(&self) -> &Base {
        &self.0
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |_, x| self.1(&x))
    }
}

fn own(function: fn(&Var) -> Var) -> Own {
    Own(Base::default(), function)
}

#[test]
fn a_layer_of_the_users_own_is_a_layer() -> Result<(), NnError> {
    let mut model = Sequential::new();
    model.add(Input::new([2]));
    model.add(own(|x| x * x)).add(own(|x| x + 1.0));
    let built = model.network().build(None)?;
    let output = Port { name: "own_1".to_owned(), ty: Type::f32([2]), head: Head::Other };
    assert_eq!(built.outputs, [output]);
    let names: Vec<_> = built.layers.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["input_layer", "own", "own_1"]);
    Ok(())
}

#[test]
fn a_layer_must_keep_the_batch() {
    let mut model = Sequential::new();
    model.add(own(|x| x.reduce_sum(&[0], true)));
    let error = model.build(&[3]).expect_err("the sum over the batch has no batch").to_string();
    let without_place = error.lines().filter(|line| !line.contains(" at ")).collect::<Vec<_>>();
    assert_eq!(
        without_place,
        [
            "layer `own`: of a batch of 2 samples the layer makes f32[1,3]",
            "  help: layers must keep the first axis, which counts the samples"
        ]
    );
}

#[test]
fn an_activation_is_an_argument_and_a_layer() -> Result<(), NnError> {
    let mut model = Sequential::new();
    model.add(Input::new([3]));
    model.add(Dense::new(4).activation("relu"));
    model.add(Activation::new("relu").name("positive"));
    model.add(Activation::new("softmax"));
    let names = model.network().layer_names();
    let names: Vec<_> = names.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["input_layer", "dense", "positive", "activation"]);
    let built = model.network().build(None)?;
    assert_eq!(*built.outputs[0].ty.shape, [4]);
    Ok(())
}
