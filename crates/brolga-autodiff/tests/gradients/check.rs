//! The check of one op.

use std::fmt;

use brolga_autodiff::{Bodies, gradients};
use brolga_ir::op::Vjp;
use brolga_ir::{DType, Graph, Op, Shape, Tensor, Tracer, Type, Var, interpret, verify};

use crate::numbers::{doubles, weights};

/// An op and its operands. By those of f64 it is differentiated; the others (masks, indices) stay
/// fixed.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) op: Op,
    pub(crate) operands: Vec<Tensor>,
}

/// An op with these operands.
pub(crate) fn case(op: impl Into<Op>, operands: impl IntoIterator<Item = Tensor>) -> Case {
    Case { op: op.into(), operands: operands.into_iter().collect() }
}

/// Along how many directions differences are taken. A wrong element anywhere is seen along each of
/// them.
const DIRECTIONS: usize = 2;

/// The step of a difference. The error of the formula with four points is of order `STEP⁴`, that of
/// rounding ε / `STEP`.
const STEP: f64 = 1.0 / 4096.0;

/// The largest difference to be blamed on them, in units of the sum that is compared.
const TOLERANCE: f64 = 1e-10;

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types: Vec<String> = self.operands.iter().map(|x| x.ty().to_string()).collect();
        write!(f, "{:?} of {}", self.op, types.join(" and "))
    }
}

/// A loss of order 1 or 2 of a case, with its gradients by the operands of f64.
struct Order {
    loss: Var,
    gradients: Vec<Var>,
}

impl Case {
    /// Fails unless the gradients of order 1 and 2 agree with central differences.
    pub(crate) fn check(&self) -> Result<(), String> {
        let tracer = Tracer::new("case");
        let operands = self.inputs(&tracer);
        let wrt: Vec<Var> = operands.iter().filter(|x| x.dtype() == DType::F64).cloned().collect();
        let results = tracer.apply_all(self.op.clone(), &operands.iter().collect::<Vec<_>>());
        let orders = self.orders(&results, &wrt)?;
        for order in &orders {
            tracer.output(&order.loss);
        }
        for (gradient, x) in orders.iter().flat_map(|order| order.gradients.iter().zip(&wrt)) {
            assert_eq!(gradient.ty(), x.ty(), "a gradient has the type of its operand");
            tracer.output(gradient);
        }
        let graph = tracer.finish().map_err(|error| error.to_string())?;
        verify(&graph).map_err(|errors| errors.to_string())?;
        self.compare(&graph)
    }

    fn inputs(&self, tracer: &Tracer) -> Vec<Var> {
        let input = |(place, x): (usize, &Tensor)| tracer.input(&format!("x{place}"), x.ty());
        self.operands.iter().enumerate().map(input).collect()
    }

    /// `L₁ = Σ c ⊙ (y + y²)` over all results y of f64, and `L₂ = Σ v ⊙ ∂L₁/∂x` over all operands
    /// x: its gradients are products of L₁'s second derivatives.
    fn orders(&self, results: &[Var], wrt: &[Var]) -> Result<[Order; 2], String> {
        let sum = |x: &Var, seed: usize| {
            let weights = x.tracer().constant(weights(x.shape(), seed));
            (x * weights).reduce_sum(&(0..x.shape().rank()).collect::<Vec<_>>(), false)
        };
        let differentiate = |loss: Var| {
            let gradients = gradients(loss.tracer(), &loss, wrt).map_err(|e| e.to_string())?;
            Ok::<_, String>(Order { loss, gradients })
        };
        let total = |sums: &mut dyn Iterator<Item = Var>| sums.reduce(|a, b| a + b);
        let results = results.iter().filter(|y| y.dtype() == DType::F64).enumerate();
        let mut losses = results.map(|(place, y)| sum(&(y + y * y), 50 * place + 1));
        let first = differentiate(total(&mut losses).ok_or("no result of f64")?)?;
        let mut products = first.gradients.iter().enumerate().map(|(place, g)| sum(g, place + 2));
        let second = differentiate(total(&mut products).ok_or("no operand of f64")?)?;
        Ok([first, second])
    }

