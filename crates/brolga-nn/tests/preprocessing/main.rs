//! Layers of texts, categories and sound give what Keras's do.
//!
//! `reference.py` writes `cases.json`: a line a case, with Keras's config, the data that the layer
//! was adapted to, its input and its output.

mod errors;
mod models;
mod properties;

use std::error::Error;

use brolga_nn::layers::{Discretization, IntegerLookup, Layer};
use brolga_nn::prelude::*;
use brolga_nn::preprocessing::{IndexLookup, Token};
use brolga_nn::registry::from_config;
use ndarray::ArrayD;
use serde_json::{Value, json};

/// A nested list of values as an array.
fn array<T>(value: &Value, element: impl Fn(&Value) -> T) -> ArrayD<T> {
    fn collect<T>(value: &Value, element: &impl Fn(&Value) -> T, all: &mut Vec<T>) {
        match value.as_array() {
            Some(list) => list.iter().for_each(|value| collect(value, element, all)),
            None => all.push(element(value)),
        }
    }
    let mut shape = vec![];
    let mut inner = value;
    while let Some(list) = inner.as_array() {
        shape.push(list.len());
        inner = list.first().unwrap_or(&Value::Null);
    }
    let mut elements = vec![];
    collect(value, &element, &mut elements);
    ArrayD::from_shape_vec(shape, elements).expect("lists of one length on each level")
}

fn texts(value: &Value) -> ArrayD<String> {
    array(value, |text| text.as_str().expect("a text").to_owned())
}

fn whole(value: &Value) -> ArrayD<i64> {
    array(value, |number| number.as_i64().expect("a whole number"))
}

fn floats(value: &Value) -> ArrayD<f32> {
    array(value, |number| number.as_f64().expect("a number") as f32)
}

/// The expected array: the elements of `y`, in its shape.
fn expected<T>(case: &Value, element: impl Fn(&Value) -> T) -> ArrayD<T> {
    let shape: Vec<usize> = serde_json::from_value(case["y"]["shape"].clone()).expect("a shape");
    let values = case["y"]["values"].as_array().expect("a list");
    let values = values.iter().map(element).collect();
    ArrayD::from_shape_vec(shape, values).expect("as many values as the shape has")
}

fn expected_floats(case: &Value) -> ArrayD<f32> {
    expected(case, |x| x.as_f64().expect("a number") as f32)
}

type TestResult = Result<(), Box<dyn Error>>;

/// Fails if an array is not within a share of the largest element of another one.
fn near(given: &ArrayD<f32>, expected: &ArrayD<f32>, share: f32) -> TestResult {
    let largest = expected.iter().fold(1e-6_f32, |largest, x| largest.max(x.abs()));
    let off = given.iter().zip(expected).map(|(g, e)| (g - e).abs() / largest);
    let off =
        off.fold(0.0_f32, |most, off| if off.is_nan() { f32::INFINITY } else { most.max(off) });
    if given.shape() != expected.shape() || off > share {
        return Err(format!("{off:e} of {largest}\nexpected {expected}\ngiven {given}").into());
    }
    Ok(())
}

/// The cases of these classes.
fn cases(classes: &[&str]) -> Vec<Value> {
    let all: Vec<Value> = serde_json::from_str(include_str!("cases.json")).expect("it is JSON");
    let wanted = |case: &Value| classes.contains(&case["class"].as_str().unwrap_or_default());
    all.into_iter().filter(wanted).collect()
}

/// Runs a test on each case of some classes.
fn for_cases(classes: &[&str], test: impl Fn(&Value) -> TestResult) {
    let cases = cases(classes);
    assert!(!cases.is_empty());
    for case in &cases {
        if let Err(error) = test(case) {
            panic!("{} {}\nof {}: {error}", case["class"], case["config"], case["x"]);
        }
    }
}

#[test]
fn texts_are_vectorized_as_keras_does() {
    for_cases(&["TextVectorization"], |case| {
        let mut layer = TextVectorization::from_config(&case["config"])?;
        if !case["adapt"].is_null() {
            layer = layer.adapt(&texts(&case["adapt"]))?;
        }
        let vocabulary: Vec<String> = serde_json::from_value(case["vocabulary"].clone())?;
        assert_eq!(layer.get_vocabulary(true)?, vocabulary);
        assert_eq!(layer.vocabulary_size()?, vocabulary.len());
        let x = texts(&case["x"]);
        let again = TextVectorization::from_config(&layer.get_config()?)?;
        for layer in [layer, again] {
            match &case["config"]["output_mode"] {
                Value::String(mode) if mode == "tf_idf" => {
                    near(&layer.apply::<f32>(&x)?, &expected_floats(case), 1e-6)?;
                }
                _ if case["config"]["ragged"] == true => {
                    assert_eq!(json!(layer.apply_ragged::<i64>(&x)?), case["y"]);
                }
                _ => {
                    let y = layer.apply::<i64>(&x)?;
                    assert_eq!(y, expected(case, |x| x.as_f64().unwrap_or(f64::NAN) as i64));
                    assert_eq!(layer.apply::<i32>(&x)?, y.mapv(|x| x as i32));
                    assert_eq!(layer.apply::<f32>(&x)?, y.mapv(|x| x as f32));
                }
            }
        }
        Ok(())
    });
}

