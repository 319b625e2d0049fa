//! From a file to pixels.

use std::path::Path;

use brolga_memory::Limit;
use image::{DynamicImage, ImageError, ImageReader, Limits};

use super::ColorMode;
use crate::error::{Error, Result};

/// An image of 8-bit channels, row by row, the channels of a pixel side by side.
pub(super) struct Pixels {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
    pub(super) bytes: Vec<u8>,
}

/// Reads an image. The format follows from the content, not from the name. The decoder refuses
/// images that would need more than 512 MiB, or than an eighth of what the machine grants: to
/// change the channels takes some copies.
pub(super) fn decode(path: &Path, color_mode: ColorMode) -> Result<Pixels> {
    let io = |error| Error::io(path.display(), error);
    let mut reader = ImageReader::open(path).map_err(io)?.with_guessed_format().map_err(io)?;
    let mut limits = Limits::default();
    if let (Some(most), Some(granted)) = (limits.max_alloc, Limit::granted()) {
        limits.max_alloc = Some(most.min(granted.bytes as u64 / 8));
    }
    reader.limits(limits);
    let image = reader.decode().map_err(|error| match error {
        ImageError::IoError(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
            io(error)
        }
        error => Error::Image { file: path.display().to_string(), error },
    })?;
    Ok(Pixels {
        height: image.height() as usize,
        width: image.width() as usize,
        channels: color_mode.channels(),
        bytes: match color_mode {
            ColorMode::Grayscale => grayscale(image),
            ColorMode::Rgb => image.into_rgb8().into_raw(),
            ColorMode::Rgba => image.into_rgba8().into_raw(),
        },
    })
}

fn grayscale(image: DynamicImage) -> Vec<u8> {
    if !image.color().has_color() {
        return image.into_luma8().into_raw();
    }
    let rgb = image.into_rgb8();
    rgb.pixels().map(|&image::Rgb([r, g, b])| luma(r, g, b)).collect()
}

/// 0.299 R + 0.587 G + 0.114 B, rounded.
fn luma(r: u8, g: u8, b: u8) -> u8 {
    let thousandfold = 299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b);
    ((thousandfold + 500) / 1000) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grey_keeps_its_value() {
        for v in 0..=255 {
            assert_eq!(luma(v, v, v), v);
        }
        assert_eq!([luma(255, 0, 0), luma(0, 255, 0), luma(0, 0, 255)], [76, 150, 29]);
    }
}
