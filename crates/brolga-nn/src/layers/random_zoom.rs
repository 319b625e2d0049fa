//! Images enlarged and reduced at random.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::affine::Factor;
use super::layer;
use super::random_affine::{Motion, RandomAffine};
use crate::arguments::{Argument, Range};
use crate::trace::Call;

/// In training, each image shows `1 + f` times as much of its height, with f from the range
/// `height_factor`, and as much of its width, with another f from the range `width_factor`, or by
/// default as the height: negative factors enlarge. One number `f` stands for −f to f. In inference
/// nothing is changed.
///
/// `x: [batch, height, width, channels]`, `y` alike. Factors follow from the seed, the step and the
/// place in the network alone. `fill_mode` says what lies beyond the border, `interpolation` what
/// lies between pixels.
///
/// A mistake if the input is no image, or there is no such mode or interpolation.
///
/// Keras: <https://keras.io/api/layers/preprocessing_layers/image_augmentation/random_zoom/>
pub type RandomZoom = RandomAffine<Zoom>;

layer!(RandomZoom { fill_value: Finite } and motion);

/// A zoom by random factors.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Zoom {
    height_factor: Factor,
    #[serde(default)]
    width_factor: Option<Factor>,
}

impl RandomZoom {
    /// Factors from this range, from −1 to 1, for height and width together.
    pub fn new(height_factor: impl Into<Factor>) -> Self {
        Self::of(Zoom { height_factor: height_factor.into(), width_factor: None })
    }

    /// The range of factors of the width; by default that of the height, and the same factors.
    #[must_use]
    pub fn width_factor(mut self, width_factor: impl Into<Factor>) -> Self {
        self.motion.width_factor = Some(width_factor.into());
        self
    }
}

impl Motion for Zoom {
    fn arguments(&self) -> Vec<Argument> {
        let range = Range::Within(-1.0, 1.0);
        vec![
            Argument::new("height_factor", &self.height_factor, range),
            Argument::new("width_factor", &self.width_factor, range),
        ]
    }

    fn map(&self, call: &mut Call<'_>, x: &Var, [height, width]: [f64; 2]) -> [[Var; 3]; 2] {
        let of_height = self.height_factor.draw(call, x) + 1.0;
        let of_width = self.width_factor.map(|factor| factor.draw(call, x) + 1.0);
        let of_width = of_width.unwrap_or_else(|| of_height.clone());
        // The centre stays where it is.
        let kept = |factor: &Var, extent: f64| (1.0 - factor) * ((extent - 1.0) / 2.0);
        let (x_offset, y_offset) = (kept(&of_width, width), kept(&of_height, height));
        let zero = x.constant_like(0.0);
        [[of_width, zero.clone(), x_offset], [zero, of_height, y_offset]]
    }
}
