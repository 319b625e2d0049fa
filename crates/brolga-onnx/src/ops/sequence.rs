//! Sequences and optional values. How long a sequence is, and whether a value is there, is known.

use brolga_ir::{DType, Data, Shape, Tensor};

use super::shape::{index, joined, part};
use crate::call::{Call, Out, Outs, Sound, extents, known, listed, mistake, one};
use crate::element::ElementType;
use crate::error::Fault;
use crate::tensor;
use crate::value::Value;

/// The values of a sequence.
fn values<'a>(call: &'a Call<'_>, operand: usize) -> Result<(ElementType, &'a [Value]), Fault> {
    match call.value(operand)? {
        Value::Sequence(element, values) => Ok((*element, values)),
        Value::Optional(Some(value)) => match &**value {
            Value::Sequence(element, values) => Ok((*element, values)),
            other => no_sequence(operand, other),
        },
        other => no_sequence(operand, other),
    }
}

fn no_sequence<T>(operand: usize, given: &Value) -> Result<T, Fault> {
    mistake(
        format!("operand {operand} is {}, expected was a sequence", given.kind()),
        "the model is not valid; `onnx.checker` tells more",
    )
}

/// A place in a sequence, counted from its end if it is negative.
fn place(call: &Call<'_>, operand: usize, length: usize, last: usize) -> Result<usize, Fault> {
    let given = call.int_of(operand)?;
    let at = if given < 0 { given.saturating_add(length as i64) } else { given };
    match usize::try_from(at) {
        Ok(at) if at < last => Ok(at),
        _ => mistake(
            format!("place {given} of a sequence of {length}"),
            "places count from 0, or from the end if they are negative",
        ),
    }
}

/// A sequence without values.
pub(crate) fn sequence_empty(call: &Call<'_>) -> Outs {
    let element = tensor::element(call.int("dtype", 1))?;
    one(Value::Sequence(element, vec![]))
}

/// The sequence of the operands.
pub(crate) fn sequence_construct(call: &Call<'_>) -> Outs {
    let values = (0..call.count()).map(|at| call.value(at).cloned());
    let values = values.collect::<Result<Vec<_>, Fault>>()?;
    one(Value::Sequence(call.element(0)?, values))
}

/// How many values a sequence has.
pub(crate) fn sequence_length(call: &Call<'_>) -> Outs {
    let (_, values) = values(call, 0)?;
    one(known(ElementType::I64, Shape::scalar(), Data::I64(vec![values.len() as i64])))
}

/// A value of a sequence.
pub(crate) fn sequence_at(call: &Call<'_>) -> Outs {
    let (_, values) = values(call, 0)?;
    let at = place(call, 1, values.len(), values.len())?;
    one(values[at].clone())
}

/// A sequence with one value more; by default at its end.
pub(crate) fn sequence_insert(call: &Call<'_>) -> Outs {
    let (element, given) = values(call, 0)?;
    let mut values = given.to_vec();
    let at = match call.has(2) {
        true => place(call, 2, values.len(), values.len() + 1)?,
        false => values.len(),
    };
    values.insert(at, call.value(1)?.clone());
    one(Value::Sequence(element, values))
}

/// A sequence with one value less; by default without the last one.
pub(crate) fn sequence_erase(call: &Call<'_>) -> Outs {
    let (element, given) = values(call, 0)?;
    let mut values = given.to_vec();
    let at = match call.has(1) {
        true => place(call, 1, values.len(), values.len())?,
        false if values.is_empty() => {
            return mistake("a sequence without values", "there is none to take out");
        }
        false => values.len() - 1,
    };
    values.remove(at);
    one(Value::Sequence(element, values))
}

/// A tensor cut along an axis into a sequence.
pub(crate) fn split_to_sequence(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let element = call.element(0)?;
    let axis = call.axis(0, x.shape().rank())?;
    let whole = x.shape()[axis];
    let single = !call.has(1);
    let sizes = match call.has(1) {
        false => vec![1; listed(whole)?],
        true => {
            let given = extents(&call.ints_of(1)?, "the size of a piece")?;
            match (call.known(1)?.shape().rank(), given.as_slice()) {
                (0, [0]) => return mistake("pieces of size 0", "they are at least 1"),
                (0, [size]) => {
                    let starts = (0..listed(whole)?).step_by(*size);
                    starts.map(|start| (*size).min(whole - start)).collect()
                }
                _ => given,
            }
        }
    };
    if sizes.iter().try_fold(0_usize, |sum, &size| sum.checked_add(size)) != Some(whole) {
        return mistake(
            format!("pieces of {sizes:?} along axis {axis} of {}", x.ty()),
            "the sizes of the pieces add up to the extent",
        );
    }
    let dropped = single && !call.flag("keepdims", true);
    let mut start = 0;
    let piece = |size: usize| {
        start += size;
        let var = if dropped {
            index(&x, axis, start - size)
        } else {
            part(&x, axis, start - size, start)
        };
        Value::traced(element, var)
    };
    one(Value::Sequence(element, sizes.into_iter().map(piece).collect()))
}

/// The tensors of a sequence one after the other along an axis, or along a new one.
pub(crate) fn concat_from_sequence(call: &Call<'_>) -> Outs {
    let (element, values) = values(call, 0)?;
    let at = call.int("axis", 0);
    let mut vars = Vec::new();
    for value in values {
        let Value::Tensor(operand) = value else {
            return mistake(format!("{} in the sequence", value.kind()), "only tensors are joined");
        };
        vars.push(operand.var(call.tracer(), call.import.declare).sound()?);
    }
    if call.flag("new_axis", false) {
        for var in &mut vars {
            let mut shape = var.shape().to_vec();
            shape.insert(crate::call::axis(at, shape.len() + 1)?, 1);
            *var = var.reshape(shape);
        }
    }
    one(Value::traced(element, joined(&vars, at)?))
}

