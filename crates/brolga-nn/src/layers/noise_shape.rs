//! The shape of what random layers draw.

use brolga_ir::{Mistake, Shape};
use serde::{Deserialize, Serialize};

/// The argument `noise_shape`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct NoiseShape {
    pub(super) noise_shape: Option<Vec<Option<usize>>>,
}

impl NoiseShape {
    /// The shape of what is drawn for an input of this shape.
    pub(super) fn drawn(&self, class: &str, x: &Shape) -> Result<Shape, Mistake> {
        let Some(shape) = &self.noise_shape else { return Ok(x.clone()) };
        let drawn: Shape = shape.iter().zip(x.iter()).map(|(own, &x)| own.unwrap_or(x)).collect();
        let mut extents = drawn.iter().zip(x.iter());
        if shape.len() == x.rank() && extents.all(|(&d, &x)| d == 1 || d == x) {
            return Ok(drawn);
        }
        let message = format!("{class}: a noise_shape {shape:?} does not broadcast to {x}");
        Err(Mistake::new(message).help("give for each axis 1, its extent, or None"))
    }
}

/// The method of a layer, whose field `noise` is [`NoiseShape`], that sets it.
macro_rules! noise_shape_setter {
    () => {
        /// The shape of what is drawn, the batch included: along an axis of extent 1 all elements
        /// share their fate; `None` stands for the extent of the input. By default each element has
        /// its own.
        #[must_use]
        pub fn noise_shape(mut self, shape: impl IntoIterator<Item = Option<usize>>) -> Self {
            self.noise.noise_shape = Some(shape.into_iter().collect());
            self
        }
    };
}
pub(super) use noise_shape_setter;
