//! Loops: LSTM, GRU and RNN where a step is one of theirs, `Scan` otherwise.

use brolga_ir::ops::Scan;
use brolga_ir::{DType, Data, Graph, NodeId, Op, Tensor, Tracer, Type, Value, Var};

use super::batch::depends;
use super::emit::{Emit, Stored};
use super::error::ExportError;
use super::writer::{Attribute, attribute, info};
use crate::proto::{GraphProto, NodeProto, ValueInfoProto};

/// A graph inside of a node.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) name: String,
    pub(super) infos: Vec<ValueInfoProto>,
    pub(super) outputs: Vec<ValueInfoProto>,
    pub(super) nodes: Vec<NodeProto>,
}

impl Body {
    fn graph(self) -> GraphProto {
        GraphProto {
            name: self.name,
            input: self.infos,
            output: self.outputs,
            node: self.nodes,
            ..GraphProto::default()
        }
    }
}

/// Writes a loop.
pub(super) fn scan<'g>(
    e: &mut Emit<'g, '_>,
    id: NodeId,
    scans: [&'g Scan; 2],
) -> Result<(), ExportError> {
    let [scan, twin] = scans;
    let form = |scan: &Scan| (scan.length, scan.carries, scan.sequences, scan.reverse);
    if form(scan) != form(twin) {
        return Err(depends(e.producer(id.into())));
    }
    match Layer::of(e, id, scan)? {
        Some(layer) => layer.write(e, id, scan),
        None => general(e, id, scans),
    }
}

/// A loop as ONNX's `Scan`, whose steps are a graph.
fn general<'g>(e: &mut Emit<'g, '_>, id: NodeId, scans: [&'g Scan; 2]) -> Result<(), ExportError> {
    let [scan, twin] = scans;
    let operands = e.operands(id);
    let (own, shared) = operands.split_at(scan.carries + scan.sequences);
    let mut inputs = Vec::new();
    for &operand in own {
        inputs.push(e.plain(operand)?);
    }
    let mut body = e.body([&scan.body, &twin.body], shared)?;
    let mut sequences = scan.sequences;
    if sequences == 0 {
        // A `Scan` takes its number of steps from a sequence.
        let steps = vec![0; scan.length];
        inputs.push(e.w.ints(&steps));
        let name = e.fresh("step");
        let ty = super::batch::Open { dtype: DType::I64, extents: vec![] };
        body.infos.push(info(&name, &ty, false));
        sequences = 1;
    }
    let results = e.producer(id.into()).types.len();
    let names: Vec<String> = (0..results).map(|_| e.fresh("Scan")).collect();
    let mut attributes = vec![
        attribute("num_scan_inputs", Attribute::Int(sequences as i64)),
        attribute("body", Attribute::Graph(body.graph())),
    ];
    if scan.reverse {
        let all = |count: usize| Attribute::Ints(vec![1; count]);
        attributes.push(attribute("scan_input_directions", all(sequences)));
        let stacks = results - scan.carries;
        if stacks > 0 {
            attributes.push(attribute("scan_output_directions", all(stacks)));
        }
    }
    e.nodes.push(super::writer::node("Scan", inputs, names.clone(), attributes));
    for (port, name) in names.into_iter().enumerate() {
        e.give(Value { node: id, port: port as u32 }, Stored::plain(name));
    }
    Ok(())
}

/// The ops of ONNX for recurrent layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Lstm,
    Gru { reset_after: bool, recurrent_bias: bool },
    Rnn,
}

impl Kind {
    /// The carries, the gates, the recurrent biases.
    fn form(self) -> (usize, usize, usize) {
        match self {
            Self::Lstm => (2, 4, 0),
            Self::Gru { recurrent_bias, .. } => (1, 3, if recurrent_bias { 3 } else { 0 }),
            Self::Rnn => (1, 1, 0),
        }
    }

