//! The table of ops: what each op of the IR is in ONNX.

use brolga_ir::ops::{Constant, Iota, Pooling};
use brolga_ir::{DType, Data, Node, NodeId, Op, Tensor, Type, Value};

use super::batch::{Extent, depends};
use super::emit::{Emit, Stored, channels_first, channels_last};
use super::error::ExportError;
use super::recurrent;
use super::writer::{Attribute, attribute, proto, smallest_normal};
use crate::element::ElementType;
use crate::proto::AttributeProto;

type Done = Result<(), ExportError>;

/// Writes a node.
pub(super) fn node<'g>(e: &mut Emit<'g, '_>, id: NodeId, nodes: [&'g Node; 2]) -> Done {
    let [node, other] = nodes;
    let same = node.op == other.op;
    match &node.op {
        Op::Neg(_) => elementwise(e, id, "Neg"),
        Op::Add(_) => elementwise(e, id, "Add"),
        Op::Sub(_) => elementwise(e, id, "Sub"),
        Op::Mul(_) => elementwise(e, id, "Mul"),
        Op::Div(_) => elementwise(e, id, "Div"),
        Op::Relu(_) => elementwise(e, id, "Relu"),
        Op::Exp(_) => elementwise(e, id, "Exp"),
        Op::Log(_) => elementwise(e, id, "Log"),
        Op::Sqrt(_) => elementwise(e, id, "Sqrt"),
        Op::Erf(_) => elementwise(e, id, "Erf"),
        Op::Tanh(_) => elementwise(e, id, "Tanh"),
        Op::Sigmoid(_) => elementwise(e, id, "Sigmoid"),
        Op::Pow(_) => elementwise(e, id, "Pow"),
        Op::Abs(_) => elementwise(e, id, "Abs"),
        Op::Sign(_) => elementwise(e, id, "Sign"),
        Op::Floor(_) => elementwise(e, id, "Floor"),
        Op::Max(_) => elementwise(e, id, "Max"),
        Op::Min(_) => elementwise(e, id, "Min"),
        Op::Lt(_) => elementwise(e, id, "Less"),
        Op::Le(_) => elementwise(e, id, "LessOrEqual"),
        Op::Gt(_) => elementwise(e, id, "Greater"),
        Op::Ge(_) => elementwise(e, id, "GreaterOrEqual"),
        Op::Eq(_) => elementwise(e, id, "Equal"),
        Op::And(_) => elementwise(e, id, "And"),
        Op::Or(_) => elementwise(e, id, "Or"),
        Op::Not(_) => elementwise(e, id, "Not"),
        Op::Select(_) => elementwise(e, id, "Where"),
        Op::StopGradient(_) => {
            let stored = e.stored(e.operands(id)[0]);
            e.give(id, stored);
            Ok(())
        }
        Op::Ne(_) => chain(e, id, &["Equal", "Not"]),
        Op::Rsqrt(_) => rsqrt(e, id),
        Op::Flush(_) => flush(e, id),
        Op::Cast(cast) => {
            let to = ElementType::of_dtype(cast.dtype).code();
            let to = attribute("to", Attribute::Int(to.into()));
            elementwise_with(e, id, "Cast", vec![to])
        }
        Op::Parameter(_) => Ok(()),
        Op::Constant(constant) => self::constant(e, id, constant, nodes),
        Op::Iota(iota) => self::iota(e, id, iota),
        Op::Broadcast(_) => broadcast(e, id),
        Op::Reshape(_) => {
            let extents = e.ty(id)?.extents;
            let x = plain(e, id, 0)?;
            let y = e.reshaped(&x, &extents);
            e.done(id, y)
        }
        Op::Transpose(transpose) if same => {
            let permutation = transpose.permutation.iter().map(|&axis| axis as i64).collect();
            self::transpose(e, id, permutation)
        }
        Op::Reverse(reverse) if same => {
            let ends = reverse.axes.iter().map(|&axis| Part {
                axis,
                start: -1,
                end: i64::MIN,
                stride: -1,
            });
            sliced(e, id, ends.collect())
        }
        Op::Slice(_) => slice(e, id, nodes),
        Op::Pad(pad) if same => {
            let pads = pad.low.iter().chain(&pad.high).map(|&count| count as i64).collect();
            self::pad(e, id, pads)
        }
        Op::Concat(concat) if same => self::concat(e, id, concat.axis),
        Op::ReduceSum(op) if same => reduce(e, id, "ReduceSum", &op.axes, op.keepdims),
        Op::ReduceMean(op) if same => reduce(e, id, "ReduceMean", &op.axes, op.keepdims),
        Op::ReduceMax(op) if same => reduce(e, id, "ReduceMax", &op.axes, op.keepdims),
        Op::ReduceMin(op) if same => reduce(e, id, "ReduceMin", &op.axes, op.keepdims),
        Op::Argmax(op) if same => {
            let x = plain(e, id, 0)?;
            let attributes = vec![int("axis", op.axis), int("keepdims", op.keepdims.into())];
            let index = e.op("ArgMax", &[&x], attributes);
            let index = cast(e, &index, DType::I32);
            e.done(id, index)
        }
        Op::Cumsum(op) if same => {
            let (x, axis) = (plain(e, id, 0)?, e.w.scalar(DType::I64, op.axis as f64));
            let attributes =
                vec![int("exclusive", op.exclusive.into()), int("reverse", op.reverse.into())];
            let y = e.op("CumSum", &[&x, &axis], attributes);
            e.done(id, y)
        }
        Op::Sort(op) if same => sort(e, id, op.axis, op.descending),
        Op::Matmul(op) if same => matmul(e, id, op.transpose_a, op.transpose_b),
        Op::Conv(op) if same => {
            let (x, filter) = (operand_images(e, id, 0)?, plain(e, id, 1)?);
            let filter = filter_first(e, id, &filter)?;
            let attributes = window(&op.conv.window, op.conv.groups);
            let y = e.op("Conv", &[&x, &filter], attributes);
            e.done_in(id, y, true);
            Ok(())
        }
        Op::ConvGradInput(_) if same => conv_transpose(e, id, node),
        Op::MaxPool(op) if same => pool(e, id, "MaxPool", &op.pool, vec![]),
        Op::AvgPool(op) if same => {
            let include = int("count_include_pad", op.count_include_pad.into());
            pool(e, id, "AveragePool", &op.pool, vec![include])
        }
        Op::Gather(_) => gather(e, id),
        Op::ScatterAdd(op) if same => scatter_add(e, id, op.rows),
        Op::OneHot(op) if same => one_hot(e, id, op.depth, op.dtype),
        Op::Attention(op) if same => {
            let [few, more] = e.both.operand_types(id)?;
            let formula = |types: &[Type]| op.formula(types).map_err(ExportError::Batch);
            e.inline(id, [&formula(&few)?, &formula(&more)?])
        }
        Op::Call(call) => {
            let Op::Call(twin) = &other.op else { return Err(depends(node)) };
            e.inline(id, [&call.function, &twin.function])
        }
        Op::CustomGradient(call) => {
            let Op::CustomGradient(twin) = &other.op else { return Err(depends(node)) };
            e.inline(id, [call.function(), twin.function()])
        }
        Op::Scan(scan) => {
            let Op::Scan(twin) = &other.op else { return Err(depends(node)) };
            recurrent::scan(e, id, [scan, twin])
        }
        Op::AttentionGrad(_)
        | Op::ConvGradFilter(_)
        | Op::RunSums(_)
        | Op::UpdateRows(_)
        | Op::WhileLoop(_)
        | Op::MaxPoolIndex(_)
        | Op::MaxUnpool(_)
        | Op::MaxPoolGather(_)
        | Op::AvgPoolGrad(_)
        | Op::RandomBits(_)
        | Op::RandomUniform(_)
        | Op::RandomBernoulli(_)
        | Op::Kernel(_) => e.unknown(node),
        _ => Err(depends(node)),
    }
}

