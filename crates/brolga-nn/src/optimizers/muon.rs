//! Muon.

use brolga_ir::{Type, Var};
use serde::{Deserialize, Serialize};

use super::moments::followed;
use super::{Common, LearningRate, Optimizer, Slot, Step, Update, norm, optimizer};
use crate::setters::setters;

/// Of a matrix: `m ← µ·m + g`, `w ← w − η·√max(rows, columns)·rms_rate·N(u)` with `u = g + µ·m`, or
/// `u = m` without `nesterov`.
///
/// N brings all singular values of u near 1: `ns_steps` times
/// `x ← muon_a·x + (muon_b·x·xᵀ + muon_c·(x·xᵀ)²)·x`, from `x = u / ‖u‖`.
///
/// Weights of another rank, embeddings and excluded layers are updated as by [`Adam`](super::Adam),
/// with `adam_lr_ratio` times the learning rate. A weight is of an embedding if its path has the
/// word `embedding` in it.
///
/// Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024).
///
/// Keras: `keras.optimizers.Muon`, where `exclude_layers` are regular expressions; here they are
/// parts of paths.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Muon {
    learning_rate: LearningRate,
    #[serde(flatten)]
    common: Common,
    adam_beta_1: f64,
    adam_beta_2: f64,
    adam_weight_decay: Option<f64>,
    epsilon: f64,
    exclude_layers: Vec<String>,
    exclude_embeddings: bool,
    muon_a: f64,
    muon_b: f64,
    muon_c: f64,
    adam_lr_ratio: f64,
    momentum: f64,
    ns_steps: usize,
    nesterov: bool,
    rms_rate: Option<f64>,
}

optimizer!(Muon {
    learning_rate: AtLeast(0.0),
    adam_beta_1: BelowOne,
    adam_beta_2: BelowOne,
    adam_weight_decay: AtLeast(0.0),
    epsilon: AtLeast(0.0),
    muon_a: Finite,
    muon_b: Finite,
    muon_c: Finite,
    adam_lr_ratio: AtLeast(0.0),
    momentum: Share,
    rms_rate: AtLeast(0.0),
});

impl Default for Muon {
    fn default() -> Self {
        Self::new(1e-3)
    }
}

impl Muon {
    /// With this learning rate (Keras's default is 1e-3), and a weight decay of 0.004.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Self {
        Self {
            learning_rate: learning_rate.into(),
            common: Common { weight_decay: Some(0.004), ..Common::default() },
            adam_beta_1: 0.9,
            adam_beta_2: 0.999,
            adam_weight_decay: Some(0.004),
            epsilon: 1e-7,
            exclude_layers: vec![],
            exclude_embeddings: true,
            muon_a: 3.4445,
            muon_b: -4.775,
            muon_c: 2.0315,
            adam_lr_ratio: 1.0,
            momentum: 0.95,
            ns_steps: 5,
            nesterov: true,
            rms_rate: Some(0.2),
        }
    }

    setters! {
        /// The weight decay of weights that are updated as by Adam; 0.004 by default.
        adam_weight_decay: into Option<f64>,
    }

    /// Parts of the paths of weights that are updated as by Adam; none by default.
    #[must_use]
    pub fn exclude_layers<S: Into<String>>(mut self, parts: impl IntoIterator<Item = S>) -> Self {
        self.exclude_layers = parts.into_iter().map(Into::into).collect();
        self
    }

    setters! {
        /// How many times as large the learning rate of weights updated as by Adam is; 1 by
        /// default.
        adam_lr_ratio: f64,
        /// How slowly the sum of gradients forgets; 0.95 by default.
        momentum: f64,
        /// The number of iterations that bring singular values near 1; 5 by default.
        ns_steps: usize,
        /// Whether the momentum is Nesterov's; true by default.
        nesterov: bool,
        /// The root mean square of an update's elements over the learning rate; 0.2 by default,
        /// `None`: that of a matrix whose singular values are 1.
        rms_rate: into Option<f64>,
    }

    /// Whether a weight is updated as by Adam.
    fn excludes(&self, path: &str) -> bool {
        (self.exclude_embeddings && path.to_lowercase().contains("embedding"))
            || self.exclude_layers.iter().any(|part| path.contains(part))
    }

    /// A matrix with the same singular vectors and singular values near 1.
    fn orthogonalized(&self, u: &Var) -> Var {
        let tall = u.shape()[0] > u.shape()[1];
        let x = if tall { u.transpose(&[1, 0]) } else { u.clone() };
        let mut x = &x / (norm(&x) + 1e-7);
        for _ in 0..self.ns_steps {
            let square = x.matmul_with(&x, false, true);
            let polynomial = &square * self.muon_b + square.matmul(&square) * self.muon_c;
            x = &x * self.muon_a + polynomial.matmul(&x);
        }
        if tall { x.transpose(&[1, 0]) } else { x }
    }

    fn adam(&self, alpha: &Var, weight: &Var, gradient: &Var, m: &Var, v: &Var) -> Update {
        let m = followed(m, gradient, self.adam_beta_1);
        let v = followed(v, &(gradient * gradient), self.adam_beta_2);
        let weight = weight - &m * alpha / (v.sqrt() + self.epsilon);
        Update { weight, slots: vec![m, v] }
    }
}

impl Optimizer for Muon {
    fn learning_rate(&self) -> &LearningRate {
        &self.learning_rate
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn weight_decay(&self, slots: &[Var]) -> Option<f64> {
        if slots.len() == 2 { self.adam_weight_decay } else { self.common.weight_decay }
    }

    fn slots(&self, weight: &Type) -> Vec<Slot> {
        self.slots_at("", weight)
    }

    fn slots_at(&self, path: &str, weight: &Type) -> Vec<Slot> {
        let adam = weight.shape.rank() != 2 || self.excludes(path);
        let names = &["momentum", "velocity"][..if adam { 2 } else { 1 }];
        names.iter().map(|name| Slot::zeros(name, weight)).collect()
    }

    fn scalars(&self, step: &Step) -> Vec<Var> {
        let rest = |beta: f64| 1.0 - step.power(beta);
        let rate = &step.learning_rate;
        let alpha =
            rate * self.adam_lr_ratio * rest(self.adam_beta_2).sqrt() / rest(self.adam_beta_1);
        vec![rate.clone(), alpha]
    }

    fn update(&self, scalars: &[Var], weight: &Var, gradient: &Var, slots: &[Var]) -> Update {
        let m = match slots {
            [m] => m * self.momentum + gradient,
            _ => return self.adam(&scalars[1], weight, gradient, &slots[0], &slots[1]),
        };
        let u = if self.nesterov { gradient + &m * self.momentum } else { m.clone() };
        let largest = weight.shape().iter().copied().max().unwrap_or(1) as f64;
        let scale = self.rms_rate.map_or(1.0, |rate| rate * largest.sqrt());
        let weight = weight - self.orthogonalized(&u) * &scalars[0] * scale;
        Update { weight, slots: vec![m] }
    }
}
