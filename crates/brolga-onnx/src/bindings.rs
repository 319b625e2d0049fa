//! Inputs and outputs of a model, and what is bound where its file leaves something open.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use brolga_ir::{Mistake, Shape, Tensor, Type};

use crate::element::ElementType;
use crate::error::{OnnxError, quoted};
use crate::model::OnnxModel;
use crate::proto::{Dimension, DimensionValue, TypeValue, ValueInfoProto};
use crate::tensor;
use crate::value::Value;

/// An input or an output of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The type of its elements; `None` if it is no tensor.
    pub element: Option<ElementType>,
    /// Its extents; `None` if not even their number is known.
    pub dims: Option<Vec<Dim>>,
}

/// The name and the type: `x: float[N, 4]`.
impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.name)?;
        match (self.kind, self.element) {
            (Kind::Tensor, Some(element)) => write!(f, "{element}")?,
            (Kind::Tensor, None) => f.write_str("tensor")?,
            (Kind::Sequence, _) => f.write_str("sequence")?,
            (Kind::Optional, _) => f.write_str("optional")?,
            (Kind::Other, _) => f.write_str("other")?,
        }
        let Some(dims) = &self.dims else { return Ok(()) };
        let extent = |dim: &Dim| match dim {
            Dim::Fixed(extent) => extent.to_string(),
            Dim::Open(name) => name.clone(),
        };
        write!(f, "[{}]", dims.iter().map(extent).collect::<Vec<_>>().join(", "))
    }
}

/// What a value of a model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A tensor.
    Tensor,
    /// A sequence of values.
    Sequence,
    /// A value that may be missing.
    Optional,
    /// A map or a sparse tensor, which are not read.
    Other,
}

/// An extent of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dim {
    /// A number.
    Fixed(usize),
    /// A number to be bound, by its name in the file; where it has none, by the input and the axis,
    /// such as `x[0]`.
    Open(String),
}

/// What is open in a model, and the caller decides: extents by name, shapes, and values of inputs.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Bindings {
    dims: BTreeMap<String, usize>,
    shapes: BTreeMap<String, Shape>,
    pub(crate) values: BTreeMap<String, Known>,
}

/// A value that is known when a model is loaded.
#[derive(Debug, Clone, PartialEq)]
pub enum Known {
    /// A tensor.
    Tensor(ElementType, Tensor),
    /// A sequence.
    Sequence(ElementType, Vec<Known>),
    /// A value that may be missing.
    Optional(Option<Box<Known>>),
}

impl Bindings {
    /// Nothing is bound.
    pub fn new() -> Self {
        Self::default()
    }

    /// Binds the extent of this name.
    pub fn dim(mut self, name: impl Into<String>, extent: usize) -> Self {
        self.dims.insert(name.into(), extent);
        self
    }

    /// Binds the shape of an input.
    pub fn shape(mut self, input: impl Into<String>, shape: impl Into<Shape>) -> Self {
        self.shapes.insert(input.into(), shape.into());
        self
    }

    /// Binds the value of an input, which then is a constant, and no input of the graph.
    pub fn value(mut self, input: impl Into<String>, value: Known) -> Self {
        self.values.insert(input.into(), value);
        self
    }
}

impl Known {
    pub(crate) fn value(&self) -> Value {
        match self {
            Self::Tensor(element, tensor) => Value::known(*element, tensor.clone()),
            Self::Sequence(element, values) => {
                Value::Sequence(*element, values.iter().map(Self::value).collect())
            }
            Self::Optional(value) => {
                Value::Optional(value.as_ref().map(|value| Box::new(value.value())))
            }
        }
    }
}

impl OnnxModel {
    /// Fails if something is bound that the model does not have.
    pub(crate) fn check_bindings(&self, bindings: &Bindings) -> Result<(), OnnxError> {
        let inputs: BTreeSet<String> = self.inputs.iter().map(|input| input.name.clone()).collect();
        let open = |dim: &Dim| match dim {
            Dim::Open(name) => Some(name.clone()),
            Dim::Fixed(_) => None,
        };
        let dims = self.inputs.iter().flat_map(|input| input.dims.iter().flatten());
        let dims: BTreeSet<String> = dims.filter_map(open).collect();
        let bound = bindings.values.keys().chain(bindings.shapes.keys());
        let wrong = bound.map(|name| ("input", name, &inputs));
        let wrong = wrong.chain(bindings.dims.keys().map(|name| ("open extent", name, &dims)));
        for (what, name, known) in wrong {
            if !known.contains(name) {
                let known: Vec<String> = known.iter().cloned().collect();
                let help = match known.as_slice() {
                    [] => "it has none".to_owned(),
                    known => format!("it has {}", quoted(known)),
                };
                let mistake = Mistake::new(format!("the model has no {what} `{name}`")).help(help);
                return Err(OnnxError::Bindings { file: self.file.clone(), mistake });
            }
        }
        Ok(())
    }

