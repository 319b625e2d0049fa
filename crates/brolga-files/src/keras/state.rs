//! The states of a model as arrays, and back.

use brolga_ir::{DType, Mistake, Tensor, Type};
use brolga_nn::NnError;
use brolga_nn::model::{ITERATIONS, LEARNING_RATE, STEP, Session};
use brolga_nn::optimizers::LearningRate;
use brolga_runtime::State;

use crate::array::Array;
use crate::error::Content;

/// States that are being changed: nothing changes in the model before [`Changed::done`].
pub(crate) struct Changed<'s> {
    session: &'s mut Session,
    state: State,
}

pub(crate) fn mistake(error: impl Into<NnError>) -> Mistake {
    match error.into() {
        NnError::Argument(mistake) => mistake,
        other => {
            let text = other.to_string();
            match text.split_once("\n  help: ") {
                Some((message, help)) => Mistake::new(message).help(help),
                None => Mistake::new(text),
            }
        }
    }
}

impl<'s> Changed<'s> {
    pub(crate) fn new(session: &'s mut Session) -> Content<Self> {
        session.use_averages(false).map_err(mistake)?;
        let state = session.snapshot().map_err(mistake)?;
        Ok(Self { session, state })
    }

    /// The type of a state, if there is one of this name.
    pub(crate) fn ty(&self, name: &str) -> Option<&Type> {
        self.state.layout().ty(name)
    }

    /// Gives a state the values of an array of the same shape.
    pub(crate) fn set(&mut self, name: &str, array: &Array) -> Content<()> {
        let Some(ty) = self.ty(name).cloned() else {
            return Err(Mistake::new(format!("the model has no state `{name}`")));
        };
        if *ty.shape != array.info().shape[..] {
            let message = format!("the state `{name}` is {ty}, the file has {}", array.info());
            return Err(
                Mistake::new(message).help("the file belongs to another model or optimizer")
            );
        }
        if ty.dtype == DType::F32 {
            let values = array.to_f32().map_err(|m| Mistake::new(format!("`{name}`: {m}")))?;
            let target = self.state.slice_mut::<f32>(name).map_err(mistake)?;
            target.copy_from_slice(&values);
            return Ok(());
        }
        let number = array.to_i64().and_then(|number| i32::try_from(number).ok());
        let number = number.ok_or_else(|| {
            Mistake::new(format!("the state `{name}` is {ty}, the file has {}", array.info()))
                .help("it is a number of steps")
        })?;
        self.state.fill(name, f64::from(number)).map_err(mistake)
    }

    /// Subtracts the square of a state from another one, down to 0.
    pub(crate) fn subtract_square(&mut self, name: &str, mean: &str) -> Content<()> {
        let mean = self.state.slice::<f32>(mean).map_err(mistake)?.to_vec();
        let values = self.state.slice_mut::<f32>(name).map_err(mistake)?;
        for (value, mean) in values.iter_mut().zip(mean) {
            *value = (f64::from(*value) - f64::from(mean).powi(2)).max(0.0) as f32;
        }
        Ok(())
    }

    /// Lets the learning rate be that of a schedule after the steps that were made.
    pub(crate) fn follow(&mut self, rate: &LearningRate) -> Content<()> {
        let LearningRate::Schedule(_) = rate else { return Ok(()) };
        let steps = self.state.slice::<i32>(ITERATIONS).map_err(mistake)?;
        let steps = steps.first().copied().unwrap_or_default();
        let rate = rate.at(f64::from(steps)).map_err(mistake)?;
        self.state.fill(LEARNING_RATE, rate).map_err(mistake)
    }

    /// Puts the states into the model. Random layers go on from the optimizer's step.
    pub(crate) fn done(mut self) -> Content<()> {
        if let Some(&steps) = self.state.slice::<i32>(ITERATIONS).ok().and_then(<[i32]>::first) {
            self.state.fill(STEP, f64::from(steps)).map_err(mistake)?;
        }
        self.session.restore(self.state).map_err(mistake)
    }
}

/// The states of a model to be written: weights are those of training, not their averages.
pub(crate) struct Kept(State);

impl Kept {
    pub(crate) fn new(session: &mut Session) -> Content<Self> {
        session.use_averages(false).map_err(mistake)?;
        Ok(Self(session.snapshot().map_err(mistake)?))
    }

    pub(crate) fn get(&self, name: &str) -> Content<Tensor> {
        self.0.get(name).map_err(mistake)
    }
}