/// An attribute that is a number of something.
fn int(name: &str, value: usize) -> AttributeProto {
    attribute(name, Attribute::Int(value as i64))
}

/// An attribute that is a list.
fn ints(name: &str, values: impl IntoIterator<Item = usize>) -> AttributeProto {
    let values = values.into_iter().map(|value| value as i64);
    attribute(name, Attribute::Ints(values.collect()))
}

/// An operand in the order that the graph has.
fn plain(e: &mut Emit<'_, '_>, id: NodeId, slot: usize) -> Result<String, ExportError> {
    e.plain(e.operands(id)[slot])
}

/// An operand with its channels first.
fn operand_images(e: &mut Emit<'_, '_>, id: NodeId, slot: usize) -> Result<String, ExportError> {
    e.images(e.operands(id)[slot])
}

fn cast(e: &mut Emit<'_, '_>, x: &str, dtype: DType) -> String {
    let to = ElementType::of_dtype(dtype).code();
    e.op("Cast", &[x], vec![attribute("to", Attribute::Int(to.into()))])
}

fn elementwise(e: &mut Emit<'_, '_>, id: NodeId, op: &str) -> Done {
    elementwise_with(e, id, op, vec![])
}

fn elementwise_with(
    e: &mut Emit<'_, '_>,
    id: NodeId,
    op: &str,
    attributes: Vec<AttributeProto>,
) -> Done {
    let (names, images) = e.elements(id)?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let y = e.op(op, &names, attributes);
    e.done_in(id, y, images);
    Ok(())
}

