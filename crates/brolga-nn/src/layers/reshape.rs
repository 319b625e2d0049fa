//! Another shape for the same elements.

use brolga_ir::{Mistake, Var};
use serde::{Deserialize, Serialize};

use super::{Base, Layer, layer};
use crate::trace::Call;

/// `[batch, ..]` to `[batch, target_shape]`; one extent may be −1, which stands for what is left.
///
/// A mistake if the samples have another number of elements.
///
/// Keras: <https://keras.io/api/layers/reshaping_layers/reshape/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reshape {
    #[serde(flatten)]
    base: Base,
    target_shape: Vec<isize>,
}

layer!(Reshape);

impl Reshape {
    /// Samples of this shape, the batch not counted.
    pub fn new(target_shape: impl IntoIterator<Item = isize>) -> Self {
        Self { base: Base::default(), target_shape: target_shape.into_iter().collect() }
    }

    /// The extents for samples of so many elements.
    fn extents(&self, elements: usize) -> Option<Vec<usize>> {
        let known: Vec<usize> =
            self.target_shape.iter().filter_map(|&extent| extent.try_into().ok()).collect();
        let product =
            known.iter().try_fold(1usize, |product, &extent| product.checked_mul(extent))?;
        let open: Vec<isize> = self.target_shape.iter().copied().filter(|&e| e < 0).collect();
        let rest = match open[..] {
            [] if product == elements => 1,
            [-1] if product > 0 && elements.is_multiple_of(product) => elements / product,
            _ => return None,
        };
        Some(self.target_shape.iter().map(|&extent| extent.try_into().unwrap_or(rest)).collect())
    }
}

impl Layer for Reshape {
    fn base(&self) -> &Base {
        &self.base
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| {
            let elements = x.shape().iter().skip(1).product();
            match (x.shape().first(), self.extents(elements)) {
                (Some(&batch), Some(extents)) => {
                    x.reshape(std::iter::once(batch).chain(extents).collect::<Vec<_>>())
                }
                _ => {
                    let message = format!(
                        "a sample of {elements} elements cannot have the shape {:?}",
                        self.target_shape
                    );
                    let help = "the product of the extents must be the same; one extent may be -1";
                    call.tracer().fail(Mistake::new(message).help(help))
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_extent_may_be_left_open() {
        assert_eq!(Reshape::new([4, -1]).extents(40), Some(vec![4, 10]));
        assert_eq!(Reshape::new([4, 10]).extents(40), Some(vec![4, 10]));
        assert_eq!(Reshape::new([-1]).extents(0), Some(vec![0]));
        assert_eq!(Reshape::new([]).extents(1), Some(vec![]));
        for wrong in [vec![3, -1], vec![-1, -1], vec![4, -2], vec![0, -1], vec![5]] {
            assert_eq!(Reshape::new(wrong).extents(40), None);
        }
    }
}
