//! Drawing of random ops, with attributes and operands that fit each other, for a fuzzer's graphs.
//!
//! The drawing of an op is in the op's file: [`Draw`] for most ops, nothing for elementwise ops
//! without attributes. `docs/fuzzing.md` explains the use of the drawn graphs.

mod pen;
mod rng;
mod shapes;

pub use pen::{Drawn, Pen};
pub use rng::Rng;
pub use shapes::Convolution;

use serde::de::DeserializeOwned;
use serde::de::value::{Error, UnitDeserializer};

use crate::op::{Elementwise, Op};
use crate::trace::Var;
use crate::types::DType;

/// An op that is drawn at random.
pub trait Draw: Sized {
    /// The op and operands that it accepts, for the pen's element type; `None` if the op is not
    /// drawn.
    ///
    /// The type rule may reject the drawn operands only for their element type.
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)>;
}

/// An op of a type that [`Draw`]s.
pub(crate) fn other<T: Draw + Into<Op>>(pen: &mut Pen) -> Option<Drawn> {
    T::draw(pen).map(|(op, operands)| Drawn { op: op.into(), operands })
}

/// An elementwise op: its type rule decides which operands are masks, broadcasting which shapes
/// they have.
pub(crate) fn elementwise<E: Elementwise + DeserializeOwned + Into<Op>>(
    pen: &mut Pen,
) -> Option<Drawn> {
    let op = E::draw_attributes(pen)?;
    let of = pen.dtype();
    let masked = |mask: usize| {
        (0..E::ARITY).map(|index| if index == mask { DType::Bool } else { of }).collect()
    };
    // No operand is a mask, or one of them.
    let dtypes: Vec<DType> = (0..=E::ARITY)
        .rev()
        .map(masked)
        .find(|dtypes: &Vec<DType>| op.result(dtypes).is_ok())
        .unwrap_or_else(|| vec![of; E::ARITY]);
    let operands = pen.broadcast_operands(&dtypes);
    Some(Drawn { op: op.into(), operands })
}

/// An op without attributes.
pub(crate) fn without_attributes<E: DeserializeOwned>() -> Option<E> {
    E::deserialize(UnitDeserializer::<Error>::new()).ok()
}
