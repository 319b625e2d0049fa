//! Names, constants and nodes of a model that is written.

use std::collections::{BTreeSet, HashMap, HashSet};

use brolga_ir::{DType, Data, Tensor};
use half::{bf16, f16};
use prost::bytes::Bytes;

use super::batch::{Extent, Open};
use super::error::UnknownForm;
use crate::element::ElementType;
use crate::proto::{
    AttributeProto, Dimension, DimensionValue, GraphProto, NodeProto, TensorProto,
    TensorShapeProto, TensorTypeProto, TypeProto, TypeValue, ValueInfoProto,
};
use crate::tensor;

/// The name of the open extent.
pub(super) const BATCH: &str = "N";

/// What all graphs of a model share while it is written.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) opset: i64,
    taken: HashSet<String>,
    /// How many names begin with a word.
    counts: HashMap<String, usize>,
    /// Constants, which stand before all other nodes.
    pub(super) constants: Vec<NodeProto>,
    known: HashMap<(DType, Vec<usize>, Vec<u64>), String>,
    /// The nodes that compute the number of samples, after the constants.
    pub(super) samples: Vec<NodeProto>,
    /// The input whose first axis is the batch.
    first: Option<String>,
    multiples: HashMap<usize, String>,
    /// Ops without a form.
    pub(super) unknown: BTreeSet<UnknownForm>,
}

impl Writer {
    /// A writer for a model in which these names have a meaning already.
    pub(super) fn new(opset: i64, taken: HashSet<String>, first: Option<String>) -> Self {
        Self {
            opset,
            taken,
            counts: HashMap::new(),
            constants: vec![],
            known: HashMap::new(),
            samples: vec![],
            first,
            multiples: HashMap::new(),
            unknown: BTreeSet::new(),
        }
    }

    /// A name that nothing has yet: this word, with a number where it is taken.
    pub(super) fn fresh(&mut self, word: &str) -> String {
        let mut name = word.to_owned();
        while !self.taken.insert(name.clone()) {
            let count = self.counts.entry(word.to_owned()).or_default();
            *count += 1;
            name = format!("{word}_{count}");
        }
        name
    }

    /// A constant: equal ones are one.
    pub(super) fn constant(&mut self, tensor: &Tensor) -> String {
        let key = (tensor.dtype(), tensor.shape().to_vec(), tensor.data().canonical_bits());
        if let Some(name) = self.known.get(&key) {
            return name.clone();
        }
        let name = self.fresh("constant");
        let value = attribute("value", Attribute::Tensor(proto("", tensor)));
        self.constants.push(node("Constant", vec![], vec![name.clone()], vec![value]));
        self.known.insert(key, name.clone());
        name
    }

    /// A vector of integers.
    pub(super) fn ints(&mut self, values: &[i64]) -> String {
        self.constant(&vector(values))
    }

    /// A number of an element type.
    pub(super) fn scalar(&mut self, dtype: DType, value: f64) -> String {
        self.constant(&Tensor::scalar(dtype, value))
    }

    /// So many times the number of samples, as a vector of one integer.
    pub(super) fn samples(&mut self, times: usize) -> String {
        if let Some(name) = self.multiples.get(&times) {
            return name.clone();
        }
        let name = self.fresh("samples");
        if times == 1 {
            // An input has the batch, or there is no extent that follows it.
            let first = self.first.clone().unwrap_or_default();
            let ends = [attribute("start", Attribute::Int(0)), attribute("end", Attribute::Int(1))];
            let shape = node("Shape", vec![first], vec![name.clone()], ends.to_vec());
            self.samples.push(shape);
        } else {
            let (one, factor) = (self.samples(1), self.ints(&[times as i64]));
            self.samples.push(node("Mul", vec![one, factor], vec![name.clone()], vec![]));
        }
        self.multiples.insert(times, name.clone());
        name
    }

    /// Extents as a vector.
    pub(super) fn shape(&mut self, extents: &[Extent]) -> (String, Option<NodeProto>) {
        let fixed: Option<Vec<i64>> =
            extents.iter().map(|extent| extent.fixed().map(|extent| extent as i64)).collect();
        if let Some(fixed) = fixed {
            return (self.ints(&fixed), None);
        }
        let parts: Vec<String> = extents
            .iter()
            .map(|extent| match extent {
                Extent::Fixed(extent) => self.ints(&[*extent as i64]),
                Extent::Batch(times) => self.samples(*times),
            })
            .collect();
        match <[String; 1]>::try_from(parts) {
            Ok([only]) => (only, None),
            Err(parts) => {
                let name = self.fresh("shape");
                let axis = vec![attribute("axis", Attribute::Int(0))];
                (name.clone(), Some(node("Concat", parts, vec![name], axis)))
            }
        }
    }
}

