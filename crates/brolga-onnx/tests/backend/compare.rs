//! How near outputs must be: as `onnx.backend.test.runner` has it.

use brolga_ir::{DType, Tensor};

const ABSOLUTE: f64 = 1e-7;

/// The first difference of two tensors that is larger than `ABSOLUTE` plus the relative bound of
/// their type, or of shapes and types.
pub(crate) fn difference(given: &Tensor, expected: &Tensor) -> Option<String> {
    if given.ty() != expected.ty() {
        return Some(format!("{} instead of {}", given.ty(), expected.ty()));
    }
    // Two steps of bfloat16.
    let relative = if given.dtype() == DType::BF16 { 2.0_f64.powi(-6) } else { 1e-3 };
    let (given, expected) = (given.data().to_f64(), expected.data().to_f64());
    let near = |a: f64, b: f64| {
        (a.is_nan() && b.is_nan()) || a == b || (a - b).abs() <= ABSOLUTE + relative * b.abs()
    };
    let wrong = (0..given.len()).find(|&at| !near(given[at], expected[at]))?;
    let (a, b) = (given[wrong], expected[wrong]);
    Some(format!("element {wrong} of {} is {a}, expected {b}", given.len()))
}
