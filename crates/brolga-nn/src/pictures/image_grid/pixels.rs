//! Images as PNG.

use brolga_ir::DType;
use png::{BitDepth, ColorType, Encoder};

use crate::data::Data;
use crate::error::NnError;
use crate::pictures::svg::mistake;

/// Images whose pixels are bytes.
#[derive(Debug)]
pub(super) struct Images {
    pub(super) height: u32,
    pub(super) width: u32,
    colour: ColorType,
    /// The bytes of all images, one after the other.
    bytes: Vec<u8>,
}

impl Images {
    /// Bytes of these images.
    pub(super) fn of(images: &Data<'_>, value_range: Option<(f64, f64)>) -> Result<Self, NnError> {
        images.check_copied("images")?;
        let shape = images.shape();
        if shape.contains(&0) {
            return Err(NnError::Empty {
                what: "the array of images".to_owned(),
                shape: shape.to_vec(),
            });
        }
        let (height, width, colour) = match *shape {
            [_, height, width] | [_, height, width, 1] => (height, width, ColorType::Grayscale),
            [_, height, width, 3] => (height, width, ColorType::Rgb),
            _ => {
                let message = format!("an array of shape {shape:?} has no images");
                let help =
                    "give [n, height, width], or [n, height, width, channels] with 1 or 3 channels";
                return Err(mistake(message, help));
            }
        };
        let side = |extent: usize| {
            u32::try_from(extent).ok().filter(|&side| side <= LARGEST).ok_or_else(|| {
                let message = format!("an image of {height}×{width} pixels cannot be drawn");
                mistake(message, "give images of at most 16384 pixels on each side")
            })
        };
        let (height, width) = (side(height)?, side(width)?);
        let is_float = matches!(images.dtype(), DType::F32 | DType::F64);
        let usual = if is_float { (0.0, 1.0) } else { (0.0, 255.0) };
        let bytes = bytes(images, value_range.unwrap_or(usual))?;
        Ok(Self { height, width, colour, bytes })
    }

    /// Each image as PNG.
    pub(super) fn png(&self) -> impl Iterator<Item = Result<Vec<u8>, NnError>> {
        let length = self.height as usize * self.width as usize * self.colour.samples();
        self.bytes.chunks_exact(length).map(|image| {
            self.encode(image).map_err(|error| {
                mistake(format!("an image cannot be written as PNG: {error}"), "give a smaller one")
            })
        })
    }

    fn encode(&self, image: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
        let mut file = vec![];
        let mut encoder = Encoder::new(&mut file, self.width, self.height);
        encoder.set_color(self.colour);
        encoder.set_depth(BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(image)?;
        writer.finish()?;
        Ok(file)
    }
}

/// The longest side of an image.
const LARGEST: u32 = 1 << 14;

/// The values between black and white as bytes.
fn bytes(images: &Data<'_>, (black, white): (f64, f64)) -> Result<Vec<u8>, NnError> {
    let step = (white - black) / 255.0;
    if !step.is_normal() {
        let message = format!("a value range from {black} to {white}");
        return Err(mistake(message, "give two different finite numbers"));
    }
    let level = |x: f64| (x - black) / step;
    // What is rounded to a level is at most half a level away.
    let is_level = |x: f64| (-0.5..=255.5).contains(&level(x));
    if let Some((sample, _, value)) = images.find(0..images.samples(), |x| !is_level(x)) {
        let message = format!(
            "image {sample} has the value {value}, which is not between {black} and {white}"
        );
        let help = "floats go from 0 to 1, integers from 0 to 255; .value_range(black, white) takes others";
        return Err(mistake(message, help));
    }
    let count = images.samples() * images.sample_len();
    let mut bytes =
        brolga_memory::with_capacity(count).map_err(brolga_runtime::RuntimeError::from)?;
    images.each(|_, x| bytes.push(level(x).round() as u8));
    Ok(bytes)
}
