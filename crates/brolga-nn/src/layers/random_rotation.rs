//! Images turned at random.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::affine::{Factor, sine_and_cosine};
use super::layer;
use super::random_affine::{Motion, RandomAffine};
use crate::arguments::{Argument, Range};
use crate::trace::Call;

/// In training, each image is turned around its centre by an angle from the range `factor`, in
/// parts of a turn: positive ones turn counter-clockwise, one number `f` stands for −f to f. In
/// inference nothing is changed.
///
/// `x: [batch, height, width, channels]`, `y` alike. Angles follow from the seed, the step and the
/// place in the network alone. `fill_mode` says what lies beyond the border, `interpolation` what
/// lies between pixels.
///
/// A mistake if the input is no image, or there is no such mode or interpolation.
///
/// Keras: <https://keras.io/api/layers/preprocessing_layers/image_augmentation/random_rotation/>
pub type RandomRotation = RandomAffine<Rotation>;

layer!(RandomRotation { fill_value: Finite } and motion);

/// A turn by a random angle.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rotation {
    factor: Factor,
}

impl RandomRotation {
    /// Angles from this range, in parts of a turn from −1 to 1.
    pub fn new(factor: impl Into<Factor>) -> Self {
        Self::of(Rotation { factor: factor.into() })
    }
}

impl Motion for Rotation {
    fn arguments(&self) -> Vec<Argument> {
        vec![Argument::new("factor", &self.factor, Range::Within(-1.0, 1.0))]
    }

    fn map(&self, call: &mut Call<'_>, x: &Var, [height, width]: [f64; 2]) -> [[Var; 3]; 2] {
        let [sine, cosine] = sine_and_cosine(&self.factor.draw(call, x));
        let (x0, y0) = ((width - 1.0) / 2.0, (height - 1.0) / 2.0);
        let of_x = &cosine * -x0 + &sine * y0 + x0;
        let of_y = &sine * -x0 - &cosine * y0 + y0;
        [[cosine.clone(), -&sine, of_x], [sine, cosine, of_y]]
    }
}

#[cfg(test)]
mod tests {
    use brolga_ir::{Tensor, Tracer, Type, interpret};

    use super::*;

    #[test]
    fn sines_and_cosines_of_all_angles() {
        let turns: Vec<f32> = (-80..=80).map(|n| n as f32 / 64.0 + 1e-3).collect();
        let tracer = Tracer::new("angles");
        let x = tracer.input("x", Type::f32([turns.len()]));
        sine_and_cosine(&x).iter().for_each(|y| tracer.output(y));
        let graph = tracer.finish().expect("a graph");
        let x = Tensor::f32([turns.len()], turns.clone()).expect("as many as the shape has");
        let results = interpret(&graph, &[x]).expect("the input of the graph");
        for (place, turn) in turns.iter().enumerate() {
            let angle = f64::from(*turn) * std::f64::consts::TAU;
            let [sine, cosine] = [0, 1].map(|of: usize| results[of].data().to_f64()[place]);
            assert!((sine - angle.sin()).abs() < 5e-7, "sin {turn}: {sine}");
            assert!((cosine - angle.cos()).abs() < 5e-7, "cos {turn}: {cosine}");
        }
    }
}
