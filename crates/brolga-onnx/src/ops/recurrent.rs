//! Recurrent layers, written out step by step.

use brolga_ir::{DType, Type, Var};

use super::activation::{hard_sigmoid_of, negative, softplus_of};
use super::gather::reversed;
use super::shape::{index, joined, part};
use crate::call::{Call, Outs, Sound, mistake};
use crate::error::Fault;

/// What a recurrent layer is made of, for one direction.
struct Layer {
    /// [gates · hidden, input].
    w: Var,
    /// [gates · hidden, hidden].
    r: Var,
    /// Both biases, [2 · gates · hidden].
    b: Var,
    /// The weights of the peepholes of an LSTM, [3 · hidden].
    p: Option<Var>,
    activations: Vec<Function>,
    clip: Option<f64>,
    hidden: usize,
}

/// An activation with its constants.
#[derive(Clone, Debug)]
struct Function {
    name: String,
    alpha: Option<f64>,
    beta: Option<f64>,
}

impl Function {
    fn apply(&self, x: &Var) -> Result<Var, Fault> {
        let alpha = |default: f64| self.alpha.unwrap_or(default);
        let beta = |default: f64| self.beta.unwrap_or(default);
        Ok(match self.name.to_ascii_lowercase().as_str() {
            "sigmoid" => x.sigmoid(),
            "tanh" => x.tanh(),
            "relu" => x.relu(),
            "affine" => x * alpha(1.0) + beta(0.0),
            "leakyrelu" => negative(x, &(x * alpha(0.01))),
            "thresholdedrelu" => {
                x.gt(&x.constant_like(alpha(1.0))).select(x, &x.constant_like(0.0))
            }
            "scaledtanh" => (x * beta(1.0)).tanh() * alpha(1.0),
            "hardsigmoid" => hard_sigmoid_of(x, alpha(0.2), beta(0.5)),
            "elu" => negative(x, &((x.minimum(&x.constant_like(0.0)).exp() - 1.0) * alpha(1.0))),
            "softsign" => x / (x.abs() + 1.0),
            "softplus" => softplus_of(x),
            _ => {
                return mistake(
                    format!("the activation is `{}`", self.name),
                    "known are Sigmoid, Tanh, Relu, Affine, LeakyRelu, ThresholdedRelu, ScaledTanh, HardSigmoid, Elu, Softsign and Softplus",
                );
            }
        })
    }
}

impl Layer {
    /// x limited as `clip` says, through an activation.
    fn activate(&self, number: usize, x: &Var) -> Result<Var, Fault> {
        let x = match self.clip {
            Some(clip) => x.maximum(&x.constant_like(-clip)).minimum(&x.constant_like(clip)),
            None => x.clone(),
        };
        match self.activations.get(number) {
            Some(function) => function.apply(&x),
            None => mistake("there are too few activations", "one for each gate"),
        }
    }

    /// Gate `number` of a tensor with the gates on its last axis.
    fn gate(&self, x: &Var, number: usize) -> Var {
        let axis = x.shape().rank().saturating_sub(1);
        part(x, axis, number * self.hidden, (number + 1) * self.hidden)
    }

    /// The rows of a weight that belong to some gates.
    fn rows(&self, weight: &Var, first: usize, last: usize) -> Var {
        part(weight, 0, first * self.hidden, last * self.hidden)
    }

    fn bias(&self, first: usize, last: usize) -> Var {
        part(&self.b, 0, first * self.hidden, last * self.hidden)
    }
}

