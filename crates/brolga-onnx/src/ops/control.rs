//! Branches and loops. What is known is decided while the model is imported: of a branch one graph is
//! left. A loop is one of the IR where a step can be a graph of its own, and is written out otherwise.

use brolga_ir::{DType, Data, Shape, Tensor, Var};

use super::looped::Looped;
use super::shape::{index, joined};
use crate::call::{Call, Out, Outs, axis, extent, mistake};
use crate::element::ElementType;
use crate::error::Fault;
use crate::proto::GraphProto;
use crate::value::Value;

/// One of two graphs. If the condition is not known, both are computed and one is selected, which
/// needs results of the same types.
pub(crate) fn if_(call: &Call<'_>) -> Outs {
    let (then, otherwise) = (call.graph("then_branch")?, call.graph("else_branch")?);
    if let Some(condition) = call.operand(0)?.tensor() {
        let holds = condition.data().to_f64().first() == Some(&1.0);
        let taken = call.run(if holds { then } else { otherwise }, vec![])?;
        return Ok(taken.into_iter().map(Out::from).collect());
    }
    let condition = call.var(0)?.reshape(Shape::scalar());
    let (then, otherwise) = (call.run(then, vec![])?, call.run(otherwise, vec![])?);
    let chosen = then.iter().zip(&otherwise).map(|(a, b)| {
        let (Value::Tensor(a), Value::Tensor(b)) = (a, b) else { return Err(Fault::Unknown(0)) };
        let element = a.element;
        let [a, b] = [a, b].map(|operand| operand.var(call.tracer(), call.import.declare));
        if a.ty() != b.ty() {
            return Err(Fault::Unknown(0));
        }
        Ok(Value::traced(element, condition.select(&a, &b)).into())
    });
    chosen.collect()
}

/// A graph run again and again, up to a number of times and as long as a condition holds. Both must
/// be known before each time.
///
/// Where the condition is always true, the states keep their types and no step needs a value that it
/// does not have, the loop is one of the IR.
pub(crate) fn loop_(call: &Call<'_>) -> Outs {
    let body = call.graph("body")?;
    let most =
        if call.has(0) { Some(extent(call.int_of(0)?.max(0), "the trip count")?) } else { None };
    let mut goes_on = if call.has(1) { truth(call.value(1)?, 1)? } else { true };
    let states = call.count().saturating_sub(2);
    let mut values: Vec<Value> =
        (0..states).map(|at| call.value(at + 2).cloned()).collect::<Result<_, Fault>>()?;
    let Some(scanned) = body.output.len().checked_sub(states + 1) else {
        return mistake("the body gives too few values", "it gives a condition and all states");
    };
    if let (Some(most), true) = (most, goes_on)
        && let Some(results) = Looped::counted(call, body, &values, most)?
    {
        return Ok(results);
    }
    let mut collected: Vec<Vec<Value>> = vec![vec![]; scanned];
    let mut iteration: i64 = 0;
    while goes_on && most.is_none_or(|most| (iteration as usize) < most) {
        let number = Value::known(ElementType::I64, integer(iteration));
        let condition = Value::known(ElementType::Bool, Tensor::scalar(DType::Bool, 1.0));
        let inputs = [number, condition].into_iter().chain(values.iter().cloned()).collect();
        let mut results = call.run(body, inputs)?.into_iter();
        // A condition that is not looked at need not be known.
        let next = results.next();
        let last = most.is_some_and(|most| iteration as usize + 1 == most);
        goes_on = match next {
            Some(value) if !last => truth(&value, 1)?,
            _ => !last,
        };
        values = results.by_ref().take(states).collect();
        collected.iter_mut().zip(results).for_each(|(all, value)| all.push(value));
        iteration += 1;
    }
    let scanned = collected.into_iter().map(|values| stacked(call, &values, 0, false));
    let states = values.into_iter().map(|value| Ok(Out::from(value)));
    states.chain(scanned).collect()
}

fn integer(value: i64) -> Tensor {
    let fallback = Tensor::scalar(DType::I64, value as f64);
    Tensor::new(Shape::scalar(), Data::I64(vec![value])).unwrap_or(fallback)
}

/// A truth value that must be known.
fn truth(value: &Value, operand: usize) -> Result<bool, Fault> {
    match value {
        Value::Tensor(tensor) => {
            let tensor = tensor.tensor().ok_or(Fault::Unknown(operand))?;
            Ok(tensor.data().to_f64().first() == Some(&1.0))
        }
        other => mistake(format!("a condition is {}", other.kind()), "it is a truth value"),
    }
}

/// Values of all iterations along a new axis.
fn stacked(call: &Call<'_>, values: &[Value], at: i64, reverse: bool) -> Result<Out, Fault> {
    let mut parts = Vec::new();
    let mut element = None;
    for value in values {
        let Value::Tensor(operand) = value else {
            return mistake(format!("{} is collected", value.kind()), "only tensors are");
        };
        element = Some(operand.element);
        let part = operand.var(call.tracer(), call.import.declare);
        let rank = part.shape().rank() + 1;
        let at = axis(at, rank)?;
        let mut shape = part.shape().to_vec();
        shape.insert(at, 1);
        parts.push(part.reshape(shape));
    }
    let Some(element) = element else {
        return mistake(
            "a loop that is never run collects values",
            "their types are not known; export the model without the loop",
        );
    };
    if reverse {
        parts.reverse();
    }
    let rank = parts.first().map_or(1, |part| part.shape().rank());
    let at = axis(at, rank)?;
    Ok(Value::traced(element, joined(&parts, at as i64)?).into())
}

