//! The part that all elementwise ops share: broadcasting, the choice of lanes, the loop of the
//! reference evaluation.

use half::{bf16, f16};
use serde::de::DeserializeOwned;
use smallvec::SmallVec;

use super::offsets::strided_offsets;
use crate::draw::{Pen, without_attributes};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes, ScalarF32, ScalarF64, Width};
use crate::loops::{Buffer, Number, Writer};
use crate::op::{Cost, Family, Named, Operation, Types, Vjp, wrong_count};
use crate::tensor::{Data, Tensor};
use crate::trace::Var;
use crate::types::{DType, Shape, Type};

/// An op whose result at each index depends on its operands at that index alone.
///
/// Operands are broadcast to a common shape by NumPy's rule. The program [`Elementwise::emit`] is
/// the op's meaning: the interpreter runs it on scalars, code generation records it. `f64` and
/// `i64` are computed in 64-bit lanes, everything else in 32-bit ones; `bf16` and `f16` are
/// widened, and each result is rounded.
pub trait Elementwise: Named {
    /// The number of operands.
    const ARITY: usize;
    /// The time it takes.
    const COST: Cost;

    /// The element type of the result.
    ///
    /// # Errors
    /// If the op is not defined for these element types.
    fn result(&self, operands: &[DType]) -> Result<DType, Mistake>;

    /// The program for one element; as many arguments as operands.
    fn emit<L: Lanes>(&self, lanes: &mut L, args: &[Lane<L>]) -> Lane<L>;

    /// The gradient rule, as [`Operation::vjp`]. The driver undoes broadcasting.
    ///
    /// # Errors
    /// If the op cannot be differentiated.
    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake>;

    /// The program on registers of scalar loops, in the lanes of the reference evaluation.
    fn scalar(&self, w: &mut Writer, args: &[Number]) -> Number {
        let wide = args.iter().any(|arg| arg.scalar.width() == Width::W64);
        let mut lanes = w.lanes(if wide { Width::W64 } else { Width::W32 });
        let args: SmallVec<[_; 3]> = args.iter().map(|arg| arg.lane()).collect();
        Number::of(self.emit(&mut lanes, &args))
    }

    /// The op with attributes drawn at random. One that has none needs no program of its own.
    fn draw_attributes(_: &mut Pen) -> Option<Self>
    where
        Self: Sized + DeserializeOwned,
    {
        without_attributes()
    }

    /// The reference evaluation. Ops that convert between 32 and 64 bits have their own.
    fn evaluate(&self, operands: &[&Tensor], result: &Type) -> Tensor
    where
        Self: Sized,
    {
        let wide = operands.iter().any(|t| matches!(t.dtype(), DType::F64 | DType::I64));
        if wide {
            run(&|lanes, args| self.emit(lanes, args), &mut ScalarF64, operands, result)
        } else {
            run(&|lanes, args| self.emit(lanes, args), &mut ScalarF32, operands, result)
        }
    }
}

impl<E: Elementwise> Operation for E {
    fn family(&self) -> Family<'_> {
        Family::Elementwise(E::COST)
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        infer(E::NAME, E::ARITY, &|dtypes| self.result(dtypes), operands)
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        vec![Elementwise::evaluate(self, operands, &results[0])]
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        map(w, operands, results[0], &|w, args| self.scalar(w, args));
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Elementwise::vjp(self, node)
    }
}

/// One loop over the result, each element made by `scalar`.
fn map(
    w: &mut Writer,
    operands: &[Buffer],
    result: Buffer,
    scalar: &dyn Fn(&mut Writer, &[Number]) -> Number,
) {
    let shape = w.shape(result);
    w.each(&shape, |w, at| {
        let mut args: SmallVec<[Number; 3]> = SmallVec::new();
        for &operand in operands {
            let index = w.broadcast_at(&w.shape(operand), at);
            args.push(w.load(operand, index));
        }
        let number = scalar(w, &args);
        w.store(result, w.at(&shape, at), number);
    });
}

/// The element type of the result for those of the operands.
type Rule<'a> = dyn Fn(&[DType]) -> Result<DType, Mistake> + 'a;

/// The type rule, given the one of the element types.
fn infer(
    name: &str,
    arity: usize,
    result: &Rule<'_>,
    operands: &[&Type],
) -> Result<Types, Mistake> {
    if operands.len() != arity {
        return Err(wrong_count(name, arity, operands.len()));
    }
    let dtypes: SmallVec<[DType; 3]> = operands.iter().map(|t| t.dtype).collect();
    let dtype = result(&dtypes)?;
    let shape = broadcast(name, operands)?;
    Ok(Types::from_elem(Type { dtype, shape }, 1))
}

/// The shape that the operands are broadcast to.
fn broadcast(name: &str, operands: &[&Type]) -> Result<Shape, Mistake> {
    let mut shape = Shape::scalar();
    for operand in operands {
        shape = shape.broadcast(&operand.shape).ok_or_else(|| {
            let types: Vec<_> = operands.iter().map(ToString::to_string).collect();
            Mistake::new(format!("`{name}`: {} do not broadcast", types.join(" and ")))
                .help("aligned at the last axis, two extents must be equal or one of them 1")
        })?;
    }
    Ok(shape)
}

