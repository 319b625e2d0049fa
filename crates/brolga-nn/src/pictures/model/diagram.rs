//! What a picture of a model consists of: boxes with texts, frames, arrows.

use brolga_ir::{DType, Type};

use super::PlotModel;
use crate::error::with_batch;
use crate::network::BuiltLayer;
use crate::outline::{Outline, Part};

/// Boxes and frames, and the arrows between boxes.
#[derive(Debug)]
pub(super) struct Diagram {
    pub(super) name: String,
    pub(super) nodes: Vec<Node>,
    /// From one box to another one.
    pub(super) arrows: Vec<(usize, usize)>,
}

/// A box, or a frame around the nodes that have it as their parent.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) title: String,
    /// A label and a text each.
    pub(super) rows: Vec<(&'static str, String)>,
    pub(super) is_frame: bool,
    pub(super) parent: Option<usize>,
}

/// Where the arrows of a part begin and end.
enum Ends {
    Box(usize),
    /// The boxes that take the inputs and give the outputs of a nested model.
    Frame {
        inputs: Vec<usize>,
        outputs: Vec<usize>,
    },
}

impl Ends {
    fn input(&self, number: usize) -> Option<usize> {
        match self {
            Self::Box(node) => Some(*node),
            Self::Frame { inputs, .. } => inputs.get(number).copied(),
        }
    }

    fn output(&self, number: usize) -> Option<usize> {
        match self {
            Self::Box(node) => Some(*node),
            Self::Frame { outputs, .. } => outputs.get(number).copied(),
        }
    }
}

impl Diagram {
    pub(super) fn new(
        options: &PlotModel,
        name: &str,
        outline: &Outline,
        layers: &[BuiltLayer],
    ) -> Self {
        let mut diagram = Self { name: name.to_owned(), nodes: vec![], arrows: vec![] };
        diagram.open(options, outline, layers, None);
        diagram
    }

    /// Adds the parts of a model inside of a frame.
    fn open(
        &mut self,
        options: &PlotModel,
        outline: &Outline,
        layers: &[BuiltLayer],
        frame: Option<usize>,
    ) -> Ends {
        let mut ends = vec![];
        for (part, own) in outline.with_layers(layers) {
            let number = self.nodes.len();
            let (title, parent) = (options.title(part), frame);
            let inside = part.inside.as_ref().filter(|_| options.expand_nested);
            let rows = if inside.is_some() { vec![] } else { options.rows(part, own) };
            self.nodes.push(Node { title, rows, is_frame: inside.is_some(), parent });
            ends.push(match inside {
                Some(inside) => self.open(options, inside, own, Some(number)),
                None => Ends::Box(number),
            });
        }
        let output = |source: &crate::outline::Source| ends[source.part].output(source.result);
        for (part, end) in outline.parts.iter().zip(&ends) {
            for (number, source) in part.calls.iter().flat_map(|call| (0..).zip(call)) {
                self.arrows.extend(output(source).zip(end.input(number)));
            }
        }
        Ends::Frame {
            inputs: outline.inputs.iter().filter_map(|&part| ends[part].input(0)).collect(),
            outputs: outline.outputs.iter().filter_map(output).collect(),
        }
    }
}

impl PlotModel {
    fn title(&self, part: &Part) -> String {
        // A `Sequential` calls it by our name, a functional model by Keras's.
        let class = if is_input(part) { "InputLayer" } else { part.class_name };
        if self.show_layer_names { format!("{} ({class})", part.name) } else { class.to_owned() }
    }

    fn rows(&self, part: &Part, layers: &[BuiltLayer]) -> Vec<(&'static str, String)> {
        let (inputs, outputs) = (part.input_types(layers), part.output_types(layers));
        let mut rows = vec![];
        if let Some(activation) = part.activation.as_ref().filter(|_| self.show_layer_activations) {
            rows.push(("activation", activation.clone()));
        }
        if self.show_shapes {
            if !is_input(part) {
                rows.push(("input", listed(&inputs, |ty| with_batch(&ty.shape))));
            }
            rows.push(("output", listed(&outputs, |ty| with_batch(&ty.shape))));
        }
        if self.show_dtype {
            let mut names: Vec<_> = outputs.iter().map(|ty| dtype(ty.dtype)).collect();
            names.dedup();
            rows.push(("dtype", names.join(", ")));
        }
        let mut weights = layers.iter().flat_map(|layer| &layer.weights).peekable();
        if self.show_trainable && weights.peek().is_some() {
            let is_trainable = weights.any(|weight| weight.trainable);
            rows.push(("trainable", if is_trainable { "yes" } else { "no" }.to_owned()));
        }
        rows
    }
}

/// Whether a part stands for an input of the model.
fn is_input(part: &Part) -> bool {
    matches!(part.class_name, "Input" | "InputLayer")
}

/// One, or a list in brackets.
fn listed(types: &[&Type], show: impl Fn(&Type) -> String) -> String {
    match types {
        [ty] => show(ty),
        _ => format!("[{}]", types.iter().map(|ty| show(ty)).collect::<Vec<_>>().join(", ")),
    }
}

/// Keras's name of an element type.
fn dtype(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "float32",
        DType::F64 => "float64",
        DType::BF16 => "bfloat16",
        DType::F16 => "float16",
        DType::I64 => "int64",
        DType::I32 => "int32",
        DType::U8 => "uint8",
        DType::Bool => "bool",
    }
}
