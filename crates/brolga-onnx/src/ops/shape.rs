//! Shapes: the same elements under other extents, repeated, joined, cut.

use brolga_ir::{DType, Shape, Tensor, Type, Var};

use crate::call::{Call, Out, Outs, Sound, axis, extent, extents, mistake, one};
use crate::element::ElementType;
use crate::error::Fault;
use crate::value::Value;

/// x.
pub(crate) fn identity(call: &Call<'_>) -> Outs {
    one(call.value(0)?.clone())
}

/// The elements under another shape: 0 takes the extent of x, −1 what is left.
pub(crate) fn reshape(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let given = match call.ints("shape") {
        Some(shape) if call.version < 5 => shape.to_vec(),
        _ => call.ints_of(1)?,
    };
    let keep_zero = call.flag("allowzero", false);
    let own = |(at, &value): (usize, &i64)| match value {
        0 if !keep_zero => match x.shape().get(at) {
            Some(&extent) => Ok(Some(extent)),
            None => mistake(
                format!("the shape {given:?} takes extent {at} of {}", x.ty()),
                "0 stands for the extent that the operand has at that axis",
            ),
        },
        -1 => Ok(None),
        value => extent(value, "an extent").map(Some),
    };
    let asked: Vec<Option<usize>> =
        given.iter().enumerate().map(own).collect::<Result<_, Fault>>()?;
    let known = asked.iter().flatten().try_fold(1_usize, |all, &one| all.checked_mul(one));
    let open = asked.iter().filter(|extent| extent.is_none()).count();
    let elements = x.shape().elements();
    let left = match (open, known) {
        (0, Some(known)) if known == elements => 0,
        (1, Some(known)) if known > 0 && elements.is_multiple_of(known) => elements / known,
        _ => {
            return mistake(
                format!("{} cannot have the shape {given:?}", x.ty()),
                "both shapes need the same number of elements, and one −1 at most",
            );
        }
    };
    one(x.reshape(asked.into_iter().map(|extent| extent.unwrap_or(left)).collect::<Vec<_>>()))
}

/// x as a matrix: the axes before `axis` are rows.
pub(crate) fn flatten(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let rank = x.shape().rank();
    let at = match call.int("axis", 1) {
        value if value == rank as i64 => rank,
        value => axis(value, rank.max(1))?.min(rank),
    };
    let (rows, columns) = x.shape().split_at(at);
    let shape = [rows.iter().product::<usize>(), columns.iter().product::<usize>()];
    one(x.reshape(shape))
}

/// x without axes of extent 1.
pub(crate) fn squeeze(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let shape = x.shape();
    let dropped = match call.axes(1, shape.rank())? {
        Some(axes) => axes,
        None => (0..shape.rank()).filter(|&axis| shape[axis] == 1).collect(),
    };
    if let Some(&wrong) = dropped.iter().find(|&&axis| shape[axis] != 1) {
        return mistake(
            format!("axis {wrong} of {} is dropped", x.ty()),
            "only axes of extent 1 can be dropped",
        );
    }
    let kept = (0..shape.rank()).filter(|axis| !dropped.contains(axis)).map(|axis| shape[axis]);
    one(x.reshape(kept.collect::<Vec<_>>()))
}

/// x with new axes of extent 1.
pub(crate) fn unsqueeze(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let given = match call.ints("axes") {
        Some(axes) => axes.to_vec(),
        None => call.ints_of(1)?,
    };
    let rank = x.shape().rank() + given.len();
    let new = given.iter().map(|&value| axis(value, rank)).collect::<Result<Vec<_>, _>>()?;
    if (0..new.len()).any(|at| new[..at].contains(&new[at])) {
        return mistake(format!("the new axes {given:?}"), "each axis is new once");
    }
    let mut own = x.shape().iter().copied();
    let shape: Vec<usize> = (0..rank)
        .map(|axis| if new.contains(&axis) { 1 } else { own.next().unwrap_or(1) })
        .collect();
    one(x.reshape(shape))
}

