//! Adafactor.

use brolga_ir::{Type, Var};
use serde::{Deserialize, Serialize};

use super::{Common, LearningRate, Optimizer, Slot, Step, Update, optimizer};
use crate::setters::setters;

/// `w ← w − α·u / max(1, rms(u) / clip_threshold)` with `u = g / √v` and
/// `α = max(epsilon_2, rms(w)) · min(η, 1 / √t)` at step t.
///
/// v is a mean of `s = g² + epsilon_1`, `v ← β·v + (1 − β)·s` with `β = 1 − t^beta_2_decay`. Of a
/// weight with two axes or more only the means of s along the last axis (r) and along the one
/// before it (c) are kept; then v is `r·c / mean(r)`.
///
/// Shazeer and Stern, "Adafactor: adaptive learning rates with sublinear memory cost" (2018).
///
/// Keras: `keras.optimizers.Adafactor`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Adafactor {
    learning_rate: LearningRate,
    #[serde(flatten)]
    common: Common,
    beta_2_decay: f64,
    epsilon_1: f64,
    epsilon_2: f64,
    clip_threshold: f64,
    relative_step: bool,
}

optimizer!(Adafactor {
    learning_rate: AtLeast(0.0),
    beta_2_decay: AtMost(0.0),
    epsilon_1: AtLeast(0.0),
    epsilon_2: AtLeast(0.0),
    clip_threshold: Positive
});

impl Default for Adafactor {
    fn default() -> Self {
        Self::new(1e-3)
    }
}

impl Adafactor {
    /// With this learning rate (Keras's default is 1e-3).
    pub fn new(learning_rate: impl Into<LearningRate>) -> Self {
        Self {
            learning_rate: learning_rate.into(),
            common: Common::default(),
            beta_2_decay: -0.8,
            epsilon_1: 1e-30,
            epsilon_2: 1e-3,
            clip_threshold: 1.0,
            relative_step: true,
        }
    }

    setters! {
        /// The power by which means come to forget slowly, below 0; −0.8 by default.
        beta_2_decay: f64,
        /// The number added to squared gradients; 1e-30 by default.
        epsilon_1: f64,
        /// The least root mean square of a weight; 1e-3 by default.
        epsilon_2: f64,
        /// The largest root mean square of an update; 1 by default.
        clip_threshold: f64,
        /// Whether the learning rate is at most `1 / √t`; true by default. It always is.
        relative_step: bool,
    }
}

/// `r·c / mean(r)`, with r along the last axis but one and c along the last.
fn outer(r: &Var, c: &Var) -> Var {
    let rank = r.shape().rank();
    let share = r / r.reduce_mean(&[rank - 1], true);
    let rows = r.shape().iter().copied().chain([1]).collect::<Vec<_>>();
    let mut columns = c.shape().to_vec();
    columns.insert(rank - 1, 1);
    share.reshape(rows) * c.reshape(columns)
}

fn root_mean_square(x: &Var) -> Var {
    (x * x).reduce_mean(&(0..x.shape().rank()).collect::<Vec<_>>(), false).sqrt()
}

impl Optimizer for Adafactor {
    fn learning_rate(&self) -> &LearningRate {
        &self.learning_rate
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn slots(&self, weight: &Type) -> Vec<Slot> {
        match weight.shape.split_last() {
            Some((_, rows)) if !rows.is_empty() => {
                let mut columns = weight.shape.to_vec();
                columns.remove(rows.len() - 1);
                let slot = |name, shape: &[usize]| Slot::zeros(name, &Type::f32(shape));
                vec![slot("r", rows), slot("c", &columns)]
            }
            _ => vec![Slot::zeros("velocity", weight)],
        }
    }

    fn scalars(&self, step: &Step) -> Vec<Var> {
        let number = &step.number;
        let rate = step.learning_rate.minimum(&(1.0 / number.sqrt()));
        vec![rate, number.pow(&number.constant_like(self.beta_2_decay))]
    }

    fn update(&self, scalars: &[Var], weight: &Var, gradient: &Var, slots: &[Var]) -> Update {
        let (rate, new) = (&scalars[0], &scalars[1]);
        let mean = |old: &Var, x: &Var| old * (1.0 - new) + x * new;
        let square = gradient * gradient + self.epsilon_1;
        let (slots, v) = match slots {
            [r, c] => {
                let last = square.shape().rank() - 1;
                let r = mean(r, &square.reduce_mean(&[last], false));
                let c = mean(c, &square.reduce_mean(&[last - 1], false));
                let v = outer(&r, &c);
                (vec![r, c], v)
            }
            _ => {
                let v = mean(&slots[0], &square);
                (vec![v.clone()], v)
            }
        };
        let change = gradient / v.sqrt();
        let size = root_mean_square(&change) / self.clip_threshold;
        let change = change / size.maximum(&size.constant_like(1.0));
        let size = root_mean_square(weight);
        let alpha = size.maximum(&size.constant_like(self.epsilon_2)) * rate;
        Update { weight: weight - change * alpha, slots }
    }
}
