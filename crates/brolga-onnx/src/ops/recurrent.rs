//! Recurrent layers, each a loop over the steps of a sequence.

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
    b: Option<Var>,
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

    /// x plus the biases of some gates: those of the inputs come first, then those of the states.
    fn plus(&self, x: Var, first: usize, last: usize) -> Var {
        match &self.b {
            Some(b) => x + part(b, 0, first * self.hidden, last * self.hidden),
            None => x,
        }
    }
}

/// One step: from the input's part of the gates, and the states, to the next states.
type Step = fn(&Call<'_>, &Layer, &Var, &[Var]) -> Result<Vec<Var>, Fault>;

/// h' = f((x · Wᵀ + b) + h · Rᵀ).
pub(crate) fn rnn(call: &Call<'_>) -> Outs {
    recurrent(call, 1, 1, &["Tanh"], |_, layer, x, states| {
        let sum = x + states[0].matmul_with(&layer.r, false, true);
        Ok(vec![layer.activate(0, &sum)?])
    })
}

/// The gated recurrent unit; gates are update, reset and hidden.
pub(crate) fn gru(call: &Call<'_>) -> Outs {
    recurrent(call, 3, 1, &["Sigmoid", "Tanh"], |call, layer, x, states| {
        let h = &states[0];
        let inner_bias = is_linear(call);
        let with_bias = |product: Var, first: usize, last: usize| match inner_bias {
            true => layer.plus(product, first, last),
            false => product,
        };
        let gates = h.matmul_with(&layer.rows(&layer.r, 0, 2), false, true);
        let gates = with_bias(gates, 3, 5).sound()?;
        let z = layer.activate(0, &(layer.gate(x, 0) + layer.gate(&gates, 0)))?;
        let r = layer.activate(0, &(layer.gate(x, 1) + layer.gate(&gates, 1)))?;
        let recurrence = layer.rows(&layer.r, 2, 3);
        let inner = if inner_bias {
            r * layer.plus(h.matmul_with(&recurrence, false, true), 5, 6)
        } else {
            (r * h).matmul_with(&recurrence, false, true)
        };
        let hidden = layer.activate(1, &(layer.gate(x, 2) + inner))?;
        Ok(vec![(1.0 - &z) * hidden + z * h])
    })
}

/// Whether a GRU multiplies the product with its states, and not the states, by the reset gate. The
/// biases of its states belong to the product then.
fn is_linear(call: &Call<'_>) -> bool {
    call.node.op_type == "GRU" && call.flag("linear_before_reset", false)
}

/// The long short-term memory; gates are input, output, forget and cell.
pub(crate) fn lstm(call: &Call<'_>) -> Outs {
    recurrent(call, 4, 2, &["Sigmoid", "Tanh", "Tanh"], |call, layer, x, states| {
        let (h, c) = (&states[0], &states[1]);
        let gates = (x + h.matmul_with(&layer.r, false, true)).sound()?;
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
    let b = call.optional(3)?;
    if let Some(b) = b.as_ref().filter(|b| b.shape()[..] != [count, 2 * rows]) {
        return mistake(format!("B {}", b.ty()), format!("it is [{count}, {}]", 2 * rows));
    }
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
            b: b.as_ref().map(|b| index(b, 0, number)),
            p: p.as_ref().map(|p| index(p, 0, number)),
            activations: activations(call, defaults, number),
            clip,
            hidden,
        };
        let first: Vec<Var> = firsts.iter().map(|state| index(state, 0, number)).collect();
        // The last step of each sequence is the first; without lengths the loop runs backwards.
        let turned = |x: &Var| match &lengths {
            Some(lengths) if backwards => reversed(x, lengths, 0, 1),
            _ => Ok(x.clone()),
        };
        let reverse = backwards && lengths.is_none();
        let run = Run { layer, gates, lengths: lengths.as_ref(), steps, batch, reverse };
        let (y, last) = run.over(call, &turned(&x)?, &first, step)?;
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
    reverse: bool,
}

impl Run<'_> {
    /// The outputs of all steps, and the last states.
    fn over(
        &self,
        call: &Call<'_>,
        x: &Var,
        states: &[Var],
        step: Step,
    ) -> Result<(Var, Vec<Var>), Fault> {
        let (layer, input) = (&self.layer, x.shape()[2]);
        let rows = self.gates * layer.hidden;
        // The inputs' part of all steps is one product.
        let flat = x.reshape([self.steps * self.batch, input]);
        let product = flat.matmul_with(&layer.w, false, true);
        let own = match (&layer.b, is_linear(call)) {
            (None, _) => product,
            (Some(_), true) => layer.plus(product, 0, self.gates),
            (Some(b), false) => product + (part(b, 0, 0, rows) + part(b, 0, rows, 2 * rows)),
        };
        let own = own.reshape([self.steps, self.batch, rows]).sound()?;
        let mut sequences = vec![own];
        let mut shared = vec![layer.r.clone()];
        shared.extend(layer.b.clone());
        shared.extend(layer.p.clone());
        if let Some(lengths) = self.lengths {
            shared.push(lengths.cast(DType::I64).reshape([self.batch, 1]));
            sequences.push(call.tracer().iota(Type::new(DType::I64, [self.steps]), 0));
        }
        let has_lengths = self.lengths.is_some();
        let mut failed = None;
        let name = call.node.op_type.to_ascii_lowercase();
        let tracer = call.tracer().clone();
        let (last, mut outputs) = tracer
            .scan(&name)
            .carries(&states.iter().collect::<Vec<_>>())
            .over(&sequences.iter().collect::<Vec<_>>(), 0)
            .shared(&shared.iter().collect::<Vec<_>>())
            .reverse(self.reverse)
            .run(|given| {
                let mut values = given.shared.iter().cloned();
                let mut next = || values.next().unwrap_or_else(|| given.slices[0].clone());
                let layer = Layer {
                    w: given.slices[0].clone(),
                    r: next(),
                    b: layer.b.is_some().then(&mut next),
                    p: layer.p.is_some().then(&mut next),
                    activations: layer.activations.clone(),
                    ..*layer
                };
                let lengths = has_lengths.then(&mut next);
                match self.step(call, &layer, (given.carries, given.slices), lengths.as_ref(), step)
                {
                    Ok((next, y)) => (next, vec![y]),
                    Err(fault) => {
                        failed = Some(fault);
                        (given.carries.to_vec(), vec![given.carries[0].clone()])
                    }
                }
            });
        match (failed, outputs.pop()) {
            (Some(fault), _) => Err(fault),
            (None, Some(outputs)) => Ok((outputs, last)),
            (None, None) => Err(Fault::Traced),
        }
    }

    /// One step of the loop: the next states, and the output.
    fn step(
        &self,
        call: &Call<'_>,
        layer: &Layer,
        (states, slices): (&[Var], &[Var]),
        lengths: Option<&Var>,
        step: Step,
    ) -> Result<(Vec<Var>, Var), Fault> {
        let mut next = step(call, layer, &slices[0], states)?;
        let mut y = next[0].clone();
        if let Some(lengths) = lengths {
            // A sequence that has ended keeps its states, and its outputs are zeros.
            let goes_on = lengths.gt(&slices[1]);
            y = goes_on.select(&y, &y.constant_like(0.0));
            for (next, old) in next.iter_mut().zip(states) {
                *next = goes_on.select(next, old);
            }
        }
        Ok((next, y))
    }
}
