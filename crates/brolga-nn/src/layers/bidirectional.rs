//! A recurrent layer in both directions.

use std::sync::Arc;

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::recurrent::{KEYWORDS, Recurrence, Steps, expect_recurrent};
use super::{Base, Layer, WeightSpec, layer};
use crate::error::NnError;
use crate::registry::{Choice, snake_case};
use crate::setters::setters;
use crate::trace::Call;

/// Runs a recurrent layer over a sequence in both directions, and merges the outputs:
/// `Bidirectional::new(LSTM::new(8))`.
///
/// | `merge_mode` | output for the outputs `f` and `b`, in the order of the input |
/// |---|---|
/// | `"concat"`, the default | `f` and `b` along the last axis |
/// | `"sum"`, `"mul"`, `"ave"` | `f + b`, `f ⊙ b`, `(f + b) / 2` |
/// | none | two outputs, `f` and `b` |
///
/// With `return_state` the last states of both follow; `initial_state` of the
/// [call](crate::model::CallArguments) has those of the forward layer, then those of the other.
/// With `return_sequences` the output of masked steps is 0.
///
/// Weights: those of both layers, whose names begin with `forward_` and `backward_` and the class,
/// as `forward_lstm/lstm_cell/kernel`.
///
/// A mistake if a layer is not recurrent, both go the same way, or they differ in what they return.
///
/// Keras: <https://keras.io/api/layers/recurrent_layers/bidirectional/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bidirectional {
    #[serde(flatten)]
    base: Base,
    #[serde(default = "concat")]
    merge_mode: Option<String>,
    layer: Choice<dyn Layer>,
    #[serde(default)]
    backward_layer: Option<Choice<dyn Layer>>,
}

fn concat() -> Option<String> {
    Some("concat".to_owned())
}

layer!(Bidirectional);

/// Both directions: the layers, and what they run.
type Directions = [(String, Arc<dyn Layer>, Steps); 2];

impl Bidirectional {
    /// Runs this layer in both directions.
    pub fn new(layer: impl Into<Choice<dyn Layer>>) -> Self {
        let (base, merge_mode) = (Base::default(), concat());
        Self { base, merge_mode, layer: layer.into(), backward_layer: None }
    }

    setters! {
        /// The layer for the other direction, in place of the same one.
        backward_layer: some Choice<dyn Layer>,
    }

    /// How both outputs become one: `"concat"`, the default, `"sum"`, `"mul"`, `"ave"`, or not at
    /// all.
    #[must_use]
    pub fn merge_mode<'m>(mut self, merge_mode: impl Into<Option<&'m str>>) -> Self {
        self.merge_mode = merge_mode.into().map(str::to_owned);
        self
    }

    fn directions(&self) -> Result<Directions, Mistake> {
        const CLASS: &str = "Bidirectional";
        let known = ["concat", "sum", "mul", "ave"];
        if let Some(other) = self.merge_mode.as_deref().filter(|mode| !known.contains(mode)) {
            let message = format!("{CLASS} has no merge mode `{other}`");
            return Err(Mistake::new(message).help("it is concat, sum, mul, ave, or none"));
        }
        let resolve = |layer: &Choice<dyn Layer>| layer.resolve().map_err(NnError::into_mistake);
        let forward = resolve(&self.layer)?;
        let own = *expect_recurrent(CLASS, &forward)?.steps;
        let (backward, other) = match &self.backward_layer {
            Some(layer) => {
                let layer = resolve(layer)?;
                let steps = *expect_recurrent(CLASS, &layer)?.steps;
                (layer, steps)
            }
            None => (Arc::clone(&forward), Steps { go_backwards: !own.go_backwards, ..own }),
        };
        if own.go_backwards == other.go_backwards {
            let message = format!("both layers of {CLASS} go the same way");
            return Err(Mistake::new(message).help("`go_backwards(true)` turns one of them around"));
        }
        let returns = |steps: &Steps| (steps.return_sequences, steps.return_state, steps.stateful);
        if returns(&own) != returns(&other) {
            let message = format!("the layers of {CLASS} differ in what they return");
            let help = "return_sequences, return_state and stateful have to be the same";
            return Err(Mistake::new(message).help(help));
        }
        let zero = |steps: Steps| Steps { zero_output_for_mask: steps.return_sequences, ..steps };
        let name =
            |way: &str, layer: &Arc<dyn Layer>| format!("{way}_{}", snake_case(layer.class_name()));
        Ok([
            (name("forward", &forward), forward, zero(own)),
            (name("backward", &backward), backward, zero(other)),
        ])
    }

    fn merged(&self, call: &mut Call<'_>, inputs: &[Var]) -> Result<Vec<Var>, Mistake> {
        let directions = self.directions()?;
        let given: Vec<Var> = match call.keywords().get("initial_state") {
            Some(keyword) => keyword.tensors().cloned().collect(),
            None => inputs[1..].to_vec(),
        };
        let half = given.len() / 2;
        let given = [&given[..half], &given[half..]];
        let mut outputs = Vec::new();
        let mut states = Vec::new();
        for ((name, layer, steps), given) in directions.iter().zip(given) {
            let inner = expect_recurrent("Bidirectional", layer)?;
            let recurrence = Recurrence { steps, ..inner };
            let mut ran = call.part(name, |call| {
                let inputs: Vec<Var> = inputs[..1].iter().chain(given).cloned().collect();
                recurrence.run(call, &inputs)
            });
            outputs.extend(ran.output());
            states.append(&mut ran.states());
        }
        let [forward, backward] = &outputs[..] else {
            return Err(Mistake::new("Bidirectional has no output"));
        };
        let last = forward.shape().rank().saturating_sub(1);
        let mut merged = match self.merge_mode.as_deref() {
            Some("sum") => vec![forward + backward],
            Some("mul") => vec![forward * backward],
            Some("ave") => vec![(forward + backward) * 0.5],
            Some(_) => vec![forward.concat(&[backward], last)],
            None => outputs.clone(),
        };
        let steps = &directions[0].2;
        let mask = call.mask_if_any(&inputs[0]).filter(|_| steps.return_sequences);
        merged.iter().for_each(|output| call.set_mask(output, mask.as_ref()));
        if steps.return_state {
            states.iter().for_each(|state| call.set_mask(state, None));
            merged.extend(states);
        }
        Ok(merged)
    }
}

impl Layer for Bidirectional {
    fn base(&self) -> &Base {
        &self.base
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn keywords(&self) -> &'static [&'static str] {
        &KEYWORDS
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let mut weights = Vec::new();
        for (name, layer, _) in self.directions()? {
            weights.extend(layer.build(inputs)?.into_iter().map(|mut spec| {
                spec.name = format!("{name}/{}", spec.name);
                spec
            }));
        }
        Ok(weights)
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        match self.merged(call, inputs) {
            Ok(outputs) => outputs,
            Err(mistake) => vec![call.tracer().fail(mistake)],
        }
    }
}