/// What a `Scan` says of its inputs and outputs.
pub(super) struct Scanned<'a> {
    pub(super) body: &'a GraphProto,
    states: usize,
    /// Axis and direction of each scanned input.
    inputs: Vec<(usize, bool)>,
    /// Axis and direction of each scanned output.
    pub(super) outputs: Vec<(i64, bool)>,
}

/// A sequence: its elements, its tensor, the axis of the steps, and whether the last one is first.
pub(super) type Sequence = (ElementType, Var, usize, bool);

/// A graph run for each index of an axis, with states from one to the next.
pub(crate) fn scan(call: &Call<'_>) -> Outs {
    let scanned = scanned(call)?;
    if call.version >= 9 {
        let inputs = (0..call.count()).map(|at| call.value(at).cloned());
        let inputs = inputs.collect::<Result<Vec<_>, Fault>>()?;
        return run(call, &scanned, inputs);
    }
    by_batch(call, &scanned)
}

fn scanned<'a>(call: &'a Call<'_>) -> Result<Scanned<'a>, Fault> {
    let body = call.graph("body")?;
    let skipped = usize::from(call.version < 9);
    let count = extent(call.int("num_scan_inputs", 1), "`num_scan_inputs`")?;
    let states = call.count().checked_sub(skipped + count);
    let (Some(states), Some(outputs)) =
        (states, states.and_then(|states| body.output.len().checked_sub(states)))
    else {
        return mistake(
            format!("`num_scan_inputs` is {count}, the node has {} operands", call.count()),
            "states come first, then what is scanned",
        );
    };
    let entry =
        |name: &str, at: usize| call.ints(name).and_then(|list| list.get(at)).copied().unwrap_or(0);
    let input = |at: usize| {
        let rank = call.var(states + at + skipped)?.shape().rank();
        let backwards = entry("scan_input_directions", at) + entry("directions", at) == 1;
        let along = if skipped == 1 { 1 } else { entry("scan_input_axes", at) };
        Ok((axis(along, rank)?, backwards))
    };
    let output =
        |at: usize| (entry("scan_output_axes", at), entry("scan_output_directions", at) == 1);
    Ok(Scanned {
        body,
        states,
        inputs: (0..count).map(input).collect::<Result<_, Fault>>()?,
        outputs: (0..outputs).map(output).collect(),
    })
}

/// The index of each scanned input in each iteration.
fn run(call: &Call<'_>, scanned: &Scanned<'_>, inputs: Vec<Value>) -> Outs {
    let mut states: Vec<Value> = inputs.iter().take(scanned.states).cloned().collect();
    let mut sequences = Vec::new();
    for (value, &(axis, backwards)) in inputs.iter().skip(scanned.states).zip(&scanned.inputs) {
        let Value::Tensor(operand) = value else {
            return mistake(format!("{} is scanned", value.kind()), "only tensors are");
        };
        let var = operand.var(call.tracer(), call.import.declare);
        sequences.push((operand.element, var, axis, backwards));
    }
    let length = sequences.first().map_or(0, |(_, var, axis, _)| var.shape()[*axis]);
    if sequences.iter().any(|(_, var, axis, _)| var.shape()[*axis] != length) {
        return mistake("what is scanned has different lengths", "all are equally long");
    }
    if let Some(results) = Looped::scanned(call, scanned, &inputs[..scanned.states], &sequences)? {
        return Ok(results);
    }
    let mut collected: Vec<Vec<Value>> = vec![vec![]; scanned.outputs.len()];
    for step in 0..length {
        let part = |(element, var, axis, backwards): &Sequence| {
            let at = if *backwards { length - 1 - step } else { step };
            Value::traced(*element, index(var, *axis, at))
        };
        let inputs = states.into_iter().chain(sequences.iter().map(part)).collect();
        let mut results = call.run(scanned.body, inputs)?.into_iter();
        states = results.by_ref().take(scanned.states).collect();
        collected.iter_mut().zip(results).for_each(|(all, value)| all.push(value));
    }
    let outputs = collected.iter().zip(&scanned.outputs);
    let outputs = outputs.map(|(values, &(at, reverse))| stacked(call, values, at, reverse));
    states.into_iter().map(|state| Ok(Out::from(state))).chain(outputs).collect()
}

/// Before opset 9 everything has a batch axis first, and each sample is scanned by itself.
fn by_batch(call: &Call<'_>, scanned: &Scanned<'_>) -> Outs {
    if call.has(0) {
        return mistake("sequences have lengths of their own", "they are read from opset 9 on");
    }
    let vars = (1..call.count()).map(|at| Ok((call.element(at)?, call.var(at)?)));
    let vars = vars.collect::<Result<Vec<_>, Fault>>()?;
    let batch = vars.first().and_then(|(_, var)| var.shape().first().copied()).unwrap_or(0);
    let inner = Scanned {
        body: scanned.body,
        states: scanned.states,
        inputs: scanned.inputs.iter().map(|&(_, backwards)| (0, backwards)).collect(),
        outputs: scanned.outputs.clone(),
    };
    let mut samples: Vec<Vec<Value>> = Vec::new();
    for sample in 0..batch {
        let inputs =
            vars.iter().map(|(element, var)| Value::traced(*element, index(var, 0, sample)));
        let outs = run(call, &inner, inputs.collect())?;
        let value = |out: Out| match out {
            Out::Value(value) => value,
            Out::Var(var) => Value::traced(ElementType::of_dtype(var.dtype()), var),
        };
        samples.push(outs.into_iter().map(value).collect());
    }
    let count = samples.first().map_or(0, Vec::len);
    let column = |at: usize| samples.iter().map(|sample| sample[at].clone()).collect::<Vec<_>>();
    (0..count).map(|at| stacked(call, &column(at), 0, false)).collect()
}
