//! The variables of Keras's optimizers, which are a list without names.

use brolga_ir::{DType, Shape, Type};
use brolga_nn::model::{ITERATIONS, LEARNING_RATE, Weight};
use brolga_nn::optimizers::{self, LearningRate, Optimizer, state_prefix};

/// A variable.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Variable {
    /// A state of the model, and its name in older files.
    State(String, String),
    /// The mean of the squared gradient of a weight, where the states are its variance and the mean
    /// gradient.
    SquaredMean(String, String, String),
    /// Zeros that Keras keeps and never reads.
    Zeros(Vec<usize>, String),
}

impl Variable {
    /// The name that files which have one give it.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::State(_, name) | Self::SquaredMean(_, _, name) | Self::Zeros(_, name) => name,
        }
    }
}

/// The variables of an optimizer of these weights, in Keras's order: the counter, the learning rate
/// unless it follows a schedule, averages of weights, sums of gradients, slots.
pub(crate) fn variables(optimizer: &dyn Optimizer, weights: &[&Weight]) -> Vec<Variable> {
    let prefix = state_prefix(optimizer);
    let group = brolga_nn::registry::snake_case(optimizer.class_name());
    let own = |state: &str| format!("{group}/{state}");
    let mut variables = vec![Variable::State(ITERATIONS.to_owned(), own("iteration"))];
    if matches!(optimizer.learning_rate(), LearningRate::Constant(_)) {
        variables.push(Variable::State(LEARNING_RATE.to_owned(), own("learning_rate")));
    }
    let slots = |weight: &Weight| -> Vec<String> {
        let slots = optimizers::slots(optimizer, &weight.path(), &weight.ty);
        slots.into_iter().map(|slot| slot.name.to_owned()).collect()
    };
    let named = |weight: &Weight, slot: &str, file: &str| {
        let name = own(&format!("{}_{file}", weight.path().replace('/', "_")));
        Variable::State(format!("{prefix}/{}/{slot}", weight.path()), name)
    };
    let class = optimizer.class_name();
    // Slots that stand together for all weights, one kind after the other; what is left stands
    // together for each weight.
    let before: &[&str] = &["average", "gradient_accumulator"];
    let (first, last): (&[&str], &[&str]) = match class {
        "RMSprop" => (&["velocity", "variance", "momentum", "average_gradient"], &[]),
        "Adam" | "AdamW" => (&[], &["velocity_hat"]),
        _ => (&[], &[]),
    };
    let together = |kinds: &[&str], variables: &mut Vec<Variable>| {
        for kind in kinds {
            for weight in weights {
                if !slots(weight).iter().any(|slot| slot == kind) {
                    continue;
                }
                let state = |slot: &str| format!("{prefix}/{}/{slot}", weight.path());
                variables.push(match (*kind, named(weight, kind, "velocity")) {
                    ("variance", Variable::State(variance, name)) => {
                        Variable::SquaredMean(variance, state("average_gradient"), name)
                    }
                    _ => named(weight, kind, kind),
                });
            }
        }
    };
    together(before, &mut variables);
    together(first, &mut variables);
    for weight in weights {
        let slots = slots(weight);
        if class == "Adafactor" {
            variables.extend(adafactor(weight, &slots, &named, &own));
            continue;
        }
        let apart = |slot: &&String| {
            let slot = slot.as_str();
            !before.contains(&slot) && !first.contains(&slot) && !last.contains(&slot)
        };
        variables.extend(slots.iter().filter(apart).map(|slot| named(weight, slot, slot)));
    }
    together(last, &mut variables);
    let states = optimizer.states().into_iter();
    variables.extend(
        states.map(|slot| Variable::State(format!("{prefix}/{}", slot.name), own(slot.name))),
    );
    variables
}

/// Three variables for each weight, of which one or two are read.
fn adafactor(
    weight: &Weight,
    slots: &[String],
    named: &dyn Fn(&Weight, &str, &str) -> Variable,
    own: &dyn Fn(&str) -> String,
) -> Vec<Variable> {
    let file = |slot: &str| own(&format!("{}_{slot}", weight.path().replace('/', "_")));
    let one = |slot: &str, shape: &[usize]| match slots.iter().any(|known| known == slot) {
        true => named(weight, slot, slot),
        false => Variable::Zeros(shape.to_vec(), file(slot)),
    };
    vec![one("r", &[]), one("c", &[]), one("velocity", &weight.ty.shape)]
}

/// The type of zeros of this shape.
pub(crate) fn zeros(shape: &[usize]) -> Type {
    Type::new(DType::F32, Shape::new(shape.iter().copied()))
}