/// A vector of integers.
pub(super) fn vector(values: &[i64]) -> Tensor {
    let data = Data::I64(values.to_vec());
    Tensor::new([values.len()], data).unwrap_or_else(|| Tensor::scalar(DType::I64, 0.0))
}

/// The value of an attribute.
#[derive(Debug, Clone)]
pub(super) enum Attribute {
    Int(i64),
    Ints(Vec<i64>),
    Text(&'static str),
    Texts(Vec<&'static str>),
    Tensor(TensorProto),
    Graph(GraphProto),
}

/// An attribute.
pub(super) fn attribute(name: &str, value: Attribute) -> AttributeProto {
    let mut proto = AttributeProto { name: name.to_owned(), ..AttributeProto::default() };
    match value {
        Attribute::Int(value) => (proto.r#type, proto.i) = (2, value),
        Attribute::Text(text) => (proto.r#type, proto.s) = (3, Bytes::from_static(text.as_bytes())),
        Attribute::Tensor(tensor) => (proto.r#type, proto.t) = (4, Some(Box::new(tensor))),
        Attribute::Graph(graph) => (proto.r#type, proto.g) = (5, Some(Box::new(graph))),
        Attribute::Ints(values) => (proto.r#type, proto.ints) = (7, values),
        Attribute::Texts(texts) => {
            let texts = texts.into_iter().map(|text| Bytes::from_static(text.as_bytes()));
            (proto.r#type, proto.strings) = (8, texts.collect());
        }
    }
    proto
}

/// A node, named by its first output.
pub(super) fn node(
    op: &str,
    input: Vec<String>,
    output: Vec<String>,
    attribute: Vec<AttributeProto>,
) -> NodeProto {
    let name = output.first().cloned().unwrap_or_default();
    NodeProto { name, op_type: op.to_owned(), input, output, attribute, ..NodeProto::default() }
}

/// A tensor with its elements inside.
pub(super) fn proto(name: &str, tensor: &Tensor) -> TensorProto {
    let element = ElementType::of_dtype(tensor.dtype());
    TensorProto {
        name: name.to_owned(),
        dims: tensor.shape().iter().map(|&extent| extent as i64).collect(),
        data_type: element.code(),
        raw_data: Some(tensor::to_raw(element, tensor.data()).unwrap_or_default().into()),
        ..TensorProto::default()
    }
}

/// An input or an output of a graph. The batch has a name in those of the model alone.
pub(super) fn info(name: &str, ty: &Open, named: bool) -> ValueInfoProto {
    let dim = |extent: &Extent| {
        let value = match extent {
            Extent::Fixed(extent) => Some(DimensionValue::Value(*extent as i64)),
            Extent::Batch(1) if named => Some(DimensionValue::Param(BATCH.to_owned())),
            Extent::Batch(_) => None,
        };
        Dimension { value }
    };
    let shape = Some(TensorShapeProto { dim: ty.extents.iter().map(dim).collect() });
    let elem_type = ElementType::of_dtype(ty.dtype).code();
    let value = Some(TypeValue::Tensor(TensorTypeProto { elem_type, shape }));
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { value }) }
}

/// The smallest number of a type that is not subnormal, as [`brolga_ir::ops::Flush`] has it.
pub(super) fn smallest_normal(dtype: DType) -> Tensor {
    let exponent = if dtype == DType::F64 { -1022.0 } else { -126.0 };
    let data = match dtype {
        DType::F64 => Data::F64(vec![f64::exp2(exponent)]),
        DType::BF16 => Data::BF16(vec![bf16::from_f64(f64::exp2(exponent))]),
        // Of `f16` zeros alone are below the smallest number.
        DType::F16 => Data::F16(vec![f16::from_f64(f64::exp2(-24.0))]),
        _ => Data::F32(vec![f64::exp2(exponent) as f32]),
    };
    let fallback = Tensor::scalar(dtype, 0.0);
    Tensor::new([0; 0], data).unwrap_or(fallback)
}
