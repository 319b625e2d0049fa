//! Operands.

use brolga_ir::{Data, Shape, Tensor};

/// How many numbers there are.
const COUNT: usize = 2048;

/// Draws numbers of which no two are equal, so that no step of a difference crosses a tie; none is
/// 0, for the kinks there.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    drawn: usize,
}

impl Numbers {
    /// Numbers between −2 and 2.
    pub(crate) fn any(&mut self, shape: impl Into<Shape>) -> Tensor {
        self.tensor(shape, |number| 2.0 * number)
    }

    /// Numbers between −½ and ½: factors of long chains, whose higher derivatives stay small.
    pub(crate) fn small(&mut self, shape: impl Into<Shape>) -> Tensor {
        self.tensor(shape, |number| 0.5 * number)
    }

    /// Numbers between ½ and 2½.
    pub(crate) fn positive(&mut self, shape: impl Into<Shape>) -> Tensor {
        self.tensor(shape, |number| 1.5 + number)
    }

    /// Numbers of either sign that are at least ½ away from 0.
    pub(crate) fn nonzero(&mut self, shape: impl Into<Shape>) -> Tensor {
        self.tensor(shape, |number| number + 0.5_f64.copysign(number))
    }

    fn tensor(&mut self, shape: impl Into<Shape>, map: impl Fn(f64) -> f64) -> Tensor {
        let shape = shape.into();
        let count = shape.elements();
        let first = self.drawn;
        self.drawn += count;
        assert!(self.drawn <= COUNT, "the numbers would repeat");
        // The factor is odd, so this is a permutation of all odd multiples of 1/COUNT between −1
        // and 1.
        let number = |place: usize| (2 * (place * 811 % COUNT) + 1) as f64 / COUNT as f64 - 1.0;
        doubles(shape, (first..first + count).map(|place| map(number(place))).collect())
    }
}

/// Numbers between −1 and 1 without a pattern: weights of a loss, or a direction.
pub(crate) fn weights(shape: &Shape, seed: usize) -> Tensor {
    let number = |place: usize| {
        let bits = (place + 97 * seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (bits >> 40) as f64 / (1 << 23) as f64 - 1.0
    };
    doubles(shape.clone(), (0..shape.elements()).map(number).collect())
}

/// A tensor of `f64`.
pub(crate) fn doubles(shape: impl Into<Shape>, values: Vec<f64>) -> Tensor {
    Tensor::new(shape, Data::F64(values)).expect("as many values as the shape has elements")
}
