//! Single ops as graphs.

use brolga::autodiff::gradients;
use brolga::ir::ops::window::Window;
use brolga::ir::{Graph, Tracer, Type, Var};
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

/// The gradient, by its first values, of the sum of scalars that are carried over steps: each
/// becomes the hyperbolic tangent of itself plus a number of the step times the next one. The
/// inputs are `a`, the first values, and `b`, the numbers.
pub(crate) fn scan(command: &Value) -> Result<Graph> {
    let (carries, length) = (number(command, "carries")?, number(command, "length")?);
    let tracer = Tracer::new("scan");
    let a = tracer.input("a", Type::f32([carries]));
    let b = tracer.input("b", Type::f32([length]));
    let scalar = |place: usize| a.slice(&[place], &[place + 1], &[1]).reshape([]);
    let first: Vec<Var> = (0..carries).map(scalar).collect();
    let given: Vec<&Var> = first.iter().collect();
    let (last, _) = tracer.scan("step").carries(&given).over(&[&b], 0).run(|step| {
        let next = |place: usize| {
            let other = &step.carries[(place + 1) % carries];
            (&step.carries[place] + &step.slices[0] * other).tanh()
        };
        ((0..carries).map(next).collect(), vec![])
    });
    let sum = last.iter().skip(1).fold(last[0].clone(), |sum, next| sum + next);
    let gradient = gradients(&tracer, &sum, std::slice::from_ref(&a))?.swap_remove(0);
    tracer.output(&gradient);
    drop((a, b, first, last, sum, gradient));
    Ok(tracer.finish()?)
}
