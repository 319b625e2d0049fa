//! A call of a function that has a gradient rule of its own.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Call;
use super::body::infer_body;
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::graph::Graph;
use crate::interpret::{Bodies, evaluate_body};
use crate::loops::{Buffer, Writer, write_body};
use crate::op::{Family, Named, Operation, Types, Vjp};
use crate::tensor::Tensor;
use crate::trace::{Function, Tracer, Var};
use crate::types::Type;

/// The results of the function for the operands, as [`Call`] has them, with another gradient than
/// the one that follows from the function's nodes.
///
/// The gradient is a second function. It takes the operands, the results, and the cotangents of the
/// results of floats, and gives the gradient by each operand of floats; there is one at least.
/// Types are exact: nothing is broadcast. A result on which nothing depends has a cotangent of
/// zeros. Operands of other types have no gradient.
///
/// Before fusion the nodes of the function stand in place of the node, as for a call, and the
/// gradient is a [`Call`] of the second function. It is differentiated as every other function: in
/// a second order the results that it takes have this gradient again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomGradient {
    /// The function, and the one of its gradient.
    #[serde(skip)]
    bodies: [Arc<Graph>; 2],
}

/// As that of [`Call`].
impl Hash for CustomGradient {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bodies.each_ref().map(|body| body.len()).hash(state);
    }
}

impl CustomGradient {
    /// A call of `function`, of which `gradient` is the gradient.
    pub fn new(function: Arc<Graph>, gradient: Arc<Graph>) -> Self {
        Self { bodies: [function, gradient] }
    }

    /// The function.
    pub fn function(&self) -> &Arc<Graph> {
        &self.bodies[0]
    }

    /// The function of the gradient.
    pub fn gradient(&self) -> &Arc<Graph> {
        &self.bodies[1]
    }

    /// The types that the gradient takes and gives, for a function of these operands and results.
    ///
    /// # Errors
    /// If no operand or no result is of floats.
    pub(crate) fn signature(
        operands: &[&Type],
        results: &[Type],
    ) -> Result<(Vec<Type>, Vec<Type>), Mistake> {
        let floats = |types: &mut dyn Iterator<Item = &Type>| -> Vec<Type> {
            types.filter(|ty| ty.dtype.is_float()).cloned().collect()
        };
        let gives = floats(&mut operands.iter().copied());
        let cotangents = floats(&mut results.iter());
        for (what, types) in [("operand", &gives), ("result", &cotangents)] {
            if types.is_empty() {
                let message = format!("`{}`: no {what} is of floats", Self::NAME);
                let help = "only floats have gradients; a function without any is a `call`";
                return Err(Mistake::new(message).help(help));
            }
        }
        let takes = operands.iter().copied().chain(results).chain(&cotangents);
        Ok((takes.cloned().collect(), gives))
    }
}

impl Operation for CustomGradient {
    fn family(&self) -> Family<'_> {
        Family::Call
    }

    fn bodies(&self) -> &[Arc<Graph>] {
        &self.bodies
    }

    fn bodies_mut(&mut self) -> &mut [Arc<Graph>] {
        &mut self.bodies
    }

    fn names_bodies(&self) -> bool {
        true
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let results = infer_body(Self::NAME, self.function(), operands)?;
        let (takes, expected) = Self::signature(operands, &results)?;
        let given = infer_body(Self::NAME, self.gradient(), &takes.iter().collect::<Vec<_>>())?;
        check_gradients(self.gradient().name(), &expected, &given)?;
        Ok(results)
    }

    fn evaluate(&self, operands: &[&Tensor], _: &[Type]) -> Vec<Tensor> {
        evaluate_body(self.function(), operands)
    }

    fn evaluate_owned(
        &self,
        operands: Vec<Cow<'_, Tensor>>,
        _: &[Type],
        bodies: &mut Bodies<'_>,
    ) -> Vec<Tensor> {
        bodies.evaluate((0, self.function()), None, operands)
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        write_body(w, self.function(), operands, results);
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let tracer = node.operands[0].tracer();
        let is_float = |x: &Var| x.dtype().is_float();
        let cotangents: Vec<Var> = (node.results.iter().zip(node.cotangents))
            .filter(|(result, _)| is_float(result))
            .map(|(result, given)| given.clone().unwrap_or_else(|| tracer.full(result.ty(), 0.0)))
            .collect();
        let taken = node.operands.iter().chain(node.results).chain(&cotangents);
        let taken: Vec<&Var> = taken.collect();
        let function = Arc::clone(self.gradient());
        let mut gradients = tracer.apply_all(Call { function }, &taken).into_iter();
        let gradient = |x| if is_float(x) { gradients.next() } else { None };
        Ok(node.operands.iter().map(gradient).collect())
    }
}

