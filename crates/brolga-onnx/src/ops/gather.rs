//! Elements by their indices.

use brolga_ir::{DType, Data, Shape, Type, Var};

use super::pad::gathered;
use super::shape::part;
use crate::call::{Call, Out, Outs, Sound, axis, extent, mistake, one};
use crate::element::ElementType;
use crate::error::Fault;
use crate::value::Value;

/// Indices counted from the end where they are negative.
pub(crate) fn counted(indices: &Var, extent: usize) -> Var {
    if indices.dtype() == DType::U8 {
        return indices.clone();
    }
    let negative = indices.lt(&indices.constant_like(0.0));
    negative.select(&(indices + extent as f64), indices)
}

/// The indices of an axis that a tensor has, whose axes take the place of that one.
pub(crate) fn gather(call: &Call<'_>) -> Outs {
    let (x, indices) = (call.var(0)?, call.var(1)?);
    let axis = call.axis(0, x.shape().rank())?;
    one(gathered(&x, axis, &counted(&indices, x.shape()[axis])))
}

/// For each index of `indices`, the element of x with that index on one axis, and its own on others.
pub(crate) fn gather_elements(call: &Call<'_>) -> Outs {
    let (x, indices) = (call.var(0)?, call.var(1)?);
    let axis = call.axis(0, x.shape().rank())?;
    let offsets = along(&x, &indices, axis)?;
    one(flat(&x).gather(&offsets))
}

fn flat(x: &Var) -> Var {
    x.reshape([x.shape().elements()])
}

/// The row-major offsets in x of elements that have the indices of a tensor on one axis, and their
/// own on others.
fn along(x: &Var, indices: &Var, axis: usize) -> Result<Var, Fault> {
    let (shape, own) = (x.shape(), indices.shape());
    let fits = |other: usize| other == axis || own[other] <= shape[other];
    if own.rank() != shape.rank() || !(0..shape.rank()).all(fits) {
        return mistake(
            format!("indices {} of {}", indices.ty(), x.ty()),
            "both have the same rank, and the indices are no longer on other axes",
        );
    }
    let strides = shape.strides();
    let index = counted(&indices.cast(DType::I64), shape[axis]);
    let zero = index.constant_like(0.0);
    let outside = index.lt(&zero).logical_or(&index.ge(&(zero + shape[axis] as f64)));
    let mut offsets = index * strides[axis] as f64;
    for other in (0..shape.rank()).filter(|&other| other != axis) {
        let place = x.tracer().iota(Type::new(DType::I64, own.clone()), other);
        offsets = offsets + place * strides[other] as f64;
    }
    // An index out of range must not reach the element of another place.
    Ok(outside.select(&offsets.constant_like(-1.0), &offsets))
}

/// The parts of x at the indices that the last axis of a tensor has.
pub(crate) fn gather_nd(call: &Call<'_>) -> Outs {
    let (x, indices) = (call.var(0)?, call.var(1)?);
    let batch = extent(call.int("batch_dims", 0), "`batch_dims`")?;
    let (rank, own) = (x.shape().rank(), indices.shape().to_vec());
    let Some((&depth, outer)) = own.split_last() else {
        return mistake("the indices are a scalar", "their last axis has one for each axis of x");
    };
    if batch > outer.len() || batch + depth > rank || x.shape()[..batch] != outer[..batch] {
        return mistake(
            format!("indices {} of {}, `batch_dims` {batch}", indices.ty(), x.ty()),
            "the last axis of the indices has no more of them than x has axes",
        );
    }
    let shape = x.shape().to_vec();
    let (head, inner) = shape.split_at(batch + depth);
    let rows = x.reshape(
        [head.iter().product::<usize>()]
            .into_iter()
            .chain(inner.iter().copied())
            .collect::<Vec<_>>(),
    );
    let numbers = row_numbers(&indices, head, batch)?;
    one(rows.gather(&numbers))
}

/// The row-major numbers of rows in a box of extents `head`, by the indices on the last axis of a
/// tensor; the first `batch` indices are places in the tensor itself.
fn row_numbers(indices: &Var, head: &[usize], batch: usize) -> Result<Var, Fault> {
    let own = indices.shape().to_vec();
    let (depth, outer) = own.split_last().map_or((0, &own[..]), |(depth, outer)| (*depth, outer));
    let tracer = indices.tracer();
    let strides = Shape::from(head).strides();
    let mut numbers = tracer.full(&Type::new(DType::I64, outer), 0.0);
    let mut outside = tracer.full(&Type::new(DType::Bool, outer), 0.0);
    for axis in 0..head.len() {
        let index = if axis < batch {
            tracer.iota(Type::new(DType::I64, outer), axis)
        } else {
            let at = part(&indices.cast(DType::I64), outer.len(), axis - batch, axis - batch + 1);
            counted(&at.reshape(outer), head[axis])
        };
        let zero = index.constant_like(0.0);
        let wrong = index.lt(&zero).logical_or(&index.ge(&(zero + head[axis] as f64)));
        outside = outside.logical_or(&wrong);
        numbers = numbers + index * strides[axis] as f64;
    }
    debug_assert!(depth + batch == head.len());
    outside.select(&numbers.constant_like(-1.0), &numbers).sound()
}

