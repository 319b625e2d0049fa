//! The ops that were drawn, with their element types.

use std::collections::BTreeMap;
use std::fmt;

use brolga_ir::{DType, Graph, NodeId, Op, Type};

/// An op with the element types of its operands and its results, in this order.
pub type Signature = (&'static str, Vec<DType>);

/// How often each signature was drawn.
#[derive(Debug, Clone, Default)]
pub struct Coverage(BTreeMap<Signature, u64>);

impl Coverage {
    /// Counts the nodes of a graph.
    pub fn add(&mut self, graph: &Graph) {
        for id in graph.ids() {
            let op = &graph.node(id).op;
            if !matches!(op, Op::Parameter(_) | Op::Kernel(_)) {
                *self.0.entry(signature(graph, id)).or_default() += 1;
            }
        }
    }

    /// Adds the counts of another thread.
    pub fn merge(&mut self, other: &Self) {
        for (signature, count) in &other.0 {
            *self.0.entry(signature.clone()).or_default() += count;
        }
    }

    /// Whether nothing was drawn.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All signatures that were drawn.
    pub fn signatures(&self) -> impl Iterator<Item = &Signature> {
        self.0.keys()
    }

    /// Whether a signature was drawn.
    pub fn has(&self, signature: &Signature) -> bool {
        self.0.contains_key(signature)
    }
}

/// The table op × element type: how many nodes had an operand or a result of the type.
impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<20}", "op")?;
        DType::ALL.iter().try_for_each(|dtype| write!(f, "{:>9}", dtype.name()))?;
        for &op in Op::NAMES {
            let of = |dtype: DType| -> u64 {
                let counts = self
                    .0
                    .iter()
                    .filter(|((name, types), _)| *name == op && types.contains(&dtype));
                counts.map(|(_, count)| count).sum()
            };
            write!(f, "\n{op:<20}")?;
            DType::ALL.iter().try_for_each(|&dtype| write!(f, "{:>9}", of(dtype)))?;
        }
        Ok(())
    }
}

/// The element types of a node; for `concat`, whose operands have one type, that type once.
fn signature(graph: &Graph, id: NodeId) -> Signature {
    let node = graph.node(id);
    let operands: Vec<&Type> = graph.operands(id).iter().map(|&v| graph.ty(v)).collect();
    signature_of(&node.op, &operands, &node.types)
}

fn signature_of(op: &Op, operands: &[&Type], results: &[Type]) -> Signature {
    let alike = if matches!(op, Op::Concat(_)) { 1 } else { operands.len() };
    let types = operands[..alike].iter().copied().chain(results);
    (op.name(), types.map(|ty| ty.dtype).collect())
}

/// The most operands whose element types are tried in all combinations.
const FREE: usize = 4;

/// Every signature that the type rule accepts for the op of this node, with its shapes and with its
/// attributes but for element types. Of more than four operands, those of the same element type
/// keep one element type.
pub fn accepted(graph: &Graph, id: NodeId) -> Vec<Signature> {
    let node = graph.node(id);
    let operands: Vec<&Type> = graph.operands(id).iter().map(|&value| graph.ty(value)).collect();
    // For each operand the place of its element type in a choice.
    let mut kinds: Vec<DType> = vec![];
    let mut places = vec![];
    for operand in &operands {
        let known = kinds.iter().position(|&kind| kind == operand.dtype);
        let place = known.filter(|_| operands.len() > FREE).unwrap_or(kinds.len());
        if place == kinds.len() {
            kinds.push(operand.dtype);
        }
        places.push(place as u32);
    }
    let mut ops: Vec<Op> = vec![];
    for op in DType::ALL.into_iter().filter_map(|dtype| retyped(&node.op, dtype)) {
        if !ops.contains(&op) {
            ops.push(op);
        }
    }
    let mut found = vec![];
    for op in ops {
        for choice in 0..8_usize.pow(kinds.len() as u32) {
            let dtype = |place: u32| DType::ALL[choice / 8_usize.pow(place) % 8];
            let types: Vec<Type> = (operands.iter().zip(&places))
                .map(|(operand, &place)| Type::new(dtype(place), operand.shape.clone()))
                .collect();
            let types: Vec<&Type> = types.iter().collect();
            if let Ok(results) = op.infer(&types) {
                found.push(signature_of(&op, &types, &results));
            }
        }
    }
    found
}

/// The op with this element type in its attributes, if it has one there.
fn retyped(op: &Op, dtype: DType) -> Option<Op> {
    let mut json = serde_json::to_value(op).ok()?;
    for (_, attribute) in json.as_object_mut()? {
        let Some(text) = attribute.as_str() else { continue };
        if text.parse::<DType>().is_ok() {
            *attribute = dtype.name().into();
        } else if let Ok(ty) = text.parse::<Type>() {
            *attribute = Type { dtype, ..ty }.to_string().into();
        }
    }
    let mut new: Op = serde_json::from_value(json).ok()?;
    new.bodies_mut().clone_from_slice(op.bodies());
    Some(new)
}