/// One op, and others of its result.
fn chain(e: &mut Emit<'_, '_>, id: NodeId, ops: &[&str]) -> Done {
    let (mut names, images) = e.elements(id)?;
    for op in ops {
        let operands: Vec<&str> = names.iter().map(String::as_str).collect();
        names = vec![e.op(op, &operands, vec![])];
    }
    e.done_in(id, names.swap_remove(0), images);
    Ok(())
}

/// The root and its reciprocal; of halves both are computed in `f32`, and rounded once.
fn rsqrt(e: &mut Emit<'_, '_>, id: NodeId) -> Done {
    let (names, images) = e.elements(id)?;
    let dtype = e.ty(id)?.dtype;
    let is_half = dtype != dtype.accumulator();
    let x = if is_half { cast(e, &names[0], dtype.accumulator()) } else { names[0].clone() };
    let root = e.op("Sqrt", &[&x], vec![]);
    let y = e.op("Reciprocal", &[&root], vec![]);
    let y = if is_half { cast(e, &y, dtype) } else { y };
    e.done_in(id, y, images);
    Ok(())
}

/// 0 where |x| is below the smallest normal number, x elsewhere.
fn flush(e: &mut Emit<'_, '_>, id: NodeId) -> Done {
    let (names, images) = e.elements(id)?;
    let dtype = e.ty(id)?.dtype;
    let (limit, zero) = (e.w.constant(&smallest_normal(dtype)), e.w.scalar(dtype, 0.0));
    let size = e.op("Abs", &[&names[0]], vec![]);
    let below = e.op("Less", &[&size, &limit], vec![]);
    let y = e.op("Where", &[&below, &zero, &names[0]], vec![]);
    e.done_in(id, y, images);
    Ok(())
}

/// The most elements of one value that are written out one by one.
const MAX_COPIES: usize = 64;

fn constant(e: &mut Emit<'_, '_>, id: NodeId, constant: &Constant, nodes: [&Node; 2]) -> Done {
    let Op::Constant(twin) = &nodes[1].op else { return Err(depends(nodes[0])) };
    if constant.value() != twin.value() {
        return Err(depends(nodes[0]));
    }
    let ty = e.ty(id)?;
    let copies = constant.value().len() == 1;
    match ty.fixed() {
        Some(shape) if !copies || shape.iter().product::<usize>() <= MAX_COPIES => {
            let name = e.w.constant(&constant.tensor());
            e.done(id, name)
        }
        _ => {
            let one = Tensor::new([1], constant.value().clone());
            let Some(one) = one else { return Err(depends(nodes[0])) };
            let shape = e.shape(&ty.extents);
            let value = attribute("value", Attribute::Tensor(proto("", &one)));
            let y = e.op("ConstantOfShape", &[&shape], vec![value]);
            e.done(id, y)
        }
    }
}