/// One step: from the input's part of the gates, and the states, to the next states.
type Step = fn(&Call<'_>, &Layer, &Var, &[Var]) -> Result<Vec<Var>, Fault>;

/// h' = f(x · Wᵀ + h · Rᵀ + b).
pub(crate) fn rnn(call: &Call<'_>) -> Outs {
    recurrent(call, 1, 1, &["Tanh"], |_, layer, x, states| {
        let sum = x + states[0].matmul_with(&layer.r, false, true) + layer.bias(1, 2);
        Ok(vec![layer.activate(0, &sum)?])
    })
}

/// The gated recurrent unit; gates are update, reset and hidden.
pub(crate) fn gru(call: &Call<'_>) -> Outs {
    recurrent(call, 3, 1, &["Sigmoid", "Tanh"], |call, layer, x, states| {
        let h = &states[0];
        let gates = h.matmul_with(&layer.rows(&layer.r, 0, 2), false, true) + layer.bias(3, 5);
        let z = layer.activate(0, &(layer.gate(x, 0) + layer.gate(&gates, 0)))?;
        let r = layer.activate(0, &(layer.gate(x, 1) + layer.gate(&gates, 1)))?;
        let recurrence = layer.rows(&layer.r, 2, 3);
        let inner = if call.flag("linear_before_reset", false) {
            r * (h.matmul_with(&recurrence, false, true) + layer.bias(5, 6))
        } else {
            (r * h).matmul_with(&recurrence, false, true) + layer.bias(5, 6)
        };
        let hidden = layer.activate(1, &(layer.gate(x, 2) + inner))?;
        Ok(vec![(1.0 - &z) * hidden + z * h])
    })
}

/// The long short-term memory; gates are input, output, forget and cell.
pub(crate) fn lstm(call: &Call<'_>) -> Outs {
    recurrent(call, 4, 2, &["Sigmoid", "Tanh", "Tanh"], |call, layer, x, states| {
        let (h, c) = (&states[0], &states[1]);
        let gates = x + h.matmul_with(&layer.r, false, true) + layer.bias(4, 8);
        let gates = gates.sound()?;
        let with_peephole = |number: usize, peephole: usize, c: &Var| {
            let gate = layer.gate(&gates, number);
            match &layer.p {
                Some(p) => gate + layer.gate(p, peephole) * c,
                None => gate,
            }
        };
        let i = layer.activate(0, &with_peephole(0, 0, c))?;
        let f = if call.flag("input_forget", false) {
            1.0 - &i
        } else {
            layer.activate(0, &with_peephole(2, 2, c))?
        };
        let next = f * c + i * layer.activate(1, &layer.gate(&gates, 3))?;
        let o = layer.activate(0, &with_peephole(1, 1, &next))?;
        let y = o * match layer.activations.get(2) {
            Some(function) => function.apply(&next)?,
            None => next.tanh(),
        };
        Ok(vec![y, next])
    })
}

/// Which way a direction goes.
fn directions(call: &Call<'_>) -> Result<&'static [bool], Fault> {
    Ok(match call.text("direction", "forward")? {
        "forward" => &[false],
        "reverse" => &[true],
        "bidirectional" => &[false, true],
        other => {
            return mistake(
                format!("`direction` is {other:?}"),
                "it is \"forward\", \"reverse\" or \"bidirectional\"",
            );
        }
    })
}

/// The activations of one direction.
fn activations(call: &Call<'_>, defaults: &[&str], direction: usize) -> Vec<Function> {
    let names = call.texts("activations");
    let floats = |name: &str| {
        call.attribute(name).map(|attribute| attribute.floats.clone()).unwrap_or_default()
    };
    let [mut alphas, mut betas] = [floats("activation_alpha"), floats("activation_beta")]
        .map(|values| values.into_iter().map(f64::from).collect::<Vec<_>>().into_iter());
    let all: Vec<String> = match names {
        Some(names) => names,
        None => defaults.iter().cycle().take(2 * defaults.len()).map(ToString::to_string).collect(),
    };
    // Constants are listed for those activations that take them, in order.
    let function = |name: String| {
        let lower = name.to_ascii_lowercase();
        let has_alpha =
            !matches!(lower.as_str(), "sigmoid" | "tanh" | "relu" | "softsign" | "softplus");
        let has_beta = matches!(lower.as_str(), "affine" | "scaledtanh" | "hardsigmoid");
        let alpha = if has_alpha { alphas.next() } else { None };
        let beta = if has_beta { betas.next() } else { None };
        Function { name, alpha, beta }
    };
    let functions: Vec<Function> = all.into_iter().map(function).collect();
    functions.into_iter().skip(direction * defaults.len()).take(defaults.len()).collect()
}

fn recurrent(call: &Call<'_>, gates: usize, states: usize, defaults: &[&str], step: Step) -> Outs {
    let batch_first = call.flag("layout", false);
    let swapped = |x: Var| if batch_first { x.transpose(&[1, 0, 2]) } else { x };
    let x = call.var(0)?;
    let (w, r) = (call.var(1)?, call.var(2)?);
    let ([_, _, _], [count, rows, hidden]) = (
        <[usize; 3]>::try_from(&**x.shape()).unwrap_or_default(),
        <[usize; 3]>::try_from(&**r.shape()).unwrap_or_default(),
    );
    let directions = directions(call)?;
    let fits = x.shape().rank() == 3 && w.shape().rank() == 3 && r.shape().rank() == 3;
    if !fits || count != directions.len() || w.shape()[0] != count || rows != gates * hidden {
        return mistake(
            format!("x {}, W {}, R {}", x.ty(), w.ty(), r.ty()),
            format!(
                "they are [steps, batch, input], [directions, {gates} · hidden, input] and \
                 [directions, {gates} · hidden, hidden], with {} directions",
                directions.len()
            ),
        );
    }
    let x = swapped(x).sound()?;
    let (steps, batch) = (x.shape()[0], x.shape()[1]);
    let dtype = x.dtype();
    let zeros = |shape: Vec<usize>| call.zeros(&Type::new(dtype, shape));
    let b = call.optional(3)?.unwrap_or_else(|| zeros(vec![count, 2 * rows]));
    let lengths = call.optional(4)?;
    let initial = |operand: usize| -> Result<Var, Fault> {
        Ok(match call.optional(operand)? {
            Some(value) => swapped(value),
            None => zeros(vec![count, batch, hidden]),
        })
    };
    let firsts = (0..states).map(|state| initial(5 + state)).collect::<Result<Vec<_>, _>>()?;
    let p = if states == 2 { call.optional(7)? } else { None };
    let clip = call.attribute("clip").map(|attribute| f64::from(attribute.f));
    let mut outputs = Vec::new();
    let mut lasts = vec![vec![]; states];
    for (number, &backwards) in directions.iter().enumerate() {
        let layer = Layer {
            w: index(&w, 0, number),
            r: index(&r, 0, number),
            b: index(&b, 0, number),
            p: p.as_ref().map(|p| index(p, 0, number)),
            activations: activations(call, defaults, number),
            clip,
            hidden,
        };
        let first: Vec<Var> = firsts.iter().map(|state| index(state, 0, number)).collect();
        let turned = |x: &Var| match (backwards, &lengths) {
            (false, _) => Ok(x.clone()),
            (true, None) => Ok(x.reverse(&[0])),
            (true, Some(lengths)) => reversed(x, lengths, 0, 1),
        };
        let run = Run { layer, gates, lengths: lengths.as_ref(), steps, batch };
        let (y, last) = run.over(call, &turned(&x)?, first, step)?;
        outputs.push(turned(&y.sound()?)?.reshape([steps, 1, batch, hidden]));
        lasts.iter_mut().zip(last).for_each(|(all, state)| all.push(state));
    }
    let y = joined(&outputs, 1)?;
    let y = if batch_first { y.transpose(&[2, 0, 1, 3]) } else { y };
    let mut results = vec![y.into()];
    for last in lasts {
        let wide: Vec<Var> = last.iter().map(|state| state.reshape([1, batch, hidden])).collect();
        results.push(swapped(joined(&wide, 0)?).into());
    }
    Ok(results)
}

/// One direction over all steps.
struct Run<'a> {
    layer: Layer,
    gates: usize,
    lengths: Option<&'a Var>,
    steps: usize,
    batch: usize,
}

impl Run<'_> {
    /// The outputs of all steps, and the last states.
    fn over(
        &self,
        call: &Call<'_>,
        x: &Var,
        mut states: Vec<Var>,
        step: Step,
    ) -> Result<(Var, Vec<Var>), Fault> {
        let (layer, input) = (&self.layer, x.shape()[2]);
        let rows = self.gates * layer.hidden;
        // The inputs' part of all steps is one product.
        let flat = x.reshape([self.steps * self.batch, input]);
        let own = flat.matmul_with(&layer.w, false, true) + layer.bias(0, self.gates);
        let own = own.reshape([self.steps, self.batch, rows]).sound()?;
        let zero = call.zeros(&Type::new(x.dtype(), [self.batch, layer.hidden]));
        let mut outputs = Vec::new();
        for at in 0..self.steps {
            let mut next = step(call, layer, &index(&own, 0, at), &states)?;
            let mut y = next[0].clone();
            if let Some(lengths) = self.lengths {
                // A sequence that has ended keeps its states, and its outputs are zeros.
                let lengths = lengths.cast(DType::I64).reshape([self.batch, 1]);
                let goes_on = lengths.gt(&lengths.constant_like(at as f64));
                y = goes_on.select(&y, &zero);
                for (next, old) in next.iter_mut().zip(&states) {
                    *next = goes_on.select(next, old);
                }
            }
            outputs.push(y.reshape([1, self.batch, layer.hidden]));
            states = next;
        }
        if outputs.is_empty() {
            let shape = [0, self.batch, layer.hidden];
            return Ok((call.zeros(&Type::new(x.dtype(), shape)), states));
        }
        Ok((joined(&outputs, 0)?, states))
    }
}