/// How updates of one element are combined.
#[derive(Clone, Copy, PartialEq)]
enum Reduction {
    None,
    Add,
    Mul,
    Max,
    Min,
}

fn reduction(call: &Call<'_>) -> Result<Reduction, Fault> {
    Ok(match call.text("reduction", "none")? {
        "none" => Reduction::None,
        "add" => Reduction::Add,
        "mul" => Reduction::Mul,
        "max" => Reduction::Max,
        "min" => Reduction::Min,
        other => {
            return mistake(
                format!("`reduction` is {other:?}"),
                "it is \"none\", \"add\", \"mul\", \"max\" or \"min\"",
            );
        }
    })
}

/// x with elements replaced by updates, at indices on one axis.
pub(crate) fn scatter_elements(call: &Call<'_>) -> Outs {
    let (x, indices, updates) = (call.var(0)?, call.var(1)?, call.var(2)?);
    let axis = call.axis(0, x.shape().rank())?;
    let count = indices.shape().elements();
    let offsets = along(&x, &indices, axis)?.reshape([count]);
    let result = scattered(&flat(&x), &offsets, &updates.reshape([count]), reduction(call)?)?;
    one(result.reshape(x.shape().clone()))
}

/// x with parts replaced by updates, at the indices that the last axis of a tensor has.
pub(crate) fn scatter_nd(call: &Call<'_>) -> Outs {
    let (x, indices, updates) = (call.var(0)?, call.var(1)?, call.var(2)?);
    let (shape, own) = (x.shape().to_vec(), indices.shape().to_vec());
    let Some((&depth, outer)) = own.split_last().filter(|(depth, _)| **depth <= shape.len()) else {
        return mistake(
            format!("indices {} of {}", indices.ty(), x.ty()),
            "their last axis has no more of them than x has axes",
        );
    };
    let (head, inner) = shape.split_at(depth);
    let [rows, width]: [usize; 2] = [head.iter().product(), inner.iter().product()];
    let count: usize = outer.iter().product();
    let numbers = row_numbers(&indices, head, 0)?.reshape([count]);
    let updates = updates.reshape([count, width]);
    let result = scattered(&x.reshape([rows, width]), &numbers, &updates, reduction(call)?)?;
    one(result.reshape(shape))
}

/// A table with updates of the rows of these numbers.
fn scattered(table: &Var, rows: &Var, updates: &Var, reduction: Reduction) -> Result<Var, Fault> {
    let count = table.shape()[0];
    let ones = |ty: &Type| table.tracer().full(ty, 1.0);
    let hits = ones(&Type::new(DType::I32, rows.shape().clone())).scatter_add(rows, count);
    let wide: Vec<usize> =
        [count].into_iter().chain(table.shape().iter().skip(1).map(|_| 1)).collect();
    let hit = hits.gt(&hits.constant_like(0.0)).reshape(wide.clone());
    match reduction {
        Reduction::Add => Ok(table + updates.scatter_add(rows, count)),
        Reduction::None => {
            // The last update of a row wins: it is the one with the greatest number.
            let number = rows.tracer().iota(Type::new(DType::I64, rows.shape().clone()), 0);
            let last = latest(rows, &number, count)?;
            Ok(hit.select(&updates.gather(&last), table))
        }
        _ => one_by_one(table, rows, updates, reduction),
    }
}

/// For each of `count` rows, the greatest number of an update of it; −1 for none. Numbers are made of
/// comparisons of all rows with all updates.
fn latest(rows: &Var, number: &Var, count: usize) -> Result<Var, Fault> {
    let updates = rows.shape().elements();
    let tracer = rows.tracer();
    if updates == 0 {
        return Ok(tracer.full(&Type::new(DType::I64, [count]), -1.0));
    }
    let row = tracer.iota(Type::new(rows.dtype(), [count, 1]), 0);
    let own = row.eq(&rows.reshape([1, updates]));
    let numbers = own.select(&number.reshape([1, updates]), &number.constant_like(-1.0));
    Ok(numbers.reduce_max(&[1], false))
}

