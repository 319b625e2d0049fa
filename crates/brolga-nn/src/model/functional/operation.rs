//! Operations of Keras between layers, which its configs have where a mask is computed.
//!
//! Keras writes the mask that a layer is given as an argument of the call, and how it is computed as
//! operations such as `NotEqual`: layers of a model that have no weights.

use brolga_ir::{DType, Mistake, Var};
use serde_json::{Value, json};

use crate::error::NnError;
use crate::keywords::Keyword;
use crate::layers::{Base, Layer};
use crate::masks::truth;
use crate::registry::Object;
use crate::trace::Call;

/// An operation of Keras as a layer. Constants are arguments of the call, `x1` and `x2`.
#[derive(Debug)]
pub(super) struct Operation {
    base: Base,
    class: &'static str,
    config: Value,
}

/// The operations that masks are made of.
const CLASSES: [&str; 14] = [
    "Any",
    "Equal",
    "ExpandDims",
    "Greater",
    "GreaterEqual",
    "Less",
    "LessEqual",
    "LogicalAnd",
    "LogicalNot",
    "LogicalOr",
    "NotEqual",
    "OnesLike",
    "Squeeze",
    "ZerosLike",
];

/// The module in which Keras has them.
const MODULE: &str = "keras.src.ops.numpy";

impl Operation {
    /// The operation that a config of a layer describes, if it does.
    pub(super) fn read(layer: &Value) -> Option<Self> {
        let module = layer.get("module").and_then(Value::as_str)?;
        let name = layer.get("class_name").and_then(Value::as_str)?;
        let class = CLASSES.into_iter().find(|class| *class == name)?;
        let config = layer.get("config").cloned().unwrap_or_else(|| json!({}));
        let name = config.get("name").and_then(Value::as_str).map(str::to_owned);
        let base = Base { name, ..Base::default() };
        module.starts_with("keras.src.ops").then_some(Self { base, class, config })
    }

    /// Lets the config of a layer that is an operation say so.
    pub(super) fn write(layer: &mut Value) {
        let class = layer.get("class_name").cloned().unwrap_or_default();
        if class.as_str().is_some_and(|class| CLASSES.contains(&class)) {
            layer["module"] = json!(MODULE);
            layer["registered_name"] = class;
        }
    }

    /// An axis of the config, of a tensor of this rank.
    fn axis(&self, rank: usize) -> Result<usize, Mistake> {
        let given = self.config.get("axis").unwrap_or(&Value::Null);
        let one = given.as_array().filter(|axes| axes.len() == 1).map_or(given, |axes| &axes[0]);
        let place = one.as_i64().map(|axis| if axis < 0 { axis + rank as i64 } else { axis });
        place
            .and_then(|place| usize::try_from(place).ok())
            .filter(|place| *place < rank)
            .ok_or_else(|| {
                let message = format!("{}: axis {given} of a tensor of {rank} axes", self.class);
                Mistake::new(message).help("give one axis that the tensor has")
            })
    }

    /// The two operands: tensors, or a constant beside one.
    fn operands(&self, call: &Call<'_>, inputs: &[Var]) -> Result<[Var; 2], Mistake> {
        let constant = |name: &str| match call.keywords().get(name) {
            Some(Keyword::Value(value)) => {
                value.as_f64().or_else(|| value.as_bool().map(|b| f64::from(u8::from(b))))
            }
            _ => None,
        };
        match (inputs, constant("x1"), constant("x2")) {
            ([a, b], None, None) => Ok([a.clone(), b.clone()]),
            ([a], None, Some(b)) => Ok([a.clone(), a.constant_like(b)]),
            ([b], Some(a), None) => Ok([b.constant_like(a), b.clone()]),
            _ => {
                let message = format!("{} takes two operands", self.class);
                Err(Mistake::new(message).help("tensors, or a tensor and a number"))
            }
        }
    }

    fn compute(&self, call: &Call<'_>, inputs: &[Var]) -> Result<Var, Mistake> {
        let two = || self.operands(call, inputs);
        let compared = |compare: fn(&Var, &Var) -> Var| two().map(|[a, b]| compare(&a, &b));
        match self.class {
            "Equal" => return compared(|a, b| a.eq(b)),
            "NotEqual" => return compared(|a, b| a.ne(b)),
            "Greater" => return compared(|a, b| a.gt(b)),
            "GreaterEqual" => return compared(|a, b| a.ge(b)),
            "Less" => return compared(|a, b| a.lt(b)),
            "LessEqual" => return compared(|a, b| a.le(b)),
            "LogicalAnd" => return compared(|a, b| truth(a).logical_and(&truth(b))),
            "LogicalOr" => return compared(|a, b| truth(a).logical_or(&truth(b))),
            _ => {}
        }
        let [x] = inputs else {
            let message = format!("{} takes one tensor, {} were given", self.class, inputs.len());
            return Err(Mistake::new(message).help("the constants of an operation are numbers"));
        };
        let rank = x.shape().rank();
        let mut shape = x.shape().to_vec();
        match self.class {
            "LogicalNot" => Ok(truth(x).logical_not()),
            "ExpandDims" => {
                shape.insert(self.axis(rank + 1)?, 1);
                Ok(x.reshape(shape))
            }
            "Squeeze" => {
                shape.remove(self.axis(rank)?);
                Ok(x.reshape(shape))
            }
            "Any" => {
                let keepdims = self.config.get("keepdims") == Some(&Value::Bool(true));
                let most = truth(x).cast(DType::F32).reduce_max(&[self.axis(rank)?], keepdims);
                Ok(most.ne(&most.constant_like(0.0)))
            }
            _ => {
                let is_bool = self.config.get("dtype") == Some(&json!("bool"));
                let filled = x.constant_like(if self.class == "OnesLike" { 1.0 } else { 0.0 });
                let filled = filled.broadcast(x.shape().clone());
                Ok(if is_bool { truth(&filled) } else { filled })
            }
        }
    }
}

impl Object for Operation {
    fn class_name(&self) -> &'static str {
        self.class
    }

    fn config(&self) -> Result<Value, NnError> {
        Ok(self.config.clone())
    }
}

impl Layer for Operation {
    fn base(&self) -> &Base {
        &self.base
    }

    fn takes_separate_inputs(&self) -> bool {
        true
    }

    fn keywords(&self) -> &'static [&'static str] {
        &["x1", "x2"]
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        vec![self.compute(call, inputs).unwrap_or_else(|mistake| call.tracer().fail(mistake))]
    }
}
