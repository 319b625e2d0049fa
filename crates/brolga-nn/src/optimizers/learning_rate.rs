//! The argument `learning_rate` of optimizers.

use std::sync::Arc;

use brolga_ir::{DType, Tensor, Tracer, Var, interpret};
use brolga_runtime::RuntimeError;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::schedules::Schedule;
use crate::arguments::Numbers;
use crate::error::NnError;
use crate::registry::{Choice, check_arguments, to_keras};

/// A learning rate: a number, which callbacks may change, or a [`Schedule`].
#[derive(Debug, Clone)]
pub enum LearningRate {
    /// The same for all steps, unless a callback changes it.
    Constant(f64),
    /// One that follows from the number of steps done.
    Schedule(Arc<dyn Schedule>),
}

impl LearningRate {
    /// The learning rate of the first step.
    ///
    /// # Errors
    /// If an argument of the schedule is out of its range.
    pub fn first(&self) -> Result<f64, NnError> {
        self.at(0.0)
    }

    /// The learning rate after so many steps.
    ///
    /// # Errors
    /// As [`LearningRate::first`].
    pub fn at(&self, steps: f64) -> Result<f64, NnError> {
        let schedule = match self {
            Self::Constant(rate) => return Ok(*rate),
            Self::Schedule(schedule) => schedule,
        };
        check_arguments(&**schedule)?;
        let tracer = Tracer::new("schedule");
        tracer.output(&schedule.rate(&tracer.scalar(DType::F32, steps)));
        let results = interpret(&tracer.finish()?, &[]).map_err(RuntimeError::from)?;
        Ok(results.first().map_or(f64::NAN, |rate: &Tensor| rate.data().to_f64()[0]))
    }

    /// The learning rate of the next step, after so many steps (`i32[]`), where that follows from
    /// their number.
    pub(crate) fn next(&self, steps: &Var) -> Option<Var> {
        match self {
            Self::Constant(_) => None,
            Self::Schedule(schedule) => Some(schedule.rate(&steps.cast(DType::F32))),
        }
    }
}

impl From<f64> for LearningRate {
    fn from(rate: f64) -> Self {
        Self::Constant(rate)
    }
}

impl<T: Schedule + 'static> From<T> for LearningRate {
    fn from(schedule: T) -> Self {
        Self::Schedule(Arc::new(schedule))
    }
}

impl From<Arc<dyn Schedule>> for LearningRate {
    fn from(schedule: Arc<dyn Schedule>) -> Self {
        Self::Schedule(schedule)
    }
}

/// The number; none of a schedule, which has arguments of its own.
impl Numbers for LearningRate {
    fn numbers(&self) -> Vec<f64> {
        match self {
            Self::Constant(rate) => vec![*rate],
            Self::Schedule(_) => vec![],
        }
    }
}

impl Serialize for LearningRate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Constant(rate) => rate.serialize(serializer),
            Self::Schedule(schedule) => {
                to_keras(&**schedule).map_err(serde::ser::Error::custom)?.serialize(serializer)
            }
        }
    }
}

impl<'de> Deserialize<'de> for LearningRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        if let Some(rate) = value.as_f64() {
            return Ok(Self::Constant(rate));
        }
        let schedule: Choice<dyn Schedule> =
            Deserialize::deserialize(value).map_err(serde::de::Error::custom)?;
        schedule.resolve().map(Self::Schedule).map_err(serde::de::Error::custom)
    }
}