    /// The type of an input with what is bound.
    pub(crate) fn input_type(
        &self,
        input: &Port,
        bindings: &Bindings,
    ) -> Result<(ElementType, Type), OnnxError> {
        let failed = |mistake: Mistake| OnnxError::Bindings { file: self.file.clone(), mistake };
        let named = |Mistake { message, help }| {
            failed(Mistake { message: format!("input `{}`: {message}", input.name), help })
        };
        let Some(element) = input.element else {
            let message = format!("the input `{}` is no tensor", input.name);
            let help = "its value must be bound when the graph is made: Bindings::value";
            return Err(failed(Mistake::new(message).help(help)));
        };
        let dtype = tensor::storage(element).map_err(named)?;
        let shape = match (bindings.shapes.get(&input.name), &input.dims) {
            (Some(shape), _) => shape.clone(),
            (None, Some(dims)) => self.bound(input, dims, bindings)?,
            (None, None) => {
                let message = format!("the shape of the input `{}` is open", input.name);
                let help = format!("bind it: Bindings::new().shape({:?}, ..)", input.name);
                return Err(failed(Mistake::new(message).help(help)));
            }
        };
        let ty = Type { dtype, shape };
        ty.check().map_err(|message| named(message.into()))?;
        Ok((element, ty))
    }

    fn bound(&self, input: &Port, dims: &[Dim], bindings: &Bindings) -> Result<Shape, OnnxError> {
        let extent = |dim: &Dim| match dim {
            Dim::Fixed(extent) => Ok(*extent),
            Dim::Open(name) => bindings.dims.get(name).copied().ok_or(name.clone()),
        };
        let (extents, open): (Vec<_>, Vec<_>) = dims.iter().map(extent).partition(Result::is_ok);
        let open: Vec<String> = open.into_iter().filter_map(Result::err).collect();
        if let Some(first) = open.first() {
            let message = format!("input `{}`: extents are open: {}", input.name, quoted(&open));
            let help = format!(
                "bind each: Bindings::new().dim({first:?}, 1), or --dim {first}=1 on the command line"
            );
            let mistake = Mistake::new(message).help(help);
            return Err(OnnxError::Bindings { file: self.file.clone(), mistake });
        }
        Ok(extents.into_iter().flatten().collect())
    }
}

/// The port that a file declares.
pub(crate) fn declared(info: &ValueInfoProto) -> Result<Port, Mistake> {
    let name = info.name.clone();
    let value = info.r#type.as_ref().and_then(|ty| ty.value.as_ref());
    let kind = match value {
        Some(TypeValue::Tensor(_)) | None => Kind::Tensor,
        Some(TypeValue::Sequence(_)) => Kind::Sequence,
        Some(TypeValue::Optional(_)) => Kind::Optional,
        Some(TypeValue::Map(_) | TypeValue::Sparse(_)) => Kind::Other,
    };
    let Some(TypeValue::Tensor(ty)) = value else {
        return Ok(Port { name, kind, element: None, dims: None });
    };
    let named = |Mistake { message, help }| Mistake {
        message: format!("`{}`: {message}", info.name),
        help,
    };
    let element = match ty.elem_type {
        0 => None,
        code => Some(tensor::element(code.into()).map_err(named)?),
    };
    let dim = |(axis, dim): (usize, &Dimension)| match &dim.value {
        Some(DimensionValue::Value(extent)) => usize::try_from(*extent).map(Dim::Fixed).or_else(
            // Some exporters write -1 for an extent that is open.
            |_| Ok(Dim::Open(format!("{}[{axis}]", info.name))),
        ),
        Some(DimensionValue::Param(name)) if !name.is_empty() => Ok(Dim::Open(name.clone())),
        _ => Ok(Dim::Open(format!("{}[{axis}]", info.name))),
    };
    let dims = ty
        .shape
        .as_ref()
        .map(|shape| shape.dim.iter().enumerate().map(dim).collect::<Result<Vec<_>, Mistake>>());
    Ok(Port { name, kind, element, dims: dims.transpose()? })
}
