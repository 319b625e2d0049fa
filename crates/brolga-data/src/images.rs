//! A reader of a folder of images, one folder inside for each class.

mod decode;
mod resize;

use std::path::{Path, PathBuf};

use ndarray::{Array1, Array3, Array4};

use crate::error::{Error, Result};
use crate::folder::Search;
use crate::shape;
pub use resize::Interpolation;

/// How [`image_dataset_from_directory`] reads images. Names and defaults are those of Keras.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageOptions {
    image_size: (usize, usize),
    color_mode: ColorMode,
    interpolation: Interpolation,
    class_names: Option<Vec<String>>,
}

impl ImageOptions {
    /// `image_size` (256, 256), `color_mode` RGB, `interpolation` bilinear, all classes.
    pub fn new() -> ImageOptions {
        ImageOptions {
            image_size: (256, 256),
            color_mode: ColorMode::Rgb,
            interpolation: Interpolation::Bilinear,
            class_names: None,
        }
    }

    /// The height and the width that every image is resized to. The aspect ratio is not kept.
    pub fn image_size(mut self, (height, width): (usize, usize)) -> ImageOptions {
        self.image_size = (height, width);
        self
    }

    /// The channels that every image is converted to.
    pub fn color_mode(mut self, color_mode: ColorMode) -> ImageOptions {
        self.color_mode = color_mode;
        self
    }

    /// How images are resized.
    pub fn interpolation(mut self, interpolation: Interpolation) -> ImageOptions {
        self.interpolation = interpolation;
        self
    }

    /// The folders that are read, in the order of their labels. Without it, all are read in the
    /// order of their names.
    pub fn class_names<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.class_names = Some(names.into_iter().map(Into::into).collect());
        self
    }
}

impl Default for ImageOptions {
    fn default() -> ImageOptions {
        ImageOptions::new()
    }
}

/// The channels of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColorMode {
    /// One channel. Colours become their luma 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), rounded.
    Grayscale,
    /// Three channels: red, green, blue. Transparency is dropped.
    Rgb,
    /// Four channels: red, green, blue, and alpha, which is 255 where the file has none.
    Rgba,
}

impl ColorMode {
    /// The number of channels: 1, 3 or 4.
    pub fn channels(self) -> usize {
        match self {
            ColorMode::Grayscale => 1,
            ColorMode::Rgb => 3,
            ColorMode::Rgba => 4,
        }
    }
}

/// Images, their labels, and what these mean.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageDataset<T> {
    /// The images, `[n, height, width, channels]`, from 0 to 255.
    pub images: Array4<T>,
    /// For each image the index of its class in `class_names`, `[n]`.
    pub labels: Array1<i32>,
    /// The names of the classes: those of the folders, in the order of the labels.
    pub class_names: Vec<String>,
    /// For each image the file that it comes from.
    pub file_paths: Vec<PathBuf>,
}

/// The type of an image's elements: `f32`, or `u8` for a quarter of the memory.
pub trait Pixel: Copy + sealed::FromF32 {
    /// The name of the type.
    const NAME: &'static str;
}

impl Pixel for f32 {
    const NAME: &'static str = "f32";
}

impl Pixel for u8 {
    const NAME: &'static str = "u8";
}

mod sealed {
    /// Takes values from 0 to 255.
    pub trait FromF32 {
        /// The value, rounded where the type is an integer's.
        fn from_f32(value: f32) -> Self;
    }

    impl FromF32 for f32 {
        fn from_f32(value: f32) -> f32 {
            value
        }
    }

    impl FromF32 for u8 {
        fn from_f32(value: f32) -> u8 {
            value.round() as u8
        }
    }
}

const SEARCH: Search = Search {
    what: "images",
    extensions: &[".bmp", ".gif", ".jpeg", ".jpg", ".png"],
    follow_links: false,
};