/// Indices along one axis, repeated along the others.
fn iota(e: &mut Emit<'_, '_>, id: NodeId, iota: &Iota) -> Done {
    let ty = e.ty(id)?;
    let Some(&extent) = ty.extents.get(iota.axis) else { return e.unknown(e.producer(id.into())) };
    let mut line = vec![Extent::Fixed(1); ty.rank()];
    line[iota.axis] = extent;
    let line_name = match extent {
        Extent::Fixed(count) => {
            let numbers: Vec<f64> = (0..count).map(|at| at as f64).collect();
            let shape: Vec<usize> = line.iter().map(|e| e.fixed().unwrap_or(1)).collect();
            let data = Data::from_f64(ty.dtype, &numbers);
            match Tensor::new(shape, data) {
                Some(tensor) => e.w.constant(&tensor),
                None => return e.unknown(e.producer(id.into())),
            }
        }
        Extent::Batch(times) => {
            let count = e.w.samples(times);
            let scalar = e.w.ints(&[]);
            let limit = e.op("Reshape", &[&count, &scalar], vec![]);
            let (zero, one) = (e.w.scalar(DType::I64, 0.0), e.w.scalar(DType::I64, 1.0));
            let range = e.op("Range", &[&zero, &limit, &one], vec![]);
            let range = if ty.dtype == DType::I64 { range } else { cast(e, &range, ty.dtype) };
            e.reshaped(&range, &line)
        }
    };
    let y = if line == ty.extents { line_name } else { expand(e, &line_name, &ty.extents) };
    e.done(id, y)
}

fn expand(e: &mut Emit<'_, '_>, x: &str, extents: &[Extent]) -> String {
    let shape = e.shape(extents);
    e.op("Expand", &[x, &shape], vec![])
}

fn broadcast(e: &mut Emit<'_, '_>, id: NodeId) -> Done {
    let operand = e.operands(id)[0];
    let (from, to) = (e.ty(operand)?, e.ty(id)?);
    let x = e.plain(operand)?;
    // Axes that stay need no extent: 1 keeps that of the operand.
    let added = to.rank() - from.rank();
    let asked = |(axis, extent): (usize, &Extent)| match axis.checked_sub(added) {
        Some(own) if from.extents[own] == *extent => Extent::Fixed(1),
        _ => *extent,
    };
    let asked: Vec<Extent> = to.extents.iter().enumerate().map(asked).collect();
    let y = if from == to { x } else { expand(e, &x, &asked) };
    let mut stored = Stored::plain(y);
    stored.single = from.is_single().then_some(operand);
    e.give(id, stored);
    Ok(())
}

fn transpose(e: &mut Emit<'_, '_>, id: NodeId, permutation: Vec<i64>) -> Done {
    let operand = e.operands(id)[0];
    let rank = permutation.len();
    let images = (3..=5).contains(&rank);
    if images && permutation == channels_first(rank) && (rank > 3 || e.is_images(operand)) {
        let name = e.images(operand)?;
        return e.done(id, name);
    }
    if images && permutation == channels_last(rank) {
        let name = e.plain(operand)?;
        e.done_in(id, name, true);
        return Ok(());
    }
    let x = e.plain(operand)?;
    let y = e.transposed(&x, permutation);
    e.done(id, y)
}

/// The place of an axis in images whose channels are first.
fn place(axis: usize, rank: usize, images: bool) -> usize {
    match axis {
        axis if !images || axis == 0 => axis,
        axis if axis + 1 == rank => 1,
        axis => axis + 1,
    }
}

/// The first operand, in the order in which it exists, and whether its channels are first.
fn as_it_is(e: &mut Emit<'_, '_>, id: NodeId) -> Result<(String, bool), ExportError> {
    let operand = e.operands(id)[0];
    let images = e.is_images(operand);
    Ok((if images { e.images(operand)? } else { e.plain(operand)? }, images))
}

/// What is taken of an axis.
struct Part {
    axis: usize,
    start: i64,
    end: i64,
    stride: i64,
}

fn sliced(e: &mut Emit<'_, '_>, id: NodeId, parts: Vec<Part>) -> Done {
    let rank = e.ty(id)?.rank();
    let (x, images) = as_it_is(e, id)?;
    if parts.is_empty() {
        e.done_in(id, x, images);
        return Ok(());
    }
    let mut list =
        |value: &dyn Fn(&Part) -> i64| e.w.ints(&parts.iter().map(value).collect::<Vec<_>>());
    let starts = list(&|part| part.start);
    let ends = list(&|part| part.end);
    let axes = list(&|part| place(part.axis, rank, images) as i64);
    let strides = list(&|part| part.stride);
    let y = e.op("Slice", &[&x, &starts, &ends, &axes, &strides], vec![]);
    e.done_in(id, y, images);
    Ok(())
}