    /// The gates in ONNX's order, as our layers number them: of an LSTM these are i, o, f, c, here
    /// i, f, c, o; of a GRU z, r, h in both.
    fn gates(self) -> &'static [usize] {
        match self {
            Self::Lstm => &[0, 3, 1, 2],
            Self::Gru { .. } => &[0, 1, 2],
            Self::Rnn => &[0],
        }
    }

    fn op(self) -> &'static str {
        match self {
            Self::Lstm => "LSTM",
            Self::Gru { .. } => "GRU",
            Self::Rnn => "RNN",
        }
    }

    /// The step: what is carried next, then the output if it is stacked.
    fn step(self, scan: &Scan, [gate, new]: [Activation; 2]) -> Option<Graph> {
        let (carries, gates, biases) = self.form();
        let types = scan.body.inputs().iter().map(|&id| scan.body.ty(id.into()).clone());
        let types: Vec<Type> = types.collect();
        if scan.carries != carries
            || scan.sequences != gates
            || types.len() != carries + gates + gates + biases
        {
            return None;
        }
        let tracer = Tracer::new("step");
        let inputs = types.into_iter().enumerate();
        let inputs: Vec<Var> = inputs.map(|(at, ty)| tracer.input(&format!("p{at}"), ty)).collect();
        let (state, rest) = inputs.split_at(carries);
        let (x, rest) = rest.split_at(gates);
        let (recurrent, biases) = rest.split_at(gates);
        let product = |h: &Var, gate: usize| {
            let product = h.matmul(&recurrent[gate]);
            match biases.get(gate) {
                Some(bias) => product + bias,
                None => product,
            }
        };
        let h = &state[0];
        let next = match self {
            Self::Lstm => {
                let sum = |gate: usize| &x[gate] + product(h, gate);
                let [i, f] = [0, 1].map(|number| gate.of(&sum(number)));
                let (c, o) = (new.of(&sum(2)), gate.of(&sum(3)));
                let c = f * &state[1] + i * c;
                vec![o * new.of(&c), c]
            }
            Self::Gru { reset_after, .. } => {
                let [z, r] = [0, 1].map(|number| gate.of(&(&x[number] + product(h, number))));
                let inner = if reset_after { r * product(h, 2) } else { product(&(r * h), 2) };
                let new = new.of(&(&x[2] + inner));
                vec![&z * h + (1.0 - &z) * new]
            }
            Self::Rnn => vec![new.of(&(&x[0] + product(h, 0)))],
        };
        let stacked = scan.body.outputs().len() > carries;
        next.iter().for_each(|value| tracer.output(value));
        if stacked {
            tracer.output(&next[0]);
        }
        tracer.finish().ok()
    }
}

/// An activation that ONNX's recurrent ops have, and that is the same there bit for bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Activation {
    Sigmoid,
    Tanh,
    Relu,
}

impl Activation {
    const ALL: [Self; 3] = [Self::Sigmoid, Self::Tanh, Self::Relu];

