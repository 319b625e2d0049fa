//! Folders of images.

use std::fs;
use std::path::Path;

use brolga_data::{ColorMode, ImageOptions, Interpolation, image_dataset_from_directory};
use image::{GrayImage, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use ndarray::{Array4, s};
use tempfile::{TempDir, tempdir};

type TestResult = Result<(), Box<dyn std::error::Error>>;

/// A folder with one class, which has one image of these rows.
fn one_image<const H: usize, const W: usize>(rows: [[u8; W]; H]) -> TempDir {
    let dir = tempdir().expect("the system has a folder for temporary files");
    let image = GrayImage::from_fn(W as u32, H as u32, |x, y| Luma([rows[y as usize][x as usize]]));
    fs::create_dir(dir.path().join("class")).expect("the folder is new");
    image.save(dir.path().join("class/1.png")).expect("png is built in");
    dir
}

fn grayscale(image_size: (usize, usize)) -> ImageOptions {
    ImageOptions::new().image_size(image_size).color_mode(ColorMode::Grayscale)
}

/// The values of the only image.
fn read(dir: &TempDir, options: ImageOptions) -> Vec<f32> {
    let data =
        image_dataset_from_directory::<f32>(dir.path(), options).expect("the image is whole");
    data.images.into_raw_vec_and_offset().0
}

fn save(image: &RgbImage, path: impl AsRef<Path>) -> TestResult {
    let path = path.as_ref();
    fs::create_dir_all(path.parent().ok_or("a file is in a folder")?)?;
    Ok(image.save(path)?)
}

#[test]
fn classes_and_files_come_in_the_order_of_their_names() -> TestResult {
    let dir = tempdir()?;
    let files = ["b/2.png", "b/10.bmp", "a/below/3.jpeg", "a/z.JPG", "c/1.gif", ".hidden/1.png"];
    for file in files {
        save(&RgbImage::new(3, 2), dir.path().join(file))?;
    }
    fs::write(dir.path().join("a/notes.txt"), "no image")?;
    fs::write(dir.path().join("README"), "no class")?;
    fs::create_dir(dir.path().join("empty"))?;

    let data = image_dataset_from_directory::<u8>(dir.path(), grayscale((2, 3)))?;
    assert_eq!(data.class_names, ["a", "b", "c", "empty"]);
    assert_eq!(data.labels.to_vec(), [0, 0, 1, 1, 2]);
    let expected = ["a/z.JPG", "a/below/3.jpeg", "b/10.bmp", "b/2.png", "c/1.gif"];
    assert_eq!(data.file_paths, expected.map(|file| dir.path().join(file)));
    assert_eq!(data.images, Array4::zeros((5, 2, 3, 1)));

    let some = grayscale((2, 3)).class_names(["c", "a"]);
    let data = image_dataset_from_directory::<u8>(dir.path(), some)?;
    assert_eq!(data.class_names, ["c", "a"]);
    assert_eq!(data.labels.to_vec(), [0, 1, 1]);
    Ok(())
}

#[test]
fn defaults_are_those_of_keras() -> TestResult {
    let dir = one_image([[7, 7], [7, 7]]);
    let data = image_dataset_from_directory::<f32>(dir.path(), ImageOptions::default())?;
    assert_eq!(data.images, Array4::from_elem((1, 256, 256, 3), 7.0));
    Ok(())
}

#[test]
fn colours_are_converted() -> TestResult {
    let dir = tempdir()?;
    fs::create_dir(dir.path().join("class"))?;
    let image = RgbaImage::from_pixel(1, 1, Rgba([200, 100, 50, 9]));
    image.save(dir.path().join("class/1.png"))?;
    let colours = |color_mode| {
        let options = ImageOptions::new().image_size((1, 1)).color_mode(color_mode);
        image_dataset_from_directory::<u8>(dir.path(), options)
            .map(|data| data.images.slice(s![0, 0, 0, ..]).to_vec())
    };
    assert_eq!(colours(ColorMode::Grayscale)?, [124]); // 0.299·200 + 0.587·100 + 0.114·50 = 124.2
    assert_eq!(colours(ColorMode::Rgb)?, [200, 100, 50]);
    assert_eq!(colours(ColorMode::Rgba)?, [200, 100, 50, 9]);

    save(&RgbImage::from_pixel(1, 1, Rgb([1, 2, 3])), dir.path().join("class/1.png"))?;
    assert_eq!(colours(ColorMode::Rgba)?, [1, 2, 3, 255]);
    Ok(())
}

/// What `tf.image.resize` gives with its defaults: half-pixel centres, no smoothing.
#[test]
fn bilinear() {
    let row = one_image([[0, 100]]);
    assert_eq!(read(&row, grayscale((1, 2))), [0.0, 100.0]);
    assert_eq!(read(&row, grayscale((1, 4))), [0.0, 25.0, 75.0, 100.0]);
    assert_eq!(read(&row, grayscale((1, 1))), [50.0]);
    assert_eq!(read(&row, grayscale((2, 2))), [0.0, 100.0, 0.0, 100.0]);
    let square = one_image([[0, 40], [80, 200]]);
    assert_eq!(read(&square, grayscale((1, 1))), [80.0]);
    // The middle of each third of six pixels, and not the mean of the whole third.
    assert_eq!(read(&one_image([[9, 1, 9, 9, 5, 9]]), grayscale((1, 2))), [1.0, 5.0]);
}

#[test]
fn nearest() {
    let nearest = |size| grayscale(size).interpolation(Interpolation::Nearest);
    let row = one_image([[0, 100]]);
    assert_eq!(read(&row, nearest((1, 4))), [0.0, 0.0, 100.0, 100.0]);
    assert_eq!(read(&row, nearest((1, 1))), [100.0]);
    assert_eq!(read(&row, nearest((1, 3))), [0.0, 100.0, 100.0]);
}

#[test]
fn bytes_are_rounded() -> TestResult {
    let dir = one_image([[0, 1]]);
    let data = image_dataset_from_directory::<u8>(dir.path(), grayscale((1, 4)))?;
    assert_eq!(data.images.as_slice(), Some([0, 0, 1, 1].as_slice())); // of 0, 0.25, 0.75, 1
    Ok(())
}

#[test]
fn channels_are_resized_apart() -> TestResult {
    let dir = tempdir()?;
    let image =
        RgbImage::from_fn(2, 1, |x, _| if x == 0 { Rgb([0, 10, 20]) } else { Rgb([4, 10, 40]) });
    save(&image, dir.path().join("class/1.png"))?;
    assert_eq!(read(&dir, ImageOptions::new().image_size((1, 1))), [2.0, 10.0, 30.0]);
    Ok(())
}