/// Fails unless these are the gradients that are expected.
fn check_gradients(name: &str, expected: &[Type], given: &[Type]) -> Result<(), Mistake> {
    let list = |types: &[Type]| types.iter().map(Type::to_string).collect::<Vec<_>>().join(", ");
    if expected == given {
        return Ok(());
    }
    let message = format!(
        "`{} {name}`: the gradient gives ({}), not ({})",
        CustomGradient::NAME,
        list(given),
        list(expected)
    );
    Err(Mistake::new(message)
        .help("it gives one value for each operand of floats, in their order and of their types"))
}

impl Draw for CustomGradient {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let (function, operands) = pen.function()?;
        let types: Vec<&Type> = operands.iter().map(Var::ty).collect();
        let results: Vec<Type> =
            function.outputs().iter().map(|output| function.ty(output.value).clone()).collect();
        let (takes, gives) = Self::signature(&types, &results).ok()?;
        let tracer = Tracer::new(format!("{}.gradient", function.name()));
        let taken: Vec<Var> = (0..)
            .zip(takes)
            .map(|(index, ty): (usize, Type)| tracer.input(&format!("v{index}"), ty))
            .collect();
        for ty in gives {
            let fitting: Vec<&Var> = taken.iter().filter(|value| *value.ty() == ty).collect();
            let [a, b] = [(); 2].map(|()| fitting[pen.rng.below(fitting.len())]);
            tracer.output(&if pen.rng.one_in(3) { a.clone() } else { a * b });
        }
        let gradient = tracer.finish().ok()?;
        Some((Self::new(Arc::new(function), Arc::new(gradient)), operands))
    }
}

