//! The models of a step.

use std::collections::HashSet;

use brolga_ir::{Tracer, Type};
use brolga_runtime::{Options, State};

use super::super::session::Session;
use super::super::step::{First, StateSpec};
use crate::error::NnError;
use crate::model::Model;
use crate::network::{Built, Network};
use crate::states::{SEED, STEP};
use brolga_ir::{DType, Role};

/// A model that can be given to a [`TrainStep`](super::TrainStep): every [`Model`].
pub trait Trainee: parts::Parts {}

impl<N: Network> Trainee for Model<N> {}

pub(super) mod parts {
    use super::{Built, Network, NnError, Session};

    /// A built model taken apart.
    pub struct OfModel<'a> {
        pub(in super::super) network: &'a dyn Network,
        pub(in super::super) built: &'a Built,
        pub(in super::super) session: &'a mut Session,
    }

    pub trait Parts {
        fn parts(&mut self) -> Result<OfModel<'_>, NnError>;
    }
}

use parts::{OfModel, Parts};

impl<N: Network> Parts for Model<N> {
    fn parts(&mut self) -> Result<OfModel<'_>, NnError> {
        let (plan, _, session): (_, &Options, _) = self.ready("run", None)?;
        Ok(OfModel { network: plan.network, built: plan.built, session })
    }
}

/// A weight as a step knows it: a model that has others is another one.
type Known = (String, Type, bool);

/// What a step has to know of one of its models.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OfStep {
    /// What the names of the model's states begin with; `None` if it is the only model.
    pub(super) prefix: Option<String>,
    weights: Vec<Known>,
}

impl OfStep {
    /// What is to be known of these models. Several models have names of their own.
    pub(super) fn all(models: &[OfModel<'_>]) -> Vec<Self> {
        let mut taken = HashSet::new();
        let several = models.len() > 1;
        let of_step = |model: &OfModel<'_>| {
            let own = model.network.name();
            let numbered = (1..).map(|number| format!("{own}_{number}"));
            let mut names = std::iter::once(own.to_owned()).chain(numbered);
            let name = names.find(|name| taken.insert(name.clone())).unwrap_or_default();
            let weights = model.built.weights();
            let weights = weights.map(|w| (w.path(), w.ty.clone(), w.trainable)).collect();
            Self { prefix: several.then_some(name), weights }
        };
        models.iter().map(of_step).collect()
    }

    /// The name of a state of the model in the step.
    pub(super) fn name(&self, state: &str) -> String {
        self.prefix.as_ref().map_or_else(|| state.to_owned(), |prefix| format!("{prefix}/{state}"))
    }

    /// The model's states as those of the step: its weights, and where its random layers stand.
    pub(super) fn states(&self) -> impl Iterator<Item = StateSpec> {
        let random = [(SEED, Type::new(DType::I32, [2])), (STEP, Type::scalar(DType::I32))];
        let random = random.map(|(name, ty)| (name.to_owned(), ty));
        let weights = self.weights.iter().map(|(name, ty, _)| (name.clone(), ty.clone()));
        weights.chain(random).map(|(name, ty)| StateSpec {
            owner: (self.name(name.rsplit_once('/').map_or("", |(layer, _)| layer)), Role::Forward),
            name: self.name(&name),
            ty,
            first: First::Value(0.0),
        })
    }

    /// Copies the model's states into those of the step, or back.
    pub(super) fn copy(
        &self,
        model: &mut State,
        step: &mut State,
        back: bool,
    ) -> Result<(), NnError> {
        for (path, ..) in &self.weights {
            let [model, step] = [model.slice_mut::<f32>(path)?, step.slice_mut(&self.name(path))?];
            if back { model.copy_from_slice(step) } else { step.copy_from_slice(model) }
        }
        for name in [SEED, STEP] {
            let [model, step] = [model.slice_mut::<i32>(name)?, step.slice_mut(&self.name(name))?];
            if back { model.copy_from_slice(step) } else { step.copy_from_slice(model) }
        }
        Ok(())
    }

    /// The states from which the model's random layers take their numbers.
    pub(super) fn random(&self, tracer: &Tracer) -> [brolga_ir::Var; 2] {
        [
            tracer.state(&self.name(SEED), Type::new(DType::I32, [2])),
            tracer.state(&self.name(STEP), Type::scalar(DType::I32)),
        ]
    }
}