fn slice(e: &mut Emit<'_, '_>, id: NodeId, [node, other]: [&Node; 2]) -> Done {
    let (Op::Slice(slice), Op::Slice(twin)) = (&node.op, &other.op) else {
        return Err(depends(node));
    };
    if slice.starts != twin.starts || slice.strides != twin.strides {
        return Err(depends(node));
    }
    let operand = e.ty(e.operands(id)[0])?;
    let mut parts = Vec::new();
    for (axis, extent) in operand.extents.iter().enumerate() {
        let (start, stride) = (slice.starts[axis] as i64, slice.strides[axis] as i64);
        let limits = [slice.limits[axis], twin.limits[axis]];
        let whole = match *extent {
            Extent::Fixed(extent) => limits == [extent; 2],
            Extent::Batch(times) => limits == super::batch::BATCHES.map(|batch| batch * times),
        };
        let end = match limits {
            _ if whole => i64::MAX,
            [limit, other] if limit == other => limit as i64,
            _ => return Err(depends(node)),
        };
        if start != 0 || stride != 1 || !whole {
            parts.push(Part { axis, start, end, stride });
        }
    }
    sliced(e, id, parts)
}

fn pad(e: &mut Emit<'_, '_>, id: NodeId, pads: Vec<i64>) -> Done {
    let rank = pads.len() / 2;
    let (x, images) = as_it_is(e, id)?;
    let order: Vec<usize> = match images {
        true => channels_first(rank).into_iter().map(|axis| axis as usize).collect(),
        false => (0..rank).collect(),
    };
    let pads: Vec<i64> = order
        .iter()
        .map(|&axis| pads[axis])
        .chain(order.iter().map(|&axis| pads[rank + axis]))
        .collect();
    let pads = e.w.ints(&pads);
    let y = e.op("Pad", &[&x, &pads], vec![]);
    e.done_in(id, y, images);
    Ok(())
}