/// Calls a function with a gradient rule of its own (Keras's `keras.ops.custom_gradient`, JAX's
/// `jax.custom_vjp`).
///
/// `function` is given a variable for each input and returns the results. `gradient` is given the
/// inputs, the results, and the cotangents of the results of floats; it returns the gradient by
/// each input of floats, of its type. Both see what they are given and nothing else of the graph.
/// See [`Function::with_gradient`] for a function that is called several times.
///
/// ```
/// use brolga_ir::{Tracer, Type, custom_gradient};
///
/// // Rounding, with the gradient of the identity: the straight-through estimator.
/// let t = Tracer::new("quantized");
/// let x = t.input("x", Type::f32([4]));
/// let rounded = custom_gradient(
///     [&x],
///     |x| vec![(&x[0] + 0.5).floor()],
///     |_x, _y, dy| vec![dy[0].clone()],
/// );
/// t.output(&rounded[0]);
/// # assert!(t.finish().is_ok());
/// ```
///
/// It is a mistake if the gradient returns values of another number or of other types, or if no
/// input or no result is of floats.
#[track_caller]
pub fn custom_gradient<const N: usize>(
    inputs: [&Var; N],
    function: impl FnOnce(&[Var]) -> Vec<Var>,
    gradient: impl FnOnce(&[Var], &[Var], &[Var]) -> Vec<Var>,
) -> Vec<Var> {
    const { assert!(N > 0, "a function without inputs has no gradient") };
    let tracer = inputs[0].tracer();
    let names: [String; N] = std::array::from_fn(|index| format!("x{index}"));
    let types = names.iter().map(String::as_str).zip(inputs.iter().map(|x| x.ty().clone()));
    let function: Function = tracer.function("custom", types, function).with_gradient(gradient);
    function.apply_all(&inputs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{mistake, run};
    use crate::text::parse_graph;

    fn op(function: &str, gradient: &str) -> CustomGradient {
        let [function, gradient] =
            [function, gradient].map(|text| Arc::new(parse_graph(text, "body").expect("a graph")));
        CustomGradient::new(function, gradient)
    }

    const ROUNDED: &str =
        "graph rounded(%x: f32[2], %n: i32[]) { %0: f32[2] = floor %x return %0, %n }";
    const STRAIGHT: &str =
        "graph straight(%x: f32[2], %n: i32[], %y: f32[2], %m: i32[], %d: f32[2]) {
        return %d
    }";

    #[test]
    fn the_function_is_evaluated() {
        let x = Tensor::f32([2], vec![1.5, -0.5]).expect("two elements");
        let n = Tensor::scalar(crate::types::DType::I32, 3.0);
        let op = op(ROUNDED, STRAIGHT);
        let results = op.evaluate(&[&x, &n], &[]);
        assert_eq!(results, [Tensor::f32([2], vec![1.0, -1.0]).expect("two elements"), n]);
        let same = self::op(
            "graph same(%x: f32[0]) { return %x }",
            "graph none(%x: f32[0], %y: f32[0], %d: f32[0]) { return %d }",
        );
        let empty = Tensor::f32([0], vec![]).expect("no elements");
        assert_eq!(run(same, &[&empty]), empty);
    }

    #[test]
    fn both_functions_fit_the_operands() {
        let given = ["f32[2]", "i32[]"];
        insta::assert_snapshot!(mistake(op(ROUNDED, STRAIGHT), &["f32[2]"]), @"`custom_gradient rounded` takes 2 operands, not 1");
        insta::assert_snapshot!(mistake(op(ROUNDED, STRAIGHT), &["f32[3]", "i32[]"]), @"`custom_gradient rounded`: an operand is f32[3], its body takes f32[2]");
        let fewer = "graph g(%x: f32[2], %n: i32[], %d: f32[2]) { return %d }";
        insta::assert_snapshot!(mistake(op(ROUNDED, fewer), &given), @"`custom_gradient g` takes 3 operands, not 5");
        let reduced = STRAIGHT
            .replace("return %d", "%0: f32[] = reduce_sum %d {axes=[0], keepdims=false} return %0");
        insta::assert_snapshot!(mistake(op(ROUNDED, &reduced), &given), @"
        `custom_gradient straight`: the gradient gives (f32[]), not (f32[2])
          help: it gives one value for each operand of floats, in their order and of their types
        ");
        let more = STRAIGHT.replace("return %d", "return %d, %n");
        insta::assert_snapshot!(mistake(op(ROUNDED, &more), &given), @"
        `custom_gradient straight`: the gradient gives (f32[2], i32[]), not (f32[2])
          help: it gives one value for each operand of floats, in their order and of their types
        ");
        let integers = "graph same(%x: i32[]) { return %x }";
        insta::assert_snapshot!(mistake(op(integers, integers), &["i32[]"]), @"
        `custom_gradient`: no operand is of floats
          help: only floats have gradients; a function without any is a `call`
        ");
        let constant = "graph one(%x: f32[]) { %0: i32[] = constant {value=1} return %0 }";
        insta::assert_snapshot!(mistake(op(constant, integers), &["f32[]"]), @"
        `custom_gradient`: no result is of floats
          help: only floats have gradients; a function without any is a `call`
        ");
    }

    #[test]
    fn text_and_json_hold_both_functions() {
        let text = "func step(%x: f32[2]) {
              %0: f32[2] = floor %x
              return %0
            }

            func step.gradient(%x: f32[2], %y0: f32[2], %d0: f32[2]) {
              return %d0
            }

            graph f(%x: f32[2]) {
              %0: f32[2] = custom_gradient step, step.gradient %x   @quantized
              return %0
            }
            ";
        let text = text.replace("\n            ", "\n");
        let graph = parse_graph(&text, "text").expect("a graph");
        assert_eq!(graph.to_string(), text);
        let json = serde_json::to_string(&graph).expect("a valid graph");
        let read: Graph = serde_json::from_str(&json).expect("the form it was written in");
        assert_eq!(read.to_string(), text);
        let one = text.replace("step, step.gradient", "step");
        insta::assert_snapshot!(parse_graph(&one, "text").expect_err("one function"), @"
        text:11:39: error: `custom_gradient` has bodies: 2, not 1
          11 |   %0: f32[2] = custom_gradient step %x   @quantized
             |                                       ^
          help: names stand after the op, as in custom_gradient f, g %x
        ");
    }

    #[test]
    fn ops_compare_by_both_functions() {
        let hash = |op: &CustomGradient| {
            let mut hasher = std::hash::DefaultHasher::new();
            op.hash(&mut hasher);
            hasher.finish()
        };
        let (one, other) = (op(ROUNDED, STRAIGHT), op(ROUNDED, STRAIGHT));
        assert_eq!((&one, hash(&one)), (&other, hash(&other)));
        assert_ne!(one, op(ROUNDED, &STRAIGHT.replace("return %d", "return %y")));
        assert_ne!(one, op(&ROUNDED.replace("floor", "abs"), STRAIGHT));
    }
}
