//! Single ops as graphs.

use brolga::ir::ops::window::Window;
use brolga::ir::{Graph, Tracer, Type};
use serde_json::Value;

use crate::{Result, number, text};

/// A convolution or one of its gradients. The inputs are `a` and `b`, in the order of the op's
/// operands.
pub(crate) fn convolution(command: &Value) -> Result<Graph> {
    let of = |word| number(command, word);
    let (batch, pixels, channels) = (of("batch")?, of("pixels")?, of("channels")?);
    let (kernel, filters, stride) = (of("kernel")?, of("filters")?, of("stride")?);
    let pad = kernel / 2;
    let out = (pixels + 2 * pad - kernel) / stride + 1;
    let window = Window::new([stride; 2], [[pad; 2]; 2], [1, 1]);
    let x = Type::f32([batch, pixels, pixels, channels]);
    let filter = Type::f32([kernel, kernel, channels, filters]);
    let dy = Type::f32([batch, out, out, filters]);
    let tracer = Tracer::new("conv");
    let input = |name, ty| tracer.input(name, ty);
    let result = match text(command, "pass")? {
        "forward" => input("a", x).conv(&input("b", filter), window, 1),
        "input" => input("a", dy).conv_grad_input(&input("b", filter), [pixels; 2], window, 1),
        "filter" => input("a", x).conv_grad_filter(&input("b", dy), [kernel; 2], window, 1),
        other => return Err(format!("there is no pass `{other}`").into()),
    };
    tracer.output(&result);
    Ok(tracer.finish()?)
}

/// The product of an m×k and a k×n matrix.
pub(crate) fn product(command: &Value) -> Result<Graph> {
    let (m, k, n) = (number(command, "m")?, number(command, "k")?, number(command, "n")?);
    let tracer = Tracer::new("matmul");
    let (a, b) = (tracer.input("a", Type::f32([m, k])), tracer.input("b", Type::f32([k, n])));
    tracer.output(&a.matmul(&b));
    Ok(tracer.finish()?)
}
