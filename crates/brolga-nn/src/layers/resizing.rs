//! Images of a given size.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::cropped::{central, with_aspect};
use super::images::{images, images_of};
use super::resampling::{Interpolation, resampled};
use super::{Base, Layer, WeightSpec, layer};
use crate::setters::setters;
use crate::trace::Call;

/// Images of this size: `[batch, rows, columns, channels]` to `[batch, height, width, channels]`.
///
/// By default the aspect changes. With `crop_to_aspect_ratio` the largest part in the middle that
/// has the new aspect is resampled, with `pad_to_aspect_ratio` as much of `fill_value` is put
/// around the images first as gives them the new aspect.
///
/// A mistake if the input is no image, there is no such interpolation, or images are to be both
/// cropped and padded.
///
/// Keras: <https://keras.io/api/layers/preprocessing_layers/image_preprocessing/resizing/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Resizing {
    #[serde(flatten)]
    base: Base,
    height: usize,
    width: usize,
    #[serde(default = "bilinear")]
    interpolation: Interpolation,
    #[serde(default)]
    crop_to_aspect_ratio: bool,
    #[serde(default)]
    pad_to_aspect_ratio: bool,
    #[serde(default = "constant")]
    fill_mode: String,
    #[serde(default)]
    fill_value: f64,
    #[serde(default)]
    antialias: bool,
}

fn bilinear() -> Interpolation {
    Interpolation::Bilinear
}

fn constant() -> String {
    "constant".to_owned()
}

layer!(Resizing { height: Count, width: Count, fill_value: Finite });

impl Resizing {
    /// Images of this size.
    pub fn new(height: usize, width: usize) -> Self {
        Self {
            base: Base::default(),
            height,
            width,
            interpolation: bilinear(),
            crop_to_aspect_ratio: false,
            pad_to_aspect_ratio: false,
            fill_mode: constant(),
            fill_value: 0.0,
            antialias: false,
        }
    }

    setters! {
        /// How pixels between pixels are computed; `"bilinear"` by default.
        interpolation: into Interpolation,
        /// Whether images are cropped to the new aspect first; false by default.
        crop_to_aspect_ratio: bool,
        /// Whether images are padded to the new aspect first; false by default.
        pad_to_aspect_ratio: bool,
        /// What padding is made of: `"constant"`.
        fill_mode: into String,
        /// The value of padding; 0 by default.
        fill_value: f64,
        /// Whether a pixel of a smaller image is made of all pixels that it covers; false by
        /// default.
        antialias: bool,
    }

    /// Images with as much padding on both sides of an axis as gives them the aspect of the result.
    fn padded(&self, x: &Var, [height, width]: [usize; 2]) -> Var {
        let wanted =
            |other: usize, own: usize, to: usize| (other as f64 * own as f64 / to as f64) as usize;
        let rows = wanted(width, self.height, self.width).saturating_sub(height) / 2;
        let columns = wanted(height, self.width, self.height).saturating_sub(width) / 2;
        let (axis, amount) = if rows > 0 { (1, rows) } else { (2, columns) };
        if amount == 0 {
            return x.clone();
        }
        let mut ty = x.ty().clone();
        ty.shape.dims_mut()[axis] = amount;
        let border = x.tracer().full(&ty, self.fill_value);
        border.concat(&[x, &border], axis)
    }
}

impl Layer for Resizing {
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        self.interpolation.check()?;
        if self.crop_to_aspect_ratio && self.pad_to_aspect_ratio {
            return Err(Mistake::new("crop_to_aspect_ratio and pad_to_aspect_ratio are both set")
                .help("images are cropped or padded to another aspect"));
        }
        if self.fill_mode != "constant" {
            return Err(Mistake::new(format!("there is no fill_mode `{}`", self.fill_mode))
                .help("padding is of one value: \"constant\""));
        }
        images::<2>("Resizing", inputs).map(|_| vec![])
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| match images_of::<2>("Resizing", &x) {
            Ok((extents, _)) => {
                let (extents, size) = ([extents[0], extents[1]], [self.height, self.width]);
                let x = if self.crop_to_aspect_ratio {
                    central(&x, with_aspect(extents, size))
                } else if self.pad_to_aspect_ratio {
                    self.padded(&x, extents)
                } else {
                    x
                };
                resampled(&x, size, &self.interpolation, self.antialias)
            }
            Err(mistake) => call.tracer().fail(mistake),
        })
    }
}