/// A graph run for each value of sequences, which are equally long.
pub(crate) fn sequence_map(call: &Call<'_>) -> Outs {
    let body = call.graph("body")?;
    let (_, first) = values(call, 0)?;
    let mut collected: Vec<Vec<Value>> = vec![vec![]; body.output.len()];
    for step in 0..first.len() {
        let inputs = (0..call.count()).map(|at| match call.value(at)? {
            Value::Sequence(_, values) => match values.get(step) {
                Some(value) => Ok(value.clone()),
                None => mistake("sequences of different lengths", "all are equally long"),
            },
            other => Ok(other.clone()),
        });
        let results = call.run(body, inputs.collect::<Result<_, Fault>>()?)?;
        collected.iter_mut().zip(results).for_each(|(all, value)| all.push(value));
    }
    let sequence = |values: Vec<Value>| {
        let element = values.iter().flat_map(Value::tensors).map(|operand| operand.element).next();
        Out::from(Value::Sequence(element.unwrap_or(ElementType::F32), values))
    };
    Ok(collected.into_iter().map(sequence).collect())
}

/// A value that may be missing.
pub(crate) fn optional(call: &Call<'_>) -> Outs {
    let value = if call.has(0) { Some(Box::new(call.value(0)?.clone())) } else { None };
    one(Value::Optional(value))
}

/// Whether a value is there.
pub(crate) fn optional_has_element(call: &Call<'_>) -> Outs {
    let there = call.has(0) && !matches!(call.value(0)?, Value::Optional(None));
    one(Value::known(ElementType::Bool, Tensor::scalar(DType::Bool, f64::from(u8::from(there)))))
}

/// What an optional value holds.
pub(crate) fn optional_get_element(call: &Call<'_>) -> Outs {
    match call.value(0)? {
        Value::Optional(Some(value)) => one((**value).clone()),
        Value::Optional(None) => mistake("the optional value is missing", "it must be there"),
        value => one(value.clone()),
    }
}

/// A box with its corners and its score.
struct Candidate {
    index: usize,
    score: f64,
}

/// Boxes that overlap no better one: the boxes and their scores must be known.
pub(crate) fn non_max_suppression(call: &Call<'_>) -> Outs {
    let (boxes, scores) = (call.known(0)?, call.known(1)?);
    let ([batch, count, 4], [_, classes, _]) = (
        <[usize; 3]>::try_from(&**boxes.shape()).unwrap_or_default(),
        <[usize; 3]>::try_from(&**scores.shape()).unwrap_or_default(),
    ) else {
        return mistake(
            format!("boxes {} and scores {}", boxes.ty(), scores.ty()),
            "they are [batch, boxes, 4] and [batch, classes, boxes]",
        );
    };
    if scores.shape()[..] != [batch, classes, count] {
        return mistake(
            format!("boxes {} and scores {}", boxes.ty(), scores.ty()),
            "they are [batch, boxes, 4] and [batch, classes, boxes]",
        );
    }
    let number = |operand: usize, default: f64| -> Result<f64, Fault> {
        let given = if call.has(operand) { call.floats_of(operand)? } else { vec![] };
        Ok(given.first().copied().unwrap_or(default))
    };
    let most = number(2, 0.0)?.max(0.0) as usize;
    let overlap = number(3, 0.0)?;
    let least = if call.has(4) { Some(number(4, 0.0)?) } else { None };
    let centred = call.flag("center_point_box", false);
    let (boxes, scores) = (boxes.data().to_f64(), scores.data().to_f64());
    let corners = |image: usize, index: usize| {
        let at = (image * count + index) * 4;
        corners([boxes[at], boxes[at + 1], boxes[at + 2], boxes[at + 3]], centred)
    };
    let mut selected = Vec::new();
    for image in 0..batch {
        for class in 0..classes {
            let score = |index: usize| scores[(image * classes + class) * count + index];
            let mut candidates: Vec<Candidate> = (0..count)
                .map(|index| Candidate { index, score: score(index) })
                .filter(|candidate| least.is_none_or(|least| candidate.score > least))
                .collect();
            candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
            let mut kept: Vec<usize> = Vec::new();
            for Candidate { index, .. } in candidates {
                let apart = |&other: &usize| {
                    shared(corners(image, index), corners(image, other)) <= overlap
                };
                if kept.len() < most && kept.iter().all(apart) {
                    kept.push(index);
                }
            }
            selected.extend(kept.into_iter().flat_map(|index| [image, class, index]));
        }
    }
    let selected: Vec<i64> = selected.into_iter().map(|at| at as i64).collect();
    one(known(ElementType::I64, [selected.len() / 3, 3].into(), Data::I64(selected)))
}

/// The least and the greatest y and x of a box.
fn corners([a, b, c, d]: [f64; 4], centred: bool) -> [f64; 4] {
    if centred {
        // [x, y, width, height] of the centre.
        return [b - d / 2.0, a - c / 2.0, b + d / 2.0, a + c / 2.0];
    }
    [a.min(c), b.min(d), a.max(c), b.max(d)]
}

/// The area that two boxes share, over the area that they cover together.
fn shared(a: [f64; 4], b: [f64; 4]) -> f64 {
    let area = |[y, x, bottom, right]: [f64; 4]| (bottom - y).max(0.0) * (right - x).max(0.0);
    let common = area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    let together = area(a) + area(b) - common;
    if together > 0.0 { common / together } else { 0.0 }
}
