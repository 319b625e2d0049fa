//! What an op is given: its operands, its attributes, the version of its domain.

use std::rc::Rc;

use brolga_ir::{DType, Data, Mistake, Shape, Tensor, Tracer, Type, Var};

use crate::element::ElementType;
use crate::error::Fault;
use crate::import::{Import, Scope};
use crate::proto::{AttributeProto, GraphProto, NodeProto};
use crate::tensor;
use crate::value::{Operand, Value};

/// A node that is imported.
pub(crate) struct Call<'a> {
    pub(crate) import: &'a Import<'a>,
    pub(crate) scope: &'a Scope<'a>,
    pub(crate) node: &'a NodeProto,
    pub(crate) operands: &'a [Option<Value>],
    /// The version of the op's domain.
    pub(crate) version: i64,
}

/// A result of an op.
#[derive(Debug, Clone)]
pub(crate) enum Out {
    /// A value of the graph. If its type is one in which elements of a narrower type are kept, it
    /// has the element type of the first operand that is kept in it.
    Var(Var),
    /// A value with its element type.
    Value(Value),
}

impl From<Var> for Out {
    fn from(var: Var) -> Self {
        Self::Var(var)
    }
}

impl From<Value> for Out {
    fn from(value: Value) -> Self {
        Self::Value(value)
    }
}

/// The results of an op.
pub(crate) type Outs = Result<Vec<Out>, Fault>;

/// The one result of an op.
pub(crate) fn one(out: impl Into<Out>) -> Outs {
    Ok(vec![out.into()])
}

/// The error for a mistake with advice.
pub(crate) fn mistake<T>(message: impl Into<String>, help: impl Into<String>) -> Result<T, Fault> {
    Err(Mistake::new(message).help(help).into())
}

/// Checks of a value that an op of the IR gave.
pub(crate) trait Sound: Sized {
    /// The value, if no mistake was made: otherwise its type means nothing.
    fn sound(self) -> Result<Self, Fault>;
}

impl Sound for Var {
    fn sound(self) -> Result<Self, Fault> {
        if self.value().is_some() { Ok(self) } else { Err(Fault::Traced) }
    }
}