    fn of(self, x: &Var) -> Var {
        match self {
            Self::Sigmoid => x.sigmoid(),
            Self::Tanh => x.tanh(),
            Self::Relu => x.relu(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Sigmoid => "Sigmoid",
            Self::Tanh => "Tanh",
            Self::Relu => "Relu",
        }
    }
}

/// Whether both graphs compute their outputs from their inputs by the same ops.
fn same(a: &Graph, b: &Graph) -> bool {
    let mut pairs: Vec<(Value, Value)> = Vec::new();
    let mut pending: Vec<(Value, Value)> =
        a.outputs().iter().zip(b.outputs()).map(|(a, b)| (a.value, b.value)).collect();
    if a.outputs().len() != b.outputs().len() {
        return false;
    }
    while let Some((x, y)) = pending.pop() {
        if pairs.contains(&(x, y)) {
            continue;
        }
        pairs.push((x, y));
        let (own, other) = (a.inputs(), b.inputs());
        let input = own.iter().position(|&id| id == x.node);
        if input != other.iter().position(|&id| id == y.node) || a.ty(x) != b.ty(y) {
            return false;
        }
        if input.is_some() {
            continue;
        }
        let (left, right) = (a.operands(x.node), b.operands(y.node));
        if a.node(x.node).op != b.node(y.node).op || left.len() != right.len() || x.port != y.port {
            return false;
        }
        pending.extend(left.into_iter().zip(right));
    }
    true
}

/// A loop that is a recurrent layer.
#[derive(Debug)]
struct Layer {
    kind: Kind,
    activations: [Activation; 2],
    /// [time, batch, features].
    x: Value,
    /// The kernel of each gate, [features, units].
    kernels: Vec<Value>,
    /// The bias of each gate, [units].
    biases: Option<Vec<Value>>,
}

impl Layer {
    fn of(e: &Emit<'_, '_>, id: NodeId, scan: &Scan) -> Result<Option<Self>, ExportError> {
        let operands = e.operands(id);
        let is_vectors = scan.body.inputs().iter().take(scan.carries + scan.sequences);
        let mut is_vectors = is_vectors.map(|&input| scan.body.ty(input.into()));
        // A scan without steps has no output to speak of.
        if scan.length == 0 || !is_vectors.all(|ty| ty.dtype.is_float() && ty.shape.rank() == 2) {
            return Ok(None);
        }
        let kinds = [
            Kind::Lstm,
            Kind::Gru { reset_after: true, recurrent_bias: true },
            Kind::Gru { reset_after: true, recurrent_bias: false },
            Kind::Gru { reset_after: false, recurrent_bias: false },
            Kind::Rnn,
        ];
        let pairs = Activation::ALL.map(|gate| Activation::ALL.map(|new| [gate, new]));
        let found = kinds.into_iter().find_map(|kind| {
            let mut pairs = pairs.iter().flatten();
            let fits = |activations: &&[Activation; 2]| {
                kind.step(scan, **activations).is_some_and(|step| same(&scan.body, &step))
            };
            pairs.find(fits).map(|activations| (kind, *activations))
        });
        let Some((kind, activations)) = found else { return Ok(None) };
        let gates = operands[scan.carries..scan.carries + scan.sequences].iter();
        let gates: Option<Vec<_>> = gates.map(|&gate| projection(e, gate)).collect();
        let Some(gates) = gates else { return Ok(None) };
        let x = gates[0].0;
        let kernels = gates.iter().map(|gate| gate.1).collect();
        let biases: Option<Vec<Value>> = gates.iter().map(|gate| gate.2).collect();
        let any_bias = gates.iter().any(|gate| gate.2.is_some());
        let one_input = gates.iter().all(|gate| gate.0 == x);
        if !one_input || any_bias != biases.is_some() {
            return Ok(None);
        }
        let has_recurrent = matches!(kind, Kind::Gru { recurrent_bias: true, .. });
        if has_recurrent && biases.is_none() {
            return Ok(None);
        }
        Ok(Some(Self { kind, activations, x, kernels, biases }))
    }

