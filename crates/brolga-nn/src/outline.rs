//! The parts of a network and what connects them, for summaries and pictures.

use brolga_ir::Type;

use crate::layers::Layer;
use crate::network::BuiltLayer;

/// The parts of a network and what connects them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outline {
    /// The parts in the order of their layers.
    pub parts: Vec<Part>,
    /// The parts that take the inputs of the network, in the order of the inputs.
    pub inputs: Vec<usize>,
    /// The outputs of the network.
    pub outputs: Vec<Source>,
}

/// A layer, or a nested model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The name.
    pub name: String,
    /// The class name.
    pub class_name: &'static str,
    /// The name of the layer's activation, if it has one among its arguments.
    pub activation: Option<String>,
    /// How many of the network's built layers it is.
    pub layers: usize,
    /// What each of its calls takes.
    pub calls: Vec<Vec<Source>>,
    /// The parts of a nested model.
    pub inside: Option<Outline>,
}

/// A tensor within a network: a result of a call of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// The part.
    pub part: usize,
    /// Which of its calls.
    pub call: usize,
    /// Which result of the call.
    pub result: usize,
}

impl Part {
    /// A layer that nothing is connected to yet.
    pub fn new(name: String, class_name: &'static str) -> Self {
        Self { name, class_name, activation: None, layers: 1, calls: vec![], inside: None }
    }

    /// The same with the activation of this layer.
    #[must_use]
    pub fn with_activation_of(mut self, layer: &dyn Layer) -> Self {
        // A layer that cannot be written as JSON, such as a closure, has no such argument.
        let config = layer.config().unwrap_or_default();
        let activation = config.get("activation");
        let name = activation.and_then(|a| a.as_str().or_else(|| a.get("class_name")?.as_str()));
        self.activation = name.map(str::to_owned);
        self
    }

    /// The types of a sample of its inputs where it is called first; `layers` are its own.
    pub fn input_types<'b>(&self, layers: &'b [BuiltLayer]) -> Vec<&'b Type> {
        match &self.inside {
            Some(outline) => outline.input_types(layers),
            None => layers.iter().take(1).flat_map(|layer| &layer.inputs).collect(),
        }
    }

    /// The types of a sample of its results where it is called first; `layers` are its own.
    pub fn output_types<'b>(&self, layers: &'b [BuiltLayer]) -> Vec<&'b Type> {
        match &self.inside {
            Some(outline) => outline.output_types(layers),
            None => layers.iter().take(1).flat_map(|layer| &layer.outputs).collect(),
        }
    }
}

impl Outline {
    /// Parts of which each takes what the one before gives.
    pub fn chain(parts: impl IntoIterator<Item = Part>) -> Self {
        let source = |part| Source { part, call: 0, result: 0 };
        let chained = |(number, part): (usize, Part)| {
            let before: Option<usize> = number.checked_sub(1);
            Part { calls: vec![before.map(source).into_iter().collect()], ..part }
        };
        let parts: Vec<Part> = parts.into_iter().enumerate().map(chained).collect();
        let inputs = (0..parts.len().min(1)).collect();
        let outputs = parts.len().checked_sub(1).map(source).into_iter().collect();
        Self { parts, inputs, outputs }
    }

    /// Whether each part takes what the one before gives.
    pub fn is_chain(&self) -> bool {
        let follows = |(number, part): (usize, &Part)| match &part.calls[..] {
            [call] => match &call[..] {
                [] => number == 0,
                [source] => source.part + 1 == number && source.result == 0,
                _ => false,
            },
            _ => false,
        };
        self.parts.iter().enumerate().all(follows)
    }

    /// What a part takes, as Keras's summaries write it: `dense[0][0]` is layer, call and result.
    pub fn connected_to(&self, part: &Part) -> String {
        let tensor = |&Source { part, call, result }: &Source| {
            format!("{}[{call}][{result}]", self.parts[part].name)
        };
        let tensors: Vec<String> = part.calls.iter().flatten().map(tensor).collect();
        if tensors.is_empty() { "-".to_owned() } else { tensors.join(", ") }
    }

    /// Each part with its share of the network's built layers.
    pub fn with_layers<'a, 'b>(
        &'a self,
        layers: &'b [BuiltLayer],
    ) -> impl Iterator<Item = (&'a Part, &'b [BuiltLayer])> {
        let mut rest = layers;
        self.parts.iter().map(move |part| {
            let (own, others) = rest.split_at(part.layers.min(rest.len()));
            rest = others;
            (part, own)
        })
    }

    fn input_types<'b>(&self, layers: &'b [BuiltLayer]) -> Vec<&'b Type> {
        let parts: Vec<_> = self.with_layers(layers).collect();
        let of = |&part: &usize| {
            let (part, own) = parts[part];
            part.input_types(own)
        };
        self.inputs.iter().flat_map(of).collect()
    }

    fn output_types<'b>(&self, layers: &'b [BuiltLayer]) -> Vec<&'b Type> {
        let parts: Vec<_> = self.with_layers(layers).collect();
        let of = |source: &Source| {
            let (part, own) = parts[source.part];
            part.output_types(own).get(source.result).copied()
        };
        self.outputs.iter().filter_map(of).collect()
    }
}