    /// Compares the last outputs, the gradients, with differences of the first two, the losses.
    fn compare(&self, graph: &Graph) -> Result<(), String> {
        let run = |graph: &Graph, operands: &[Tensor]| -> Vec<Vec<f64>> {
            let outputs = interpret(graph, operands).expect("the operands are the graph's inputs");
            outputs.iter().map(|output| output.data().to_f64()).collect()
        };
        let outputs = run(graph, &self.operands);
        let (losses, gradients) = outputs.split_at(2);
        let differentiated = gradients.len() / 2;
        if let Some(loss) = losses.iter().find(|loss| !loss[0].is_finite()) {
            return Err(format!("{self}\nhas a loss of {loss:?}: differences have no meaning"));
        }
        let mut losses_alone = graph.clone();
        losses_alone.set_outputs(graph.outputs()[..2].to_vec());
        losses_alone.remove_dead();

        for seed in 0..DIRECTIONS {
            let direction: Vec<Option<Vec<f64>>> = (self.operands.iter().enumerate())
                .map(|(place, x)| {
                    let direction = weights(x.shape(), 31 * seed + place + 7);
                    (x.dtype() == DType::F64).then(|| direction.data().to_f64())
                })
                .collect();
            let at = |steps: f64| run(&losses_alone, &self.moved(&direction, steps * STEP));
            let [near, far] = [1.0, 2.0].map(|steps| (at(steps), at(-steps)));
            for order in 0..2 {
                let difference = |(ahead, behind): &(Vec<Vec<f64>>, Vec<Vec<f64>>)| {
                    ahead[order][0] - behind[order][0]
                };
                let expected = (8.0 * difference(&near) - difference(&far)) / (12.0 * STEP);
                let products: Vec<f64> = gradients[order * differentiated..][..differentiated]
                    .iter()
                    .zip(direction.iter().flatten())
                    .flat_map(|(gradient, direction)| gradient.iter().zip(direction))
                    .map(|(gradient, direction)| gradient * direction)
                    .collect();
                let given: f64 = products.iter().sum();
                let scale = 1.0 + products.iter().map(|product| product.abs()).sum::<f64>();
                // NaN is no agreement.
                let agree = (given - expected).abs() <= TOLERANCE * scale;
                if !agree {
                    let order = order + 1;
                    return Err(format!(
                        "{self}\norder {order}: the gradient says {given:e}, differences {expected:e}"
                    ));
                }
            }
        }
        Ok(())
    }

    /// The operands, moved along a direction.
    fn moved(&self, direction: &[Option<Vec<f64>>], step: f64) -> Vec<Tensor> {
        let moved = |(x, direction): (&Tensor, &Option<Vec<f64>>)| match direction {
            None => x.clone(),
            Some(direction) => {
                let pairs = x.data().to_f64().into_iter().zip(direction);
                let moved = pairs.map(|(x, direction)| x + step * direction).collect();
                doubles(x.shape().clone(), moved)
            }
        };
        self.operands.iter().zip(direction).map(moved).collect()
    }

    /// What the op's rule gives for each operand, all of them wanted.
    pub(crate) fn products(&self) -> Vec<Option<Type>> {
        let tracer = Tracer::new("rule");
        let operands = self.inputs(&tracer);
        let results = tracer.apply_all(self.op.clone(), &operands.iter().collect::<Vec<_>>());
        let names = (0..).map(|port| format!("dy{port}"));
        let cotangents: Vec<_> = (results.iter().zip(names))
            .map(|(y, name)| Some(tracer.input(&name, y.ty().clone())))
            .collect();
        let wanted = vec![true; operands.len()];
        let node = Vjp {
            operands: &operands,
            results: &results,
            cotangents: &cotangents,
            wanted: &wanted,
            bodies: &Bodies::default(),
        };
        let products = self.op.definition().vjp(&node).expect("the op has a rule");
        tracer.finish().expect("the rule makes no mistake");
        products
            .iter()
            .map(|product| product.as_ref().map(|product| product.ty().clone()))
            .collect()
    }
}

/// Fails with all cases that do not agree.
pub(crate) fn check(cases: &[Case]) {
    assert!(!cases.is_empty());
    let wrong: Vec<String> = cases.iter().filter_map(|case| case.check().err()).collect();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Every set of axes of a rank.
pub(crate) fn subsets(rank: usize) -> impl Iterator<Item = Vec<usize>> {
    (0..1_usize << rank).map(move |bits| (0..rank).filter(|axis| bits >> axis & 1 == 1).collect())
}

/// Shapes of each rank up to 3, with the extents 0 and 1.
pub(crate) fn shapes() -> [Shape; 10] {
    let shapes: [&[usize]; 10] =
        [&[], &[1], &[0], &[5], &[2, 3], &[1, 4], &[3, 0], &[2, 3, 2], &[1, 2, 1], &[2, 0, 3]];
    shapes.map(Shape::from)
}

/// The check is as sharp as it claims to be.
#[test]
fn a_wrong_gradient_is_seen() {
    let square = case(brolga_ir::ops::Exp, [crate::numbers::Numbers::default().any([7])]);
    let agrees_with = |slope: f64| {
        let tracer = Tracer::new("wrong");
        let x = square.inputs(&tracer).swap_remove(0);
        let loss = (&x * &x).reduce_sum(&[0], false);
        // The derivative is 2x; here at the last place alone it is not.
        let last = doubles([7], [2.0; 6].into_iter().chain([slope]).collect());
        let gradient = &x * tracer.constant(last);
        for output in [&loss, &loss, &gradient, &gradient] {
            tracer.output(output);
        }
        square.compare(&tracer.finish().expect("no mistake")).is_ok()
    };
    assert!(agrees_with(2.0));
    assert!(!agrees_with(2.0 + 1e-7));
    assert!(!agrees_with(-2.0));
}
