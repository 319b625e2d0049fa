//! Images shifted at random.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::affine::Factor;
use super::layer;
use super::random_affine::{Motion, RandomAffine};
use crate::arguments::{Argument, Range};
use crate::trace::Call;

/// In training, each image is shifted down by a part of its height from the range `height_factor`,
/// and to the right by a part of its width from the range `width_factor`; one number `f` stands for
/// −f to f. In inference nothing is changed.
///
/// `x: [batch, height, width, channels]`, `y` alike. Shifts follow from the seed, the step and the
/// place in the network alone. `fill_mode` says what lies beyond the border, `interpolation` what
/// lies between pixels.
///
/// A mistake if the input is no image, or there is no such mode or interpolation.
///
/// Keras: <https://keras.io/api/layers/preprocessing_layers/image_augmentation/random_translation/>
pub type RandomTranslation = RandomAffine<Translation>;

layer!(RandomTranslation { fill_value: Finite } and motion);

/// A shift by random parts of height and width.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Translation {
    height_factor: Factor,
    width_factor: Factor,
}

impl RandomTranslation {
    /// Parts of height and width from these ranges, from −1 to 1.
    pub fn new(height_factor: impl Into<Factor>, width_factor: impl Into<Factor>) -> Self {
        let (height_factor, width_factor) = (height_factor.into(), width_factor.into());
        Self::of(Translation { height_factor, width_factor })
    }
}

impl Motion for Translation {
    fn arguments(&self) -> Vec<Argument> {
        let range = Range::Within(-1.0, 1.0);
        vec![
            Argument::new("height_factor", &self.height_factor, range),
            Argument::new("width_factor", &self.width_factor, range),
        ]
    }

    fn map(&self, call: &mut Call<'_>, x: &Var, [height, width]: [f64; 2]) -> [[Var; 3]; 2] {
        let down = self.height_factor.draw(call, x) * -height;
        let right = self.width_factor.draw(call, x) * -width;
        let (zero, one) = (x.constant_like(0.0), x.constant_like(1.0));
        [[one.clone(), zero.clone(), right], [zero, one, down]]
    }
}
