//! Every layer by itself, in training and in inference: its gradients agree with central
//! differences in f64, and machine code, fused and unfused, gives the interpreter's bits.

mod cases;
mod check;
mod models;
mod values;

use std::collections::BTreeSet;

use brolga_nn::layers::Layer;
use brolga_nn::registry::Family;

/// Fails with all cases that a check refuses.
fn check(refuse: impl Fn(&check::Case, bool) -> Result<(), String>) {
    let all = cases::all();
    let each = all.iter().flat_map(|case| [false, true].map(|training| (case, training)));
    let wrong: Vec<String> =
        each.filter_map(|(case, training)| refuse(case, training).err()).collect();
    assert!(wrong.is_empty(), "{} times:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn gradients_agree_with_differences() {
    check(check::Case::differentiate);
}

#[test]
fn machine_code_gives_the_interpreters_bits() {
    check(check::Case::compile);
}

#[test]
fn every_layer_has_a_case() {
    let checked: BTreeSet<_> = cases::all().iter().map(|case| case.layer.class_name()).collect();
    let classes = <dyn Layer>::classes().iter().map(|class| class.name);
    let missing: Vec<_> =
        classes.filter(|class| !checked.contains(class) && *class != "Input").collect();
    assert!(missing.is_empty(), "no case of {missing:?}");
}

/// The check is as sharp as it claims to be.
#[test]
fn a_wrong_gradient_is_seen() {
    let wrong = check::Case::new(cases::Half::default(), &[&[2, 3]]);
    let message = wrong.differentiate(false).expect_err("half of the gradient is missing");
    assert!(message.contains("the gradient says"), "{message}");
}