/// Reads an image, brought to the size and the channels of the options: `[height, width, channels]`,
/// from 0 to 255. What `keras.utils.load_img` and `img_to_array` give, with the interpolation of the
/// options.
///
/// # Errors
///
/// The file cannot be read or decoded, `image_size` has no pixels, or the image does not fit into
/// memory.
pub fn load_image<T: Pixel>(path: impl AsRef<Path>, options: &ImageOptions) -> Result<Array3<T>> {
    let (path, (height, width)) = (path.as_ref(), options.image_size);
    if height == 0 || width == 0 {
        return Err(Error::EmptyImageSize { given: options.image_size });
    }
    let shape = [height, width, options.color_mode.channels()];
    let too_large = || Error::TooLarge {
        what: path.display().to_string(),
        given: shape::array_type(T::NAME, &shape),
        help: "give a smaller `image_size`, or read the image as u8",
    };
    let mut pixels = shape::reserve(&shape).ok_or_else(too_large)?;
    let image = decode::decode(path, options.color_mode)?;
    resize::resize(&image, options.image_size, options.interpolation, |value| {
        pixels.push(T::from_f32(value));
    })
    .map_err(|_| too_large())?;
    Ok(Array3::from_shape_vec(shape, pixels).expect("resize gives as many as the shape"))
}

/// Reads a folder that holds one folder of images for each class, as
/// `keras.utils.image_dataset_from_directory` does with `shuffle=False`.
///
/// The classes are the folders inside `directory` in the order of their names, without those that
/// begin with a dot; the label of an image is the index of its class. The images of a class are all
/// `.bmp`, `.gif`, `.jpeg`, `.jpg` and `.png` files in its folder and the folders below, in the
/// order of their paths; other files are passed over. Of an animation the first image is taken.
/// Each image is brought to one size and one number of channels, see [`ImageOptions`]. `T` is
/// `f32`, or `u8`, which rounds to the nearest integer.
///
/// Everything is held in memory at once. Orientation in EXIF data is not applied.
///
/// ```
/// use brolga_data::{ColorMode, ImageOptions, image_dataset_from_directory};
///
/// # let dir = tempfile::tempdir()?;
/// # for class in ["cat", "dog"] {
/// #     std::fs::create_dir(dir.path().join(class))?;
/// #     image::RgbImage::new(40, 30).save(dir.path().join(class).join("1.png"))?;
/// # }
/// # let pets = dir.path();
/// // pets/cat/1.png, pets/dog/1.png, ...
/// let options = ImageOptions::new().image_size((64, 64)).color_mode(ColorMode::Grayscale);
/// let data = image_dataset_from_directory::<f32>(pets, options)?;
///
/// assert_eq!(data.class_names, ["cat", "dog"]);
/// assert_eq!(data.images.dim(), (2, 64, 64, 1));
/// assert_eq!(data.labels.to_vec(), [0, 1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// A folder cannot be read, there is no class or no image, a file cannot be decoded (none is left
/// out), a name in `class_names` is none of the folders, `image_size` has no pixels, or the images
/// do not fit into memory.
pub fn image_dataset_from_directory<T: Pixel>(
    directory: impl AsRef<Path>,
    options: ImageOptions,
) -> Result<ImageDataset<T>> {
    let (height, width) = options.image_size;
    if height == 0 || width == 0 {
        return Err(Error::EmptyImageSize { given: options.image_size });
    }
    let directory = directory.as_ref();
    let classes = SEARCH.classes(directory, options.class_names)?;
    let files = SEARCH.files_of(directory, &classes)?;

    let shape = [files.len(), height, width, options.color_mode.channels()];
    let too_large = || Error::TooLarge {
        what: directory.display().to_string(),
        given: shape::array_type(T::NAME, &shape),
        help: "give a smaller `image_size`, or read the images as u8",
    };
    let mut pixels = shape::reserve(&shape).ok_or_else(too_large)?;
    let mut labels = Vec::with_capacity(files.len());
    let mut file_paths = Vec::with_capacity(files.len());
    for (label, path) in files {
        let image = decode::decode(&path, options.color_mode)?;
        resize::resize(&image, options.image_size, options.interpolation, |value| {
            pixels.push(T::from_f32(value));
        })
        .map_err(|_| too_large())?;
        labels.push(label);
        file_paths.push(path);
    }
    Ok(ImageDataset {
        images: Array4::from_shape_vec(shape, pixels).expect("resize gives as many as the shape"),
        labels: Array1::from(labels),
        class_names: classes,
        file_paths,
    })
}