/// x with its axes in another order; by default the opposite one.
pub(crate) fn transpose(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let rank = x.shape().rank();
    let permutation = match call.ints("perm") {
        Some(axes) => axes.iter().map(|&v| axis(v, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).rev().collect(),
    };
    one(x.transpose(&permutation))
}

/// x repeated to a shape, by the rule for elementwise ops in both directions.
pub(crate) fn expand(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let given = Shape::new(extents(&call.ints_of(1)?, "an extent")?);
    match x.shape().broadcast(&given) {
        Some(shape) => one(x.broadcast(shape)),
        None => mistake(
            format!("{} cannot be repeated to the shape {given}", x.ty()),
            "extents are equal, or one of them is 1",
        ),
    }
}

/// The extents of x, from `start` up to `end`.
pub(crate) fn shape(call: &Call<'_>) -> Outs {
    let shape = shape_of(call)?;
    let rank = shape.rank() as i64;
    let bound = |value: i64| {
        let counted = if value < 0 { value.saturating_add(rank) } else { value };
        counted.clamp(0, rank) as usize
    };
    let (start, end) = (bound(call.int("start", 0)), bound(call.int("end", rank)));
    let extents = shape.get(start..end.max(start)).unwrap_or_default();
    one(call.integers(extents.iter().map(|&extent| extent as i64).collect()))
}

/// The number of elements of x.
pub(crate) fn size(call: &Call<'_>) -> Outs {
    let elements = shape_of(call)?.elements() as f64;
    one(Value::known(ElementType::I64, Tensor::scalar(DType::I64, elements)))
}

/// The shape of an operand, which needs no place in the graph.
fn shape_of(call: &Call<'_>) -> Result<Shape, Fault> {
    match call.operand(0)?.tensor() {
        Some(tensor) => Ok(tensor.shape().clone()),
        None => Ok(call.var(0)?.shape().clone()),
    }
}

/// The operands one after the other along an axis.
pub(crate) fn concat(call: &Call<'_>) -> Outs {
    one(joined(&call.vars()?, call.int("axis", 1))?)
}

/// Values one after the other along an axis.
pub(crate) fn joined(vars: &[Var], along: i64) -> Result<Var, Fault> {
    let Some((first, rest)) = vars.split_first() else {
        return mistake("there is nothing to join", "the op takes one or more operands");
    };
    let axis = axis(along, first.shape().rank())?;
    Ok(first.concat(&rest.iter().collect::<Vec<_>>(), axis))
}

/// x cut into pieces along an axis.
pub(crate) fn split(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let axis = call.axis(0, x.shape().rank())?;
    let whole = x.shape()[axis];
    let sizes = match (call.ints("split"), call.maybe_ints_of(1)?) {
        (Some(sizes), _) => extents(sizes, "the size of a piece")?,
        (None, Some(sizes)) => extents(&sizes, "the size of a piece")?,
        (None, None) => {
            let count = call.int("num_outputs", call.node.output.len() as i64);
            let count = extent(count, "the number of pieces")?;
            if count == 0 || count != call.node.output.len() {
                let help = "`num_outputs` is the number of outputs";
                return mistake(format!("{count} pieces of {}", x.ty()), help);
            }
            let size = whole.div_ceil(count);
            let start = |piece: usize| (piece * size).min(whole);
            (0..count).map(|piece| start(piece + 1) - start(piece)).collect()
        }
    };
    let sum = sizes.iter().try_fold(0_usize, |sum, &size| sum.checked_add(size));
    if sum != Some(whole) {
        return mistake(
            format!("pieces of {sizes:?} along axis {axis} of {}", x.ty()),
            "the sizes of the pieces add up to the extent",
        );
    }
    let mut start = 0;
    let piece = |&size: &usize| {
        start += size;
        Out::from(part(&x, axis, start - size, start))
    };
    Ok(sizes.iter().map(piece).collect())
}

/// The indices from `start` up to `end` of an axis, which must be in it.
pub(crate) fn part(x: &Var, axis: usize, start: usize, end: usize) -> Var {
    let rank = x.shape().rank();
    let (mut starts, mut limits) = (vec![0; rank], x.shape().to_vec());
    if let (Some(first), Some(last)) = (starts.get_mut(axis), limits.get_mut(axis)) {
        (*first, *last) = (start, end);
    }
    x.slice(&starts, &limits, &vec![1; rank])
}

/// Index `at` of an axis, which is dropped.
pub(crate) fn index(x: &Var, axis: usize, at: usize) -> Var {
    let mut shape = x.shape().to_vec();
    if axis < shape.len() {
        shape.remove(axis);
    }
    part(x, axis, at, at + 1).reshape(shape)
}

/// Every step-th index of axes, from starts up to ends; negative steps go backwards.
pub(crate) fn slice(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let rank = x.shape().rank();
    let (starts, ends, axes, steps) = if call.version < 10 {
        let list = |name: &str| call.ints(name).map(<[i64]>::to_vec);
        (list("starts").unwrap_or_default(), list("ends").unwrap_or_default(), list("axes"), None)
    } else {
        (call.ints_of(1)?, call.ints_of(2)?, call.maybe_ints_of(3)?, call.maybe_ints_of(4)?)
    };
    let axes = match axes {
        Some(axes) => axes.iter().map(|&v| axis(v, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..starts.len()).collect(),
    };
    let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
    let counts = [ends.len(), axes.len(), steps.len()];
    if counts != [starts.len(); 3] || starts.len() > rank {
        return mistake(
            format!("{} starts, {counts:?} ends, axes and steps", starts.len()),
            "there is one of each for an axis",
        );
    }
    let mut cut = Cut::whole(x.shape());
    for (number, &axis) in axes.iter().enumerate() {
        cut.axis(axis, x.shape()[axis], [starts[number], ends[number], steps[number]])?;
    }
    one(cut.of(&x))
}

/// A part of a tensor: what is reversed, and what is then taken.
struct Cut {
    reversed: Vec<usize>,
    starts: Vec<usize>,
    limits: Vec<usize>,
    steps: Vec<usize>,
}

impl Cut {
    fn whole(shape: &Shape) -> Self {
        let rank = shape.rank();
        Self {
            reversed: vec![],
            starts: vec![0; rank],
            limits: shape.to_vec(),
            steps: vec![1; rank],
        }
    }

    fn axis(&mut self, axis: usize, whole: usize, at: [i64; 3]) -> Result<(), Fault> {
        let [start, end, step] = at;
        if step == 0 {
            return mistake(format!("the step of axis {axis} is 0"), "it is not 0");
        }
        let whole = whole as i64;
        let counted = |value: i64| if value < 0 { value.saturating_add(whole) } else { value };
        let (start, end) = (counted(start), counted(end));
        let (first, limit) = if step > 0 {
            (start.clamp(0, whole), end.clamp(0, whole))
        } else {
            self.reversed.push(axis);
            let (start, end) = (start.clamp(-1, whole - 1), end.clamp(-1, whole - 1));
            (whole - 1 - start, whole - 1 - end)
        };
        self.starts[axis] = first as usize;
        self.limits[axis] = limit.max(first) as usize;
        self.steps[axis] = usize::try_from(step.unsigned_abs()).unwrap_or(usize::MAX);
        Ok(())
    }

    fn of(self, x: &Var) -> Var {
        let mut reversed = self.reversed;
        reversed.sort_unstable();
        reversed.dedup();
        let x = if reversed.is_empty() { x.clone() } else { x.reverse(&reversed) };
        x.slice(&self.starts, &self.limits, &self.steps)
    }
}

/// x repeated whole along each axis.
pub(crate) fn tile(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let repeats = extents(&call.ints_of(1)?, "a number of repeats")?;
    if repeats.len() != x.shape().rank() {
        return mistake(
            format!("{} repeats for {}", repeats.len(), x.ty()),
            "there is one for each axis",
        );
    }
    one(tiled(&x, &repeats)?)
}

/// x repeated whole along each axis: an axis of repeats before each axis, joined with it.
fn tiled(x: &Var, repeats: &[usize]) -> Result<Var, Fault> {
    let mut tiled = x.clone();
    for (axis, &count) in repeats.iter().enumerate() {
        if count == 1 {
            continue;
        }
        let shape = tiled.clone().sound()?.shape().to_vec();
        let (outer, inner) = shape.split_at(axis);
        let [outer, inner]: [usize; 2] = [outer.iter().product(), inner.iter().product()];
        let repeated = tiled.reshape([outer, 1, inner]).broadcast([outer, count, inner]);
        let mut shape = shape;
        shape[axis] = shape[axis].saturating_mul(count);
        tiled = repeated.reshape(shape);
    }
    Ok(tiled)
}

/// A constant, in any of the forms that its attributes have.
pub(crate) fn constant(call: &Call<'_>) -> Outs {
    if let Some((element, tensor)) = call.tensor("value")? {
        return one(Value::known(element, tensor));
    }
    let float = |values: &[f32], shape: Shape| {
        let data = brolga_ir::Data::F32(values.to_vec());
        crate::call::known(ElementType::F32, shape, data)
    };
    let ints = |values: &[i64], shape: Shape| {
        let data = brolga_ir::Data::I64(values.to_vec());
        crate::call::known(ElementType::I64, shape, data)
    };
    let attribute = |name: &str| call.attribute(name);
    one(if let Some(value) = attribute("value_float") {
        float(&[value.f], Shape::scalar())
    } else if let Some(value) = attribute("value_floats") {
        float(&value.floats, [value.floats.len()].into())
    } else if let Some(value) = attribute("value_int") {
        ints(&[value.i], Shape::scalar())
    } else if let Some(value) = attribute("value_ints") {
        ints(&value.ints, [value.ints.len()].into())
    } else {
        return mistake(
            "the constant has no value that is read",
            "texts and sparse tensors are not read",
        );
    })
}

/// The same value everywhere, in a shape that is an operand.
pub(crate) fn constant_of_shape(call: &Call<'_>) -> Outs {
    let shape = extents(&call.ints_of(0)?, "an extent")?;
    let (element, value) = match call.tensor("value")? {
        Some(value) => value,
        None => (ElementType::F32, Tensor::scalar(DType::F32, 0.0)),
    };
    if value.shape().elements() != 1 {
        return mistake(
            format!("`value` has {} elements", value.shape().elements()),
            "it is one element, which is repeated",
        );
    }
    let one_value = call.tracer().constant(value).reshape(Shape::scalar());
    one(Value::traced(element, one_value.broadcast(shape)))
}

/// Numbers from a start up to a limit, in steps.
pub(crate) fn range(call: &Call<'_>) -> Outs {
    let dtype = call.known(0)?.dtype();
    let [start, limit, step] = [call.floats_of(0)?, call.floats_of(1)?, call.floats_of(2)?]
        .map(|values| values.first().copied().unwrap_or_default());
    let count = ((limit - start) / step).ceil().max(0.0);
    if !count.is_finite() || count > brolga_ir::types::MAX_BYTES as f64 {
        return mistake(
            format!("from {start} to {limit} in steps of {step}"),
            "the step is not 0, and the range is finite",
        );
    }
    let wide = if dtype == DType::I64 { DType::I64 } else { DType::F64 };
    let numbers = call.tracer().iota(Type::new(wide, [count as usize]), 0);
    one((numbers * step + start).cast(dtype))
}

/// Ones on a diagonal of a matrix with the shape of the operand.
pub(crate) fn eye_like(call: &Call<'_>) -> Outs {
    let shape = shape_of(call)?;
    if shape.rank() != 2 {
        return mistake(format!("the operand has the shape {shape}"), "it is a matrix");
    }
    let element = match call.attribute("dtype") {
        Some(code) => crate::tensor::element(code.i)?,
        None => call.element(0)?,
    };
    let dtype = crate::tensor::storage(element)?;
    let index = |axis: usize| call.tracer().iota(Type::new(DType::I64, shape.clone()), axis);
    let diagonal = call.scalar(DType::I64, call.int("k", 0) as f64);
    one(Value::traced(element, (index(0) + diagonal).eq(&index(1)).cast(dtype)))
}

/// The upper or the lower triangle of matrices, zeros elsewhere.
pub(crate) fn trilu(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let k = if call.has(1) { call.int_of(1)? } else { 0 };
    let rank = x.shape().rank();
    if rank < 2 {
        return mistake(format!("the operand is {}", x.ty()), "it is a matrix, or several");
    }
    let index = |axis: usize| {
        let matrix: Vec<usize> = x.shape()[rank - 2..].to_vec();
        call.tracer().iota(Type::new(DType::I64, matrix), axis)
    };
    let k = k.clamp(-(1 << 47), 1 << 47);
    let diagonal = index(0) + call.scalar(DType::I64, k as f64);
    let column = index(1);
    let kept = if call.flag("upper", true) { column.ge(&diagonal) } else { column.le(&diagonal) };
    one(kept.select(&x, &x.constant_like(0.0)))
}

/// Depth that becomes blocks of pixels: [b, c, h, w] to [b, c / s², h · s, w · s].
pub(crate) fn depth_to_space(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let (s, [b, c, h, w]) = (extent(call.int("blocksize", 0), "`blocksize`")?, images(&x)?);
    let mode = call.text("mode", "DCR")?;
    let parts = match (s.checked_mul(s), mode) {
        (Some(blocks), _) if blocks == 0 || !c.is_multiple_of(blocks) => None,
        (Some(blocks), "DCR") => Some(([b, s, s, c / blocks, h, w], [0, 3, 4, 1, 5, 2])),
        (Some(blocks), "CRD") => Some(([b, c / blocks, s, s, h, w], [0, 1, 4, 2, 5, 3])),
        _ => None,
    };
    let Some((split, permutation)) = parts else {
        return mistake(
            format!("blocks of {s} of {}, `mode` {mode:?}", x.ty()),
            "the channels are a multiple of the block's pixels, the mode is \"DCR\" or \"CRD\"",
        );
    };
    let moved = x.reshape(split).transpose(&permutation);
    one(moved.reshape([b, c / (s * s), h * s, w * s]))
}

/// Blocks of pixels that become depth: [b, c, h, w] to [b, c · s², h / s, w / s].
pub(crate) fn space_to_depth(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let (s, [b, c, h, w]) = (extent(call.int("blocksize", 0), "`blocksize`")?, images(&x)?);
    let fits = (1..=h.min(w).max(1)).contains(&s) && h.is_multiple_of(s) && w.is_multiple_of(s);
    let orders = match call.text("mode", "DCR")? {
        "DCR" => Some([0, 3, 5, 1, 2, 4]),
        "CRD" => Some([0, 1, 3, 5, 2, 4]),
        _ => None,
    };
    let Some(permutation) = orders.filter(|_| fits) else {
        return mistake(
            format!("blocks of {s} of {}", x.ty()),
            "height and width are multiples of the block, the mode is \"DCR\" or \"CRD\"",
        );
    };
    let moved = x.reshape([b, c, h / s, s, w / s, s]).transpose(&permutation);
    one(moved.reshape([b, c * s * s, h / s, w / s]))
}

/// The extents of images [batch, channels, height, width].
pub(crate) fn images(x: &Var) -> Result<[usize; 4], Fault> {
    match <[usize; 4]>::try_from(&**x.shape()) {
        Ok(extents) => Ok(extents),
        Err(_) => mistake(
            format!("the operand is {}", x.ty()),
            "it is images: [batch, channels, height, width]",
        ),
    }
}