impl Call<'_> {
    /// The graph being traced.
    pub(crate) fn tracer(&self) -> &Tracer {
        &self.import.tracer
    }

    /// How many operands the node names, those left out at the end not counted.
    pub(crate) fn count(&self) -> usize {
        self.operands.len()
    }

    /// Whether the node names this output.
    pub(crate) fn gives(&self, output: usize) -> bool {
        self.node.output.get(output).is_some_and(|name| !name.is_empty())
    }

    /// Whether there is this operand.
    pub(crate) fn has(&self, index: usize) -> bool {
        self.operands.get(index).is_some_and(Option::is_some)
    }

    /// An operand of any kind.
    pub(crate) fn value(&self, index: usize) -> Result<&Value, Fault> {
        match self.operands.get(index) {
            Some(Some(value)) => Ok(value),
            _ => mistake(
                format!("operand {index} is missing"),
                format!("the node has {}", operands(self.operands.len())),
            ),
        }
    }

    /// An operand that is a tensor.
    pub(crate) fn operand(&self, index: usize) -> Result<&Rc<Operand>, Fault> {
        match self.value(index)? {
            Value::Tensor(operand) => Ok(operand),
            // An optional that holds a tensor stands for it.
            Value::Optional(Some(value)) => match &**value {
                Value::Tensor(operand) => Ok(operand),
                other => self.no_tensor(index, other),
            },
            other => self.no_tensor(index, other),
        }
    }

    fn no_tensor<T>(&self, index: usize, given: &Value) -> Result<T, Fault> {
        mistake(
            format!("operand {index} is {}, expected was a tensor", given.kind()),
            "the model is not valid; `onnx.checker` tells more",
        )
    }

    /// An operand as a value of the graph.
    pub(crate) fn var(&self, index: usize) -> Result<Var, Fault> {
        let operand = self.operand(index)?;
        operand.var(self.tracer(), self.import.declare).sound()
    }

    /// An operand as a value of the graph, if it is there.
    pub(crate) fn optional(&self, index: usize) -> Result<Option<Var>, Fault> {
        if self.has(index) { self.var(index).map(Some) } else { Ok(None) }
    }

    /// All operands as values of the graph.
    pub(crate) fn vars(&self) -> Result<Vec<Var>, Fault> {
        (0..self.count()).map(|index| self.var(index)).collect()
    }

    /// The element type of an operand.
    pub(crate) fn element(&self, index: usize) -> Result<ElementType, Fault> {
        Ok(self.operand(index)?.element)
    }

    /// The elements of an operand, which must be known.
    pub(crate) fn known(&self, index: usize) -> Result<&Tensor, Fault> {
        self.operand(index)?.tensor().ok_or(Fault::Unknown(index))
    }

    /// An operand of integers that must be known, such as a shape.
    pub(crate) fn ints_of(&self, index: usize) -> Result<Vec<i64>, Fault> {
        let tensor = self.known(index)?;
        match tensor.to_i64() {
            Some(values) => Ok(values),
            None => mistake(
                format!("operand {index} is {}, expected were integers", tensor.ty()),
                "the model is not valid; `onnx.checker` tells more",
            ),
        }
    }

    /// As [`Call::ints_of`], if the operand is there.
    pub(crate) fn maybe_ints_of(&self, index: usize) -> Result<Option<Vec<i64>>, Fault> {
        if self.has(index) { self.ints_of(index).map(Some) } else { Ok(None) }
    }

    /// An operand of one integer that must be known.
    pub(crate) fn int_of(&self, index: usize) -> Result<i64, Fault> {
        match self.ints_of(index)?[..] {
            [only] => Ok(only),
            ref other => mistake(
                format!("operand {index} has {} elements, expected was one", other.len()),
                "the model is not valid; `onnx.checker` tells more",
            ),
        }
    }

    /// An operand of floats that must be known.
    pub(crate) fn floats_of(&self, index: usize) -> Result<Vec<f64>, Fault> {
        Ok(self.known(index)?.data().to_f64())
    }

    /// The attribute of this name. In a function it may stand for one of the function's own.
    pub(crate) fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        let found = self.node.attribute.iter().find(|attribute| attribute.name == name)?;
        if found.ref_attr_name.is_empty() {
            return Some(found);
        }
        self.scope.attribute(&found.ref_attr_name)
    }

    /// Whether the node has this attribute.
    pub(crate) fn says(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    /// An attribute that is an integer.
    pub(crate) fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |attribute| attribute.i)
    }

    /// An attribute that is a truth value.
    pub(crate) fn flag(&self, name: &str, default: bool) -> bool {
        self.int(name, default.into()) != 0
    }

    /// An attribute that is a float.
    pub(crate) fn float(&self, name: &str, default: f64) -> f64 {
        self.attribute(name).map_or(default, |attribute| attribute.f.into())
    }

    /// An attribute that is a list of integers.
    pub(crate) fn ints(&self, name: &str) -> Option<&[i64]> {
        self.attribute(name).map(|attribute| attribute.ints.as_slice())
    }

    /// An attribute that is a text.
    pub(crate) fn text<'t>(&'t self, name: &str, default: &'t str) -> Result<&'t str, Fault> {
        let Some(attribute) = self.attribute(name) else { return Ok(default) };
        match std::str::from_utf8(&attribute.s) {
            Ok(text) => Ok(text),
            Err(_) => mistake(format!("`{name}` is no text"), "it must be UTF-8"),
        }
    }

    /// An attribute that is a list of texts.
    pub(crate) fn texts(&self, name: &str) -> Option<Vec<String>> {
        let text = |bytes: &prost::bytes::Bytes| String::from_utf8_lossy(bytes).into_owned();
        self.attribute(name).map(|attribute| attribute.strings.iter().map(text).collect())
    }

    /// An attribute that is a tensor.
    pub(crate) fn tensor(&self, name: &str) -> Result<Option<(ElementType, Tensor)>, Fault> {
        let Some(attribute) = self.attribute(name) else { return Ok(None) };
        let Some(proto) = &attribute.t else {
            return mistake(format!("`{name}` is no tensor"), "the model is not valid");
        };
        let decoded = tensor::decode(proto, &self.import.model.folder);
        match decoded {
            Ok(decoded) => Ok(Some(decoded)),
            Err(Mistake { message, help }) => {
                Err(Mistake { message: format!("`{name}`: {message}"), help }.into())
            }
        }
    }

    /// An attribute that is a graph.
    pub(crate) fn graph(&self, name: &str) -> Result<&GraphProto, Fault> {
        match self.attribute(name).and_then(|attribute| attribute.g.as_deref()) {
            Some(graph) => Ok(graph),
            None => mistake(format!("the graph `{name}` is missing"), "the model is not valid"),
        }
    }

    /// What a graph inside of the node gives for these inputs.
    pub(crate) fn run(&self, graph: &GraphProto, inputs: Vec<Value>) -> Result<Vec<Value>, Fault> {
        let run = self.import.inner(graph, inputs, self.scope);
        run.map_err(|error| Fault::Inside(Box::new(error)))
    }

    /// The attribute `axis`, counted from the end if it is negative.
    pub(crate) fn axis(&self, default: i64, rank: usize) -> Result<usize, Fault> {
        axis(self.int("axis", default), rank)
    }

    /// Axes from an attribute or, in newer versions, from an operand.
    pub(crate) fn axes(&self, operand: usize, rank: usize) -> Result<Option<Vec<usize>>, Fault> {
        let given = match self.ints("axes") {
            Some(axes) => Some(axes.to_vec()),
            None => self.maybe_ints_of(operand)?,
        };
        given.map(|axes| axes.iter().map(|&value| axis(value, rank)).collect()).transpose()
    }

    /// A known tensor of integers, as a result.
    pub(crate) fn integers(&self, values: Vec<i64>) -> Value {
        let shape = Shape::new([values.len()]);
        known(ElementType::I64, shape, Data::I64(values))
    }

    /// A constant scalar of this element type.
    pub(crate) fn scalar(&self, dtype: DType, value: f64) -> Var {
        self.tracer().scalar(dtype, value)
    }

    /// Zeros of this type.
    pub(crate) fn zeros(&self, ty: &Type) -> Var {
        self.tracer().full(ty, 0.0)
    }
}