/// Updates combined with the table in their order, one at a time.
fn one_by_one(table: &Var, rows: &Var, updates: &Var, reduction: Reduction) -> Result<Var, Fault> {
    /// Above so many updates their nodes would be most of the graph.
    const MAX_UPDATES: usize = 1 << 12;
    let count = rows.shape().elements();
    if count > MAX_UPDATES {
        return mistake(
            format!("{count} updates are combined"),
            format!("`reduction` \"mul\", \"max\" and \"min\" take up to {MAX_UPDATES}"),
        );
    }
    let extent = table.shape()[0];
    let place = table.tracer().iota(Type::new(rows.dtype(), [extent]), 0);
    let wide: Vec<usize> =
        [extent].into_iter().chain(table.shape().iter().skip(1).map(|_| 1)).collect();
    let mut result = table.clone();
    for number in 0..count {
        let hit = place.eq(&part(rows, 0, number, number + 1)).reshape(wide.clone());
        let update = part(updates, 0, number, number + 1);
        let combined = match reduction {
            Reduction::Mul => &result * &update,
            Reduction::Max => result.maximum(&update),
            _ => result.minimum(&update),
        };
        result = hit.select(&combined, &result);
    }
    Ok(result)
}

/// Classes as vectors with one value at the class and another one elsewhere.
pub(crate) fn one_hot(call: &Call<'_>) -> Outs {
    let (indices, values) = (call.var(0)?, call.var(2)?);
    let depth = match call.floats_of(1)?[..] {
        [depth] => extent(depth as i64, "the depth")?,
        _ => return mistake("the depth is not one number", "it is a scalar"),
    };
    let rank = indices.shape().rank() + 1;
    let at = call.axis(-1, rank)?;
    let classes = counted(&indices.cast(DType::I64), depth);
    let hot = classes.one_hot(depth, DType::Bool);
    let permutation: Vec<usize> = (0..at).chain([rank - 1]).chain(at..rank - 1).collect();
    let value = |number: usize| part(&values, 0, number, number + 1).reshape([1; 0]);
    one(hot.transpose(&permutation).select(&value(1), &value(0)))
}

/// The k greatest or least elements along an axis, and their indices.
pub(crate) fn top_k(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let k = if call.version < 10 { call.int("k", 1) } else { call.int_of(1)? };
    let k = extent(k, "k")?;
    let axis = call.axis(-1, x.shape().rank())?;
    if k > x.shape()[axis] {
        return mistake(format!("the {k} greatest of {}", x.ty()), "there are not as many");
    }
    let (values, indices) = x.sort(axis, call.flag("largest", true));
    let indices = part(&indices, axis, 0, k).cast(DType::I64);
    Ok(vec![part(&values, axis, 0, k).into(), Value::traced(ElementType::I64, indices).into()])
}

/// The index of the first or last maximum along an axis; with the sign turned, of the minimum.
fn arg(call: &Call<'_>, greatest: bool) -> Outs {
    let x = call.var(0)?;
    let axis = call.axis(0, x.shape().rank())?;
    let keepdims = call.flag("keepdims", true);
    let x = if greatest { x } else { negated(&x) };
    let index = if call.flag("select_last_index", false) {
        let last = x.reverse(&[axis]).argmax(axis, keepdims).cast(DType::I64);
        call.scalar(DType::I64, x.shape()[axis] as f64 - 1.0) - last
    } else {
        x.argmax(axis, keepdims).cast(DType::I64)
    };
    one(Value::traced(ElementType::I64, index))
}

/// Numbers in the opposite order.
fn negated(x: &Var) -> Var {
    match x.dtype() {
        dtype if dtype.is_float() => -x,
        DType::Bool => x.logical_not(),
        // −x − 1 does not overflow.
        _ => -x - 1.0,
    }
}

/// The index of the greatest element along an axis.
pub(crate) fn arg_max(call: &Call<'_>) -> Outs {
    arg(call, true)
}

/// The index of the least element along an axis.
pub(crate) fn arg_min(call: &Call<'_>) -> Outs {
    arg(call, false)
}

/// The indices of elements that are not zero: how many there are must be known.
pub(crate) fn non_zero(call: &Call<'_>) -> Outs {
    let tensor = call.known(0)?;
    let shape = tensor.shape();
    let strides = shape.strides();
    let bits = tensor.data().to_f64();
    let found: Vec<usize> = (0..bits.len()).filter(|&at| bits[at] != 0.0).collect();
    let on_axis = |axis: usize| {
        let (stride, extent) = (strides[axis], shape[axis]);
        found.iter().map(move |&at| (at / stride % extent) as i64)
    };
    let indices: Vec<i64> = (0..strides.len()).flat_map(on_axis).collect();
    let result = Shape::new([strides.len(), found.len()]);
    one(crate::call::known(ElementType::I64, result, Data::I64(indices)))
}

/// The indices of an axis, or elements of the whole, at which a condition holds: it must be known.
pub(crate) fn compress(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let condition = call.known(1)?.data().to_f64();
    let places: Vec<i64> =
        (0..condition.len()).filter(|&at| condition[at] != 0.0).map(|at| at as i64).collect();
    if call.says("axis") {
        let axis = call.axis(0, x.shape().rank())?;
        return one(super::pad::taken(&x, axis, &places));
    }
    one(super::pad::taken(&flat(&x), 0, &places))
}