    fn write(self, e: &mut Emit<'_, '_>, id: NodeId, scan: &Scan) -> Result<(), ExportError> {
        let operands = e.operands(id);
        let (carries, gates, recurrent_biases) = self.kind.form();
        let shared = &operands[carries + gates..];
        let order = self.kind.gates();
        let x = e.plain(self.x)?;
        let kernels: Vec<Value> = order.iter().map(|&gate| self.kernels[gate]).collect();
        let recurrent: Vec<Value> = order.iter().map(|&gate| shared[gate]).collect();
        let w = matrices(e, &kernels)?;
        let r = matrices(e, &recurrent)?;
        let b = match &self.biases {
            None => String::new(),
            Some(biases) => {
                let mut all: Vec<String> = Vec::new();
                for &gate in order {
                    all.push(e.plain(biases[gate])?);
                }
                let ty = e.ty(operands[0])?;
                let units = ty.extents[1].fixed().unwrap_or(0);
                for &gate in order {
                    all.push(match shared.get(gates + gate).filter(|_| recurrent_biases > 0) {
                        Some(&bias) => e.plain(bias)?,
                        None => zeros(e, ty.dtype, units),
                    });
                }
                let all: Vec<&str> = all.iter().map(String::as_str).collect();
                let all = e.op("Concat", &all, vec![attribute("axis", Attribute::Int(0))]);
                unsqueezed(e, &all)
            }
        };
        let mut inputs = vec![x, w, r, b];
        let mut firsts = Vec::new();
        for &carry in &operands[..carries] {
            firsts.push(match is_zero(e, carry) {
                true => None,
                false => Some(e.plain(carry)?),
            });
        }
        if firsts.iter().any(Option::is_some) {
            // No sequence has a length of its own.
            inputs.push(String::new());
            for first in firsts {
                inputs.push(match first {
                    Some(first) => unsqueezed(e, &first),
                    None => String::new(),
                });
            }
        }
        while inputs.last().is_some_and(String::is_empty) {
            inputs.pop();
        }
        let units = e.ty(operands[0])?.extents[1].fixed().unwrap_or(0);
        let [gate, new] = self.activations.map(Activation::name);
        let activations = match self.kind {
            Kind::Lstm => vec![gate, new, new],
            Kind::Gru { .. } => vec![gate, new],
            Kind::Rnn => vec![new],
        };
        let mut attributes = vec![
            attribute("hidden_size", Attribute::Int(units as i64)),
            attribute("activations", Attribute::Texts(activations)),
        ];
        if scan.reverse {
            attributes.push(attribute("direction", Attribute::Text("reverse")));
        }
        if matches!(self.kind, Kind::Gru { reset_after: true, .. }) {
            attributes.push(attribute("linear_before_reset", Attribute::Int(1)));
        }
        let op = self.kind.op();
        let names: Vec<String> = (0..=carries).map(|_| e.fresh(op)).collect();
        e.nodes.push(super::writer::node(op, inputs, names.clone(), attributes));
        for (port, name) in names[1..].iter().enumerate() {
            let last = squeezed(e, name, 0);
            e.give(Value { node: id, port: port as u32 }, Stored::plain(last));
        }
        if scan.body.outputs().len() > carries {
            let all = squeezed(e, &names[0], 1);
            e.give(Value { node: id, port: carries as u32 }, Stored::plain(all));
        }
        Ok(())
    }
}

/// x, kernel and bias of a gate `reshape(reshape(x)·kernel + bias)`.
fn projection(e: &Emit<'_, '_>, gate: Value) -> Option<(Value, Value, Option<Value>)> {
    let operands = |value: Value| e.operands(value.node);
    let reshaped = |value: Value| match e.producer(value).op {
        Op::Reshape(_) => Some(operands(value)[0]),
        _ => None,
    };
    let sum = reshaped(gate)?;
    let (product, bias) = match e.producer(sum).op {
        Op::Add(_) => (operands(sum)[0], Some(operands(sum)[1])),
        _ => (sum, None),
    };
    let plain = match &e.producer(product).op {
        Op::Matmul(op) => !op.transpose_a && !op.transpose_b,
        _ => false,
    };
    if !plain {
        return None;
    }
    let (rows, kernel) = (operands(product)[0], operands(product)[1]);
    let x = reshaped(rows)?;
    let (all, flat, gates) = (e.ty(x).ok()?, e.ty(rows).ok()?, e.ty(gate).ok()?);
    let fits = all.rank() == 3
        && flat.rank() == 2
        && all.extents[2] == flat.extents[1]
        && all.extents[..2] == gates.extents[..2]
        && bias.is_none_or(|bias| e.ty(bias).is_ok_and(|ty| ty.rank() == 1));
    fits.then_some((x, kernel, bias))
}

/// Matrices [a, b] as one [1, b of all, a].
fn matrices(e: &mut Emit<'_, '_>, parts: &[Value]) -> Result<String, ExportError> {
    let mut names = Vec::new();
    for &part in parts {
        names.push(e.plain(part)?);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let joined = match names[..] {
        [only] => only.to_owned(),
        _ => e.op("Concat", &names, vec![attribute("axis", Attribute::Int(1))]),
    };
    let turned = e.transposed(&joined, vec![1, 0]);
    Ok(unsqueezed(e, &turned))
}

fn unsqueezed(e: &mut Emit<'_, '_>, x: &str) -> String {
    let axes = e.w.ints(&[0]);
    e.op("Unsqueeze", &[x, &axes], vec![])
}

fn squeezed(e: &mut Emit<'_, '_>, x: &str, axis: i64) -> String {
    let axes = e.w.ints(&[axis]);
    e.op("Squeeze", &[x, &axes], vec![])
}

fn zeros(e: &mut Emit<'_, '_>, dtype: DType, count: usize) -> String {
    let tensor = Tensor::zeros(&Type::new(dtype, [count]));
    e.w.constant(&tensor)
}

/// Whether a value is +0 everywhere.
fn is_zero(e: &Emit<'_, '_>, value: Value) -> bool {
    match &e.producer(value).op {
        Op::Broadcast(_) => is_zero(e, e.operands(value.node)[0]),
        Op::Constant(constant) => is_all_zero(constant.value()),
        _ => false,
    }
}

fn is_all_zero(data: &Data) -> bool {
    data.canonical_bits().iter().all(|&bits| bits == 0)
}
