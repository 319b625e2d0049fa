//! Bringing images to one size.

use brolga_memory::NotGranted;

use super::decode::Pixels;

/// How images are resized. Both take the centres of pixels as the points to interpolate between,
/// and neither smooths an image before it makes it smaller: these are TensorFlow's and so Keras's
/// rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Interpolation {
    /// The mean of the four nearest pixels, weighted by how near they are.
    Bilinear,
    /// The nearest pixel.
    Nearest,
}

/// The two pixels, in one direction, that an output pixel lies between, and how near to the second.
#[derive(Clone, Copy)]
struct Between {
    lower: usize,
    upper: usize,
    weight: f32,
}

impl Interpolation {
    /// For each of `new` pixels the pixels that it is made of, of `old`.
    ///
    /// The centre of output pixel `i` lies at `(i + 0.5) · old/new` of the input, where the centre
    /// of input pixel `k` is `k + 0.5`; what lies outside is the border's pixel.
    fn between(self, old: usize, new: usize) -> Result<Vec<Between>, NotGranted> {
        let scale = old as f32 / new as f32;
        let last = old - 1;
        let between = |i: usize| {
            let centre = (i as f32 + 0.5) * scale;
            match self {
                Interpolation::Nearest => {
                    let nearest = (centre.floor() as usize).min(last);
                    Between { lower: nearest, upper: nearest, weight: 0.0 }
                }
                Interpolation::Bilinear => {
                    let position = (centre - 0.5).max(0.0);
                    let lower = (position.floor() as usize).min(last);
                    let upper = (lower + 1).min(last);
                    Between { lower, upper, weight: position - position.floor() }
                }
            }
        };
        brolga_memory::collected((0..new).map(between))
    }
}

/// Gives the values of the image in a new size to `out`, in the order of
/// `[height, width, channels]`.
pub(super) fn resize(
    image: &Pixels,
    (height, width): (usize, usize),
    interpolation: Interpolation,
    mut out: impl FnMut(f32),
) -> Result<(), NotGranted> {
    let channels = image.channels;
    let columns = interpolation.between(image.width, width)?;
    for row in interpolation.between(image.height, height)? {
        for column in &columns {
            for channel in 0..channels {
                let at = |y: usize, x: usize| {
                    f32::from(image.bytes[(y * image.width + x) * channels + channel])
                };
                let across = |y| lerp(at(y, column.lower), at(y, column.upper), column.weight);
                out(lerp(across(row.lower), across(row.upper), row.weight));
            }
        }
    }
    Ok(())
}

fn lerp(a: f32, b: f32, weight: f32) -> f32 {
    a + (b - a) * weight
}