/// A known tensor whose number of elements is that of its shape.
pub(crate) fn known(element: ElementType, shape: Shape, data: Data) -> Value {
    let fallback = Type { dtype: data.dtype(), shape: shape.clone() };
    let tensor = Tensor::new(shape, data).unwrap_or_else(|| Tensor::zeros(&fallback));
    Value::known(element, tensor)
}

/// An axis, counted from the end if it is negative.
pub(crate) fn axis(value: i64, rank: usize) -> Result<usize, Fault> {
    let counted = if value < 0 { value.saturating_add(rank as i64) } else { value };
    match usize::try_from(counted) {
        Ok(axis) if axis < rank => Ok(axis),
        _ => mistake(
            format!("axis {value} of a tensor of rank {rank}"),
            format!("axes are −{rank} to {}", rank.saturating_sub(1)),
        ),
    }
}

/// An extent, or a number of elements.
pub(crate) fn extent(value: i64, what: &str) -> Result<usize, Fault> {
    match usize::try_from(value) {
        Ok(extent) if extent <= brolga_ir::types::MAX_BYTES => Ok(extent),
        _ => mistake(format!("{what} is {value}"), "it is a number from 0 on"),
    }
}

/// The product of extents.
pub(crate) fn elements(extents: &[usize]) -> Result<usize, Fault> {
    match extents.iter().try_fold(1_usize, |all, &one| all.checked_mul(one)) {
        Some(elements) => Ok(elements),
        None => mistake(format!("a tensor of {extents:?}"), "no tensor is so large"),
    }
}

/// The most indices that are listed one by one.
pub(crate) const MAX_LISTED: usize = 1 << 26;

/// Fails if so many indices would be listed one by one.
pub(crate) fn listed(count: usize) -> Result<usize, Fault> {
    if count <= MAX_LISTED {
        return Ok(count);
    }
    mistake(format!("{count} indices along an axis"), format!("up to {MAX_LISTED} are listed"))
}

/// Extents, or other lists of numbers that are not negative.
pub(crate) fn extents(values: &[i64], what: &str) -> Result<Vec<usize>, Fault> {
    values.iter().map(|&value| extent(value, what)).collect()
}

fn operands(count: usize) -> String {
    match count {
        1 => "one operand".to_owned(),
        count => format!("{count} operands"),
    }
}