fn concat(e: &mut Emit<'_, '_>, id: NodeId, axis: usize) -> Done {
    let rank = e.ty(id)?.rank();
    let operands = e.operands(id);
    let images = operands.iter().any(|&operand| e.is_images(operand));
    let mut names = Vec::new();
    for operand in operands {
        names.push(if images { e.images(operand)? } else { e.plain(operand)? });
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let y = e.op("Concat", &names, vec![int("axis", place(axis, rank, images))]);
    e.done_in(id, y, images);
    Ok(())
}

/// Reductions are over the order that the graph has, which is that of the arithmetic.
fn reduce(e: &mut Emit<'_, '_>, id: NodeId, op: &str, axes: &[usize], keepdims: bool) -> Done {
    let x = plain(e, id, 0)?;
    if axes.is_empty() {
        // A sum of one number starts at +0.
        let dtype = e.ty(id)?.dtype;
        let y = match op {
            "ReduceSum" => {
                let zero = e.w.scalar(dtype, 0.0);
                e.op("Add", &[&x, &zero], vec![])
            }
            _ => x,
        };
        return e.done(id, y);
    }
    let keepdims = int("keepdims", keepdims.into());
    // Sums take their axes as an operand since opset 13, the others since 18.
    let y = if op == "ReduceSum" || e.w.opset >= 18 {
        let axes = e.w.ints(&axes.iter().map(|&axis| axis as i64).collect::<Vec<_>>());
        e.op(op, &[&x, &axes], vec![keepdims])
    } else {
        e.op(op, &[&x], vec![ints("axes", axes.iter().copied()), keepdims])
    };
    e.done(id, y)
}

fn sort(e: &mut Emit<'_, '_>, id: NodeId, axis: usize, descending: bool) -> Done {
    let ty = e.ty(id)?;
    let x = plain(e, id, 0)?;
    let count = e.shape(&ty.extents[axis..=axis]);
    let attributes = vec![int("axis", axis), int("largest", descending.into())];
    let [values, indices] = e.ops("TopK", &[&x, &count], attributes);
    let indices = cast(e, &indices, DType::I32);
    e.give(id, Stored::plain(values));
    e.give(Value { node: id, port: 1 }, Stored::plain(indices));
    Ok(())
}

fn matmul(e: &mut Emit<'_, '_>, id: NodeId, transpose_a: bool, transpose_b: bool) -> Done {
    let ty = e.ty(id)?;
    let (a, b) = (plain(e, id, 0)?, plain(e, id, 1)?);
    let rank = ty.rank();
    if rank == 2 && ty.dtype.is_float() && (transpose_a || transpose_b) {
        let flags = vec![int("transA", transpose_a.into()), int("transB", transpose_b.into())];
        let y = e.op("Gemm", &[&a, &b], flags);
        return e.done(id, y);
    }
    let mut exchanged = |name: String, flag: bool| match flag {
        true => {
            let last = rank as i64 - 1;
            e.transposed(&name, (0..last - 1).chain([last, last - 1]).collect())
        }
        false => name,
    };
    let (a, b) = (exchanged(a, transpose_a), exchanged(b, transpose_b));
    let y = e.op("MatMul", &[&a, &b], vec![]);
    e.done(id, y)
}

/// A filter [spatial.., channels, filters] as [filters, channels, spatial..].
fn filter_first(e: &mut Emit<'_, '_>, id: NodeId, filter: &str) -> Result<String, ExportError> {
    let rank = e.ty(id)?.rank() as i64;
    Ok(e.transposed(filter, [rank - 1, rank - 2].into_iter().chain(0..rank - 2).collect()))
}

/// The attributes of a convolution.
fn window(window: &brolga_ir::ops::window::Window, groups: usize) -> Vec<AttributeProto> {
    vec![
        ints("strides", window.strides.iter().copied()),
        ints("dilations", window.dilation.iter().copied()),
        pads(&window.padding),
        int("group", groups),
    ]
}

fn pads(padding: &[[usize; 2]]) -> AttributeProto {
    let sides = [0, 1].map(|side| padding.iter().map(move |around| around[side]));
    ints("pads", sides.into_iter().flatten())
}

/// The gradient of a convolution by its images: a transposed convolution.
fn conv_transpose(e: &mut Emit<'_, '_>, id: NodeId, node: &Node) -> Done {
    let Op::ConvGradInput(op) = &node.op else { return e.unknown(node) };
    let (dy, filter) = (operand_images(e, id, 0)?, plain(e, id, 1)?);
    let operands = e.operands(id);
    let (small, taps) = (e.ty(operands[0])?, e.ty(operands[1])?);
    let filter = filter_first(e, id, &filter)?;
    let steps = &op.conv.window;
    let more = |axis: usize| {
        let small = small.extents[axis + 1].fixed()?;
        let span = (taps.extents[axis].fixed()? - 1) * steps.dilation[axis] + 1;
        let whole = small.checked_sub(1)? * steps.strides[axis] + span;
        (op.input[axis] + steps.padding[axis].iter().sum::<usize>()).checked_sub(whole)
    };
    let more: Option<Vec<usize>> = (0..op.input.len()).map(more).collect();
    let Some(more) = more else { return Err(depends(node)) };
    let mut attributes = window(steps, op.conv.groups);
    attributes.push(ints("output_padding", more));
    let y = e.op("ConvTranspose", &[&dy, &filter], attributes);
    e.done_in(id, y, true);
    Ok(())
}

fn pool(
    e: &mut Emit<'_, '_>,
    id: NodeId,
    op: &str,
    pool: &Pooling,
    mut attributes: Vec<AttributeProto>,
) -> Done {
    let x = operand_images(e, id, 0)?;
    attributes.push(ints("kernel_shape", pool.window.iter().copied()));
    attributes.push(ints("strides", pool.strides.iter().copied()));
    attributes.push(pads(&pool.padding));
    let y = e.op(op, &[&x], attributes);
    e.done_in(id, y, true);
    Ok(())
}

/// Indices as `i64`, and whether each is one of `rows`; `None` where all are.
fn guarded(
    e: &mut Emit<'_, '_>,
    operand: Value,
    rows: Extent,
) -> Result<(String, Option<String>), ExportError> {
    let name = e.plain(operand)?;
    let ty = e.ty(operand)?;
    let known = match (&e.producer(operand).op, rows) {
        (Op::Constant(constant), Extent::Fixed(rows)) => {
            let inside = |&index: &f64| index >= 0.0 && index < rows as f64;
            constant.value().to_f64().iter().all(inside)
        }
        (Op::Iota(iota), Extent::Fixed(rows)) => {
            iota.ty.shape.get(iota.axis).is_some_and(|&extent| extent <= rows)
                && ty.fixed().is_some()
        }
        _ => false,
    };
    let wide = match ty.dtype {
        DType::I64 => name,
        _ => cast(e, &name, DType::I64),
    };
    if known {
        return Ok((wide, None));
    }
    let count = match rows {
        Extent::Fixed(rows) => e.w.scalar(DType::I64, rows as f64),
        Extent::Batch(times) => e.w.samples(times),
    };
    let zero = e.w.scalar(DType::I64, 0.0);
    let low = e.op("GreaterOrEqual", &[&wide, &zero], vec![]);
    let high = e.op("Less", &[&wide, &count], vec![]);
    let inside = e.op("And", &[&low, &high], vec![]);
    Ok((wide, Some(inside)))
}

/// Rows of a table; those out of range are zeros.
fn gather(e: &mut Emit<'_, '_>, id: NodeId) -> Done {
    let operands = e.operands(id);
    let (table, own, result) = (e.ty(operands[0])?, e.ty(operands[1])?, e.ty(id)?);
    let rows = e.plain(operands[0])?;
    let (indices, inside) = guarded(e, operands[1], table.extents[0])?;
    let axis = || vec![int("axis", 0)];
    let Some(inside) = inside else {
        let y = e.op("Gather", &[&rows, &indices], axis());
        return e.done(id, y);
    };
    if table.extents[0] == Extent::Fixed(0) {
        let zero = e.w.scalar(table.dtype, 0.0);
        let y = expand(e, &zero, &result.extents);
        return e.done(id, y);
    }
    let zero = e.w.scalar(DType::I64, 0.0);
    let safe = e.op("Where", &[&inside, &indices, &zero], vec![]);
    let taken = e.op("Gather", &[&rows, &safe], axis());
    let inside = with_axes(e, &inside, own.rank(), result.rank() - own.rank());
    let nothing = e.w.scalar(table.dtype, 0.0);
    let y = e.op("Where", &[&inside, &taken, &nothing], vec![]);
    e.done(id, y)
}

/// A tensor with more axes of extent 1 at its end.
fn with_axes(e: &mut Emit<'_, '_>, x: &str, rank: usize, more: usize) -> String {
    if more == 0 {
        return x.to_owned();
    }
    let axes = e.w.ints(&(rank..rank + more).map(|axis| axis as i64).collect::<Vec<_>>());
    e.op("Unsqueeze", &[x, &axes], vec![])
}

/// Updates added to rows of zeros; those out of range go to one more row, which is cut off.
fn scatter_add(e: &mut Emit<'_, '_>, id: NodeId, rows: usize) -> Done {
    let operands = e.operands(id);
    // The operands are indices and updates.
    let (own, result) = (e.ty(operands[0])?, e.ty(id)?);
    let updates = e.plain(operands[1])?;
    let (indices, inside) = guarded(e, operands[0], Extent::Fixed(rows))?;
    let spare = e.w.scalar(DType::I64, rows as f64);
    let place = match inside {
        Some(inside) => e.op("Where", &[&inside, &indices, &spare], vec![]),
        None => indices,
    };
    let place = with_axes(e, &place, own.rank(), 1);
    let mut wide = result.extents.clone();
    wide[0] = Extent::Fixed(rows + 1);
    let zero = e.w.scalar(result.dtype, 0.0);
    let zeros = expand(e, &zero, &wide);
    let reduction = vec![attribute("reduction", Attribute::Text("add"))];
    let sums = e.op("ScatterND", &[&zeros, &place, &updates], reduction);
    let (start, end) = (e.w.ints(&[0]), e.w.ints(&[rows as i64]));
    let y = e.op("Slice", &[&sums, &start, &end, &start], vec![]);
    e.done(id, y)
}

/// Whether the index of each place on the last axis is the one asked for.
fn one_hot(e: &mut Emit<'_, '_>, id: NodeId, depth: usize, dtype: DType) -> Done {
    let operand = e.operands(id)[0];
    let ty = e.ty(operand)?;
    let indices = e.plain(operand)?;
    let indices = if ty.dtype == DType::I64 { indices } else { cast(e, &indices, DType::I64) };
    let indices = with_axes(e, &indices, ty.rank(), 1);
    let classes = e.w.ints(&(0..depth as i64).collect::<Vec<_>>());
    let hot = e.op("Equal", &[&indices, &classes], vec![]);
    let y = if dtype == DType::Bool { hot } else { cast(e, &hot, dtype) };
    e.done(id, y)
}