/// For each batch the first elements of a sequence in the opposite order, the rest as they are.
pub(crate) fn reverse_sequence(call: &Call<'_>) -> Outs {
    let (x, lengths) = (call.var(0)?, call.var(1)?);
    let rank = x.shape().rank();
    let (time, batch) =
        (axis(call.int("time_axis", 0), rank)?, axis(call.int("batch_axis", 1), rank)?);
    if time == batch || lengths.shape()[..] != [x.shape()[batch]] {
        return mistake(
            format!("lengths {} of {}", lengths.ty(), x.ty()),
            "there is one for each index of the batch axis, which is not the time axis",
        );
    }
    one(reversed(&x, &lengths, time, batch)?)
}

/// The first `lengths` elements of each sequence in the opposite order.
pub(crate) fn reversed(x: &Var, lengths: &Var, time: usize, batch: usize) -> Result<Var, Fault> {
    let rank = x.shape().rank();
    let mut wide = vec![1; rank];
    wide[batch] = x.shape()[batch];
    let lengths = lengths.cast(DType::I64).reshape(wide);
    let step = x.tracer().iota(Type::new(DType::I64, x.shape().clone()), time);
    let mirrored = &lengths - &step - 1.0;
    let indices = step.lt(&lengths).select(&mirrored, &step);
    Ok(flat(x).gather(&along(x, &indices, time)?))
}

/// Segments of a tensor's elements that stand at these offsets: known ones.
pub(crate) fn unique(call: &Call<'_>) -> Outs {
    let tensor = call.known(0)?;
    let (element, shape) = (call.element(0)?, tensor.shape().clone());
    let axis = match call.says("axis") {
        true => Some(call.axis(0, shape.rank())?),
        false => None,
    };
    let (extent, width) = match axis {
        Some(axis) => (shape[axis], shape.elements().checked_div(shape[axis]).unwrap_or(0)),
        None => (shape.elements(), 1),
    };
    let values = tensor.data().to_f64();
    let stride = axis.map_or(1, |axis| shape.strides()[axis]);
    let offset = |index: usize, at: usize| match axis {
        None => index,
        Some(_) => at / stride * stride * extent + index * stride + at % stride,
    };
    let slab = |index: usize| (0..width).map(move |at| offset(index, at));
    let key = |index: usize| slab(index).map(|at| values[at]).collect::<Vec<f64>>();
    let keys: Vec<Vec<f64>> = (0..extent).map(key).collect();
    let mut found = Unique::of(&keys);
    if call.flag("sorted", true) {
        found.sort(&keys);
    }
    let places: Vec<i64> = found.first.iter().map(|&at| at as i64).collect();
    let x = call.var(0)?;
    let chosen = match axis {
        Some(axis) => super::pad::taken(&x, axis, &places),
        None => super::pad::taken(&flat(&x), 0, &places),
    };
    let list = |values: Vec<usize>| {
        Out::from(call.integers(values.into_iter().map(|at| at as i64).collect()))
    };
    let y = Out::from(Value::traced(element, chosen));
    Ok(vec![y, list(found.first), list(found.inverse), list(found.counts)])
}

/// The distinct ones among some keys.
struct Unique {
    /// Where each occurs first.
    first: Vec<usize>,
    /// Which of them each key is.
    inverse: Vec<usize>,
    counts: Vec<usize>,
}

impl Unique {
    fn of(keys: &[Vec<f64>]) -> Self {
        let mut found = Self { first: vec![], inverse: vec![], counts: vec![] };
        let mut known = std::collections::HashMap::new();
        for (at, key) in keys.iter().enumerate() {
            let bits: Vec<u64> = key.iter().map(|value| value.to_bits()).collect();
            let number = *known.entry(bits).or_insert_with(|| {
                found.first.push(at);
                found.counts.push(0);
                found.first.len() - 1
            });
            found.counts[number] += 1;
            found.inverse.push(number);
        }
        found
    }

    fn sort(&mut self, keys: &[Vec<f64>]) {
        let mut order: Vec<usize> = (0..self.first.len()).collect();
        let compare = |a: &usize, b: &usize| {
            let [a, b] = [a, b].map(|&number| &keys[self.first[number]]);
            a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal)
        };
        order.sort_by(compare);
        let mut place = vec![0; order.len()];
        order.iter().enumerate().for_each(|(new, &old)| place[old] = new);
        self.first = order.iter().map(|&old| self.first[old]).collect();
        self.counts = order.iter().map(|&old| self.counts[old]).collect();
        self.inverse.iter_mut().for_each(|number| *number = place[*number]);
    }
}
