//! Images that are mirrored at random.

use brolga_ir::{DType, Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::images::images;
use super::{Base, Layer, WeightSpec, layer};
use crate::trace::Call;

/// In training, each image is mirrored with probability ½: `"horizontal"` exchanges left and right,
/// `"vertical"` top and bottom, `"horizontal_and_vertical"`, the default, both at once. In
/// inference nothing is changed.
///
/// `x: [batch, height, width, channels]`, `y` alike. Which images are mirrored follows from the
/// seed, the step and the place in the network alone.
///
/// A mistake if the input is no image, or there is no such mode.
///
/// Keras: <https://keras.io/api/layers/preprocessing_layers/image_augmentation/random_flip/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RandomFlip {
    #[serde(flatten)]
    base: Base,
    #[serde(default = "both")]
    mode: String,
}

fn both() -> String {
    "horizontal_and_vertical".to_owned()
}

layer!(RandomFlip);

impl Default for RandomFlip {
    fn default() -> Self {
        Self::new(both())
    }
}

impl RandomFlip {
    /// Images mirrored in this way.
    pub fn new(mode: impl Into<String>) -> Self {
        Self { base: Base::default(), mode: mode.into() }
    }

    /// The axes that are reversed.
    fn axes(&self) -> Result<&'static [usize], Mistake> {
        match &*self.mode {
            "horizontal" => Ok(&[2]),
            "vertical" => Ok(&[1]),
            "horizontal_and_vertical" => Ok(&[1, 2]),
            other => Err(Mistake::new(format!("there is no mode `{other}`"))
                .help("there are horizontal, vertical, horizontal_and_vertical")),
        }
    }
}

impl Layer for RandomFlip {
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        self.axes()?;
        images::<2>("RandomFlip", inputs).map(|_| vec![])
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| match (self.axes(), x.shape().first()) {
            (Ok(axes), Some(&batch)) if call.training() => {
                let flips = Type::new(DType::Bool, [batch, 1, 1, 1]);
                call.random_bernoulli(flips, 0.5).select(&x.reverse(axes), &x)
            }
            (Err(mistake), _) => call.tracer().fail(mistake),
            _ => x,
        })
    }
}
