//! Conversions of element types.

use brolga_ir::{DType, Var};

use super::integers::wrap;
use crate::call::{Call, Out, Outs, mistake, one};
use crate::element::ElementType;
use crate::error::Fault;
use crate::floats::Format;
use crate::tensor;
use crate::value::Value;

/// x as another element type.
pub(crate) fn cast(call: &Call<'_>) -> Outs {
    let element = match call.attribute("to") {
        // Before opset 6 it is a name.
        Some(to) if call.version < 6 => {
            let name = String::from_utf8_lossy(&to.s).to_ascii_lowercase();
            match ElementType::of_name(&name) {
                Some(element) => element,
                None => return mistake(format!("`to` is {name:?}"), "it is an element type"),
            }
        }
        _ => tensor::element(call.int("to", 0))?,
    };
    let saturate = call.flag("saturate", true);
    one(converted(&call.var(0)?, call.element(0)?, element, saturate)?)
}

/// x as the element type of another operand.
pub(crate) fn cast_like(call: &Call<'_>) -> Outs {
    let saturate = call.flag("saturate", true);
    one(converted(&call.var(0)?, call.element(0)?, call.element(1)?, saturate)?)
}

/// A tensor of one element type as another one.
pub(crate) fn converted(
    x: &Var,
    from: ElementType,
    to: ElementType,
    saturate: bool,
) -> Result<Out, Fault> {
    let dtype = tensor::storage(to)?;
    if from == to {
        return Ok(Value::traced(to, x.clone()).into());
    }
    if let Some(format) = Format::of(to) {
        return Ok(Value::traced(to, format.round(x, saturate)).into());
    }
    let x = match (x.dtype().is_float(), to.range()) {
        // Towards zero; numbers out of range wrap where the type is narrow, as in NumPy.
        (true, Some(_)) if to != ElementType::U8 => x.cast(wide(dtype)).cast(dtype),
        (true, Some(_)) => x.cast(DType::I64).cast(DType::U8),
        _ => x.cast(dtype),
    };
    Ok(Value::traced(to, wrap(&x, to)).into())
}

/// The integer type that casts go through.
fn wide(dtype: DType) -> DType {
    if dtype == DType::I32 { DType::I32 } else { DType::I64 }
}

/// The bits of x as another element type of the same size: x must be known.
pub(crate) fn bit_cast(call: &Call<'_>) -> Outs {
    let x = call.known(0)?;
    let (from, to) = (call.element(0)?, tensor::element(call.int("to", 0))?);
    let bytes = tensor::to_raw(from, x.data());
    let data = match bytes {
        Some(bytes) if tensor::bits(from) == tensor::bits(to) => {
            tensor::from_raw(to, &bytes.into(), x.shape().elements())?
        }
        _ => {
            return mistake(
                format!("the bits of {from} as {to}"),
                "both have the same size, of 8 bits or more",
            );
        }
    };
    one(crate::call::known(to, x.shape().clone(), data))
}