/// Compares what a lookup gives with a case.
fn check_lookup<T>(layer: &IndexLookup<T>, case: &Value, key: fn(&Value) -> T) -> TestResult
where
    T: Token + brolga_nn::preprocessing::AsKey<T>,
{
    let vocabulary: Vec<T> = serde_json::from_value(case["vocabulary"].clone())?;
    assert_eq!(layer.get_vocabulary(true)?, vocabulary);
    if case["config"]["invert"] == true {
        assert_eq!(layer.tokens(&whole(&case["x"]))?, expected(case, key));
        return Ok(());
    }
    let x = array(&case["x"], key);
    if case["config"]["output_mode"] == "tf_idf" {
        return near(&layer.apply::<f32>(&x)?, &expected_floats(case), 1e-6);
    }
    assert_eq!(layer.apply::<i64>(&x)?, expected(case, |x| x.as_i64().expect("a whole number")));
    Ok(())
}

#[test]
fn texts_are_looked_up_as_keras_does() {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    for_cases(&["StringLookup"], |case| {
        let mut layer = StringLookup::from_config(&case["config"])?;
        if !case["adapt"].is_null() {
            layer = layer.adapt(&texts(&case["adapt"]))?;
        }
        check_lookup(&layer, case, text)?;
        check_lookup(&StringLookup::from_config(&layer.get_config()?)?, case, text)
    });
}

#[test]
fn numbers_are_looked_up_as_keras_does() {
    let number = |value: &Value| value.as_i64().expect("a whole number");
    for_cases(&["IntegerLookup"], |case| {
        let mut layer = IntegerLookup::from_config(&case["config"])?;
        if !case["adapt"].is_null() {
            layer = layer.adapt(&whole(&case["adapt"]))?;
        }
        check_lookup(&layer, case, number)?;
        check_lookup(&IntegerLookup::from_config(&layer.get_config()?)?, case, number)?;
        // The layer of a model, where it exists, gives the same.
        match models::computed(&layer, &whole(&case["x"]).mapv(|x| x as f32)) {
            Ok(y) => near(&y, &expected_floats(case), 1e-6),
            Err(mistake) => {
                let config = &case["config"];
                let alone = config["num_oov_indices"] == 0 || config["oov_method"] == "farmhash";
                assert!(alone, "{mistake}");
                Ok(())
            }
        }
    });
}

#[test]
fn hashes_are_those_of_keras() {
    for_cases(&["Hashing"], |case| {
        let layer = Hashing::from_config(&case["config"])?;
        let first = case["x"].pointer("/0/0").unwrap_or(&case["x"][0]);
        let y = if first.is_string() {
            layer.apply::<i64, _>(&texts(&case["x"]))?
        } else {
            layer.apply::<i64, _>(&whole(&case["x"]))?
        };
        assert_eq!(y, expected(case, |x| x.as_f64().unwrap_or(f64::NAN) as i64));
        assert_eq!(Hashing::from_config(&layer.get_config()?)?.get_config()?, layer.get_config()?);
        Ok(())
    });
}

#[test]
fn numbers_are_discretized_as_keras_does() {
    for_cases(&["Discretization"], |case| {
        let mut config = case["config"].clone();
        if !case["adapt"].is_null() {
            config["bin_boundaries"] = Value::Null;
        }
        let mut layer = Discretization::from_config(&config)?;
        if !case["adapt"].is_null() {
            layer = layer.adapt(&floats(&case["adapt"]))?;
        }
        let boundaries = floats(&layer.get_config()?["bin_boundaries"]);
        near(&boundaries, &floats(&case["boundaries"]), 1e-6)?;
        // With Keras's own boundaries, no number is at one by rounding.
        let layer = Discretization::from_config(&case["config"])?;
        let x = floats(&case["x"]);
        let y = expected_floats(case);
        assert_eq!(layer.apply::<f32>(&x)?, y);
        if x.ndim() > 1 {
            near(&models::computed(&layer, &x)?, &y, 0.0)?;
        }
        Ok(())
    });
}

#[test]
fn spectrograms_are_those_of_keras() {
    for_cases(&["STFTSpectrogram", "MelSpectrogram"], |case| {
        let object = json!({ "class_name": case["class"], "config": case["config"] });
        let layer = from_config::<dyn Layer>(&object)?;
        let x = array(&case["x"]["values"], |x| x.as_f64().expect("a number") as f32);
        let shape: Vec<usize> = serde_json::from_value(case["x"]["shape"].clone())?;
        let x = x.into_shape_with_order(shape)?;
        let y = models::computed(&*layer, &x)?;
        let expected = expected_floats(case);
        if case["config"]["mode"] == "angle" {
            // The difference of angles, and both ends of the range are one.
            let turn = std::f32::consts::TAU;
            let off = (&y - &expected).mapv(|off| (off / turn).round() * turn);
            return near(&(y - off), &expected, 1e-4);
        }
        near(&y, &expected, 2e-5)
    });
}