/// The element type of operands that must agree.
pub(super) fn same(name: &str, dtypes: &[DType]) -> Result<DType, Mistake> {
    let differ = dtypes.iter().find(|&&d| d != dtypes[0]);
    match differ {
        None => Ok(dtypes[0]),
        Some(other) => Err(Mistake::new(format!(
            "`{name}`: the operands have different element types, {} and {other}",
            dtypes[0]
        ))
        .help("convert one of them with `cast`")),
    }
}

/// The element type of operands that must agree and be floats.
pub(super) fn float(name: &str, dtypes: &[DType]) -> Result<DType, Mistake> {
    match same(name, dtypes)? {
        dtype if dtype.is_float() => Ok(dtype),
        dtype => Err(Mistake::new(format!("`{name}` takes floats, not {dtype}"))
            .help("convert the operand with `cast`")),
    }
}

/// The element type of operands that must agree and be numbers.
pub(super) fn number(name: &str, dtypes: &[DType]) -> Result<DType, Mistake> {
    match same(name, dtypes)? {
        DType::Bool => Err(Mistake::new(format!("`{name}` takes numbers, not bool"))
            .help("convert the operand with `cast`")),
        dtype => Ok(dtype),
    }
}

/// The element type of operands that must be truth values.
pub(super) fn truth(name: &str, dtypes: &[DType]) -> Result<DType, Mistake> {
    match dtypes.iter().find(|&&dtype| dtype != DType::Bool) {
        None => Ok(DType::Bool),
        Some(other) => Err(Mistake::new(format!("`{name}` takes bool, not {other}"))
            .help("compare the operand with a number")),
    }
}

/// The program for one element.
type Emit<'a, L> = dyn Fn(&mut L, &[Lane<L>]) -> Lane<L> + 'a;

/// Runs the program for every element of the result.
fn run<L: ScalarLanes>(
    emit: &Emit<'_, L>,
    lanes: &mut L,
    operands: &[&Tensor],
    result: &Type,
) -> Tensor {
    let count = result.shape.elements();
    let mut data = Data::zeros(result.dtype, count);
    let offsets = offsets_of(operands, &result.shape);
    let mut args: Vec<Lane<L>> = Vec::with_capacity(operands.len());
    for element in 0..count {
        args.clear();
        for (operand, offsets) in operands.iter().zip(&offsets) {
            let offset = offsets.as_ref().map_or(element, |offsets| offsets[element]);
            args.push(L::load(operand.data(), offset));
        }
        L::store(&mut data, element, emit(lanes, &args));
    }
    Tensor::of(result.shape.clone(), data)
}

/// [`broadcast_offsets`] of each operand, if they are not those of the result.
fn offsets_of(operands: &[&Tensor], result: &Shape) -> Vec<Option<Vec<usize>>> {
    let offsets = |t: &&Tensor| (t.shape() != result).then(|| broadcast_offsets(t.shape(), result));
    operands.iter().map(offsets).collect()
}

/// For every element of a tensor of shape `target` in row-major order, the offset of the element of
/// a tensor of shape `own` that is repeated there.
pub(crate) fn broadcast_offsets(own: &Shape, target: &Shape) -> Vec<usize> {
    let steps: Vec<_> =
        own.broadcast_strides(target).into_iter().map(|stride| stride as isize).collect();
    strided_offsets(0, target, &steps)
}

/// Lanes of one element that can be read from a tensor and written to one.
pub(super) trait ScalarLanes: Lanes {
    /// The element at an offset.
    fn load(data: &Data, offset: usize) -> Lane<Self>;
    /// Writes an element, rounded or wrapped to the tensor's element type.
    fn store(data: &mut Data, offset: usize, lane: Lane<Self>);
}

macro_rules! scalar_lanes {
    ($lanes:ty, $f:ty, $i:ty) => {
        impl ScalarLanes for $lanes {
            fn load(data: &Data, offset: usize) -> Lane<Self> {
                match data {
                    Data::F32(v) => Lane::F(v[offset] as $f),
                    Data::F64(v) => Lane::F(v[offset] as $f),
                    Data::BF16(v) => Lane::F(v[offset].to_f32() as $f),
                    Data::F16(v) => Lane::F(v[offset].to_f32() as $f),
                    Data::I64(v) => Lane::I(v[offset] as $i),
                    Data::I32(v) => Lane::I(v[offset] as $i),
                    Data::U8(v) => Lane::I(v[offset] as $i),
                    Data::Bool(v) => Lane::M(v[offset]),
                }
            }

            fn store(data: &mut Data, offset: usize, lane: Lane<Self>) {
                match (data, lane) {
                    (Data::F32(v), Lane::F(x)) => v[offset] = x as f32,
                    (Data::F64(v), Lane::F(x)) => v[offset] = x as f64,
                    (Data::BF16(v), Lane::F(x)) => v[offset] = bf16::from_f32(x as f32),
                    (Data::F16(v), Lane::F(x)) => v[offset] = f16::from_f32(x as f32),
                    (Data::I64(v), Lane::I(x)) => v[offset] = x as i64,
                    (Data::I32(v), Lane::I(x)) => v[offset] = x as i32,
                    (Data::U8(v), Lane::I(x)) => v[offset] = x as u8,
                    (Data::Bool(v), Lane::M(x)) => v[offset] = x,
                    _ => unreachable!("an op's program gives the kind of lane its type rule says"),
                }
            }
        }
    };
}

scalar_lanes!(ScalarF32, f32, i32);
scalar_lanes!(ScalarF64, f64, i64);
