use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ndarray::{Array, Array3, Array4, array};

use super::*;

fn digits() -> Array3<u8> {
    Array3::from_shape_fn((6, 4, 6), |(image, row, column)| (image * 40 + row * 10 + column) as u8)
}

fn show(name: &str, svg: &str) {
    if let Ok(folder) = std::env::var("BROLGA_PICTURES") {
        std::fs::write(Path::new(&folder).join(format!("{name}.svg")), svg).expect("a folder");
    }
}

/// The pixels of the images in an SVG, and whether they have colours.
fn images(svg: &str) -> Vec<(Vec<u8>, bool)> {
    let sources = svg.split("base64,").skip(1).map(|rest| &rest[..rest.find('"').expect("an end")]);
    let decode = |source: &str| {
        let file = BASE64_STANDARD.decode(source).expect("base64");
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().expect("PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a small image")];
        let info = reader.next_frame(&mut pixels).expect("an image");
        pixels.truncate(info.buffer_size());
        (pixels, info.color_type == png::ColorType::Rgb)
    };
    sources.map(decode).collect()
}

#[test]
fn titles_tell_right_from_wrong_by_colour_and_sign() {
    let digits = digits();
    let grid = ImageGrid::new(&digits).predictions(&[0, 1, 2, 0, 1, 2], &[0, 1, 2, 1, 1, 0]);
    let svg = grid.class_names(["cat", "dog", "long-eared owl"]).to_svg().expect("images");
    show("predictions", &svg);
    assert_eq!(svg.matches("class=\"right\"").count(), 4);
    assert_eq!(svg.matches("class=\"wrong\"").count(), 2);
    for title in ["dog (cat)", "cat (long-eared owl)", "dog (dog)"] {
        assert!(svg.contains(title), "{title} is missing");
    }
}

#[test]
fn pixels_stay_as_they_are() {
    let digits = digits();
    let found = images(&ImageGrid::new(&digits).to_svg().expect("images"));
    let bytes: Vec<u8> = found.iter().flat_map(|(pixels, _)| pixels.clone()).collect();
    assert_eq!((found.len(), bytes), (6, digits.iter().copied().collect()));

    let floats = digits.mapv(|pixel| f32::from(pixel) / 255.0);
    assert_eq!(images(&ImageGrid::new(&floats).to_svg().expect("images")), found);
    let centred = digits.mapv(|pixel| f64::from(pixel) / 127.5 - 1.0);
    let svg = ImageGrid::new(&centred).value_range(-1.0, 1.0).to_svg().expect("images");
    assert_eq!(images(&svg), found);

    let colours =
        Array4::from_shape_fn((2, 2, 2, 3), |(n, y, x, c)| (n * 100 + y * 20 + x * 10 + c) as u8);
    let found = images(&ImageGrid::new(&colours).to_svg().expect("images"));
    let expected: Vec<_> =
        colours.outer_iter().map(|image| (image.iter().copied().collect(), true)).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_picture_of_two_images() {
    let images = array![[[0_u8, 255], [255, 0]], [[255, 255], [0, 0]]];
    let svg = ImageGrid::new(&images).predictions(&[0, 1], &[0, 0]).to_svg().expect("images");
    insta::assert_snapshot!(svg, @r##"
    <svg font-family="Helvetica, Arial, DejaVu Sans, sans-serif" height="134" viewBox="0 0 208 134" width="208" xmlns="http://www.w3.org/2000/svg">
    <title>2 images</title>
    <rect fill="white" height="134" width="208" x="0" y="0"/>
    <image height="84" href="data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAAAAABX3VL4AAAADklEQVR4nGNh+M/ynxEABiUCCDn+lssAAAAASUVORK5CYII=" style="image-rendering:pixelated" width="84" x="14" y="36"/>
    <rect fill="none" height="84" stroke="#0f7b6c" width="84" x="14" y="36"/>
    <g>
    <path class="right" d="M34.6,25.5 l3,3.5 l6,-7.5" fill="none" stroke="#0f7b6c" stroke-width="2"/>
    <text fill="#0f7b6c" font-size="12" text-anchor="start" x="48.6" y="29.2">
    0 (0)
    </text>
    </g>
    <image height="84" href="data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAAAAABX3VL4AAAADklEQVR4nGP5z8DIwAAABRwBBWo1iRAAAAAASUVORK5CYII=" style="image-rendering:pixelated" width="84" x="110" y="36"/>
    <rect fill="none" height="84" stroke="#c43e1c" width="84" x="110" y="36"/>
    <g>
    <path class="wrong" d="M130.6,29 l8,-8 m-8,0 l8,8" fill="none" stroke="#c43e1c" stroke-width="2"/>
    <text fill="#c43e1c" font-size="12" text-anchor="start" x="144.6" y="29.2">
    0 (1)
    </text>
    </g>
    </svg>
    "##);
    let svg =
        ImageGrid::new(&images).titles(["before", "after"]).columns(1).to_svg().expect("images");
    show("titles", &svg);
    assert!(svg.contains("before") && !svg.contains("class="));
}

#[test]
fn what_cannot_be_shown_is_an_error() {
    let digits = digits();
    let grid = || ImageGrid::new(&digits);
    let error = |grid: ImageGrid<'_>| grid.to_svg().expect_err("no picture").to_string();
    insta::assert_snapshot!(error(grid().columns(0)), @"
    a grid of 0 columns
      help: give one column at least
    ");
    insta::assert_snapshot!(error(grid().titles(["one"])), @"
    the array of images has 6 samples, but the list of titles has 1
      help: the first axis counts the samples; both need the same number
    ");
    insta::assert_snapshot!(error(grid().predictions(&[0; 6], &[0; 5])), @"
    the array of images has 6 samples, but the array of predictions has 5
      help: the first axis counts the samples; both need the same number
    ");
    insta::assert_snapshot!(error(grid().predictions(&[0; 5], &[0; 5])), @"
    the array of images has 6 samples, but the array of labels has 5
      help: the first axis counts the samples; both need the same number
    ");
    insta::assert_snapshot!(error(grid().predictions(&[0; 6], &[0.5; 6])), @"
    predictions have 0.5 at sample 0, which is no class
      help: classes are counted from 0. Probabilities of one class become classes by `.mapv(|p| u8::from(p > 0.5))`
    ");
    insta::assert_snapshot!(error(grid().predictions(&[0; 6], &[1; 6]).titles(["a"; 6])), @"
    images have titles and predictions
      help: give one of both
    ");
    insta::assert_snapshot!(error(grid().predictions(&[0; 6], &[1; 6]).class_names(["cat"])), @"
    the class 1 has no name, 1 were given
      help: give each class a name, in the order of their numbers
    ");
    insta::assert_snapshot!(error(grid().value_range(1.0, 1.0)), @"
    a value range from 1 to 1
      help: give two different finite numbers
    ");
    insta::assert_snapshot!(error(grid().value_range(0.0, f64::INFINITY)), @"
    a value range from 0 to inf
      help: give two different finite numbers
    ");
    insta::assert_snapshot!(error(grid().value_range(0.0, 100.0)), @"
    image 2 has the value 101, which is not between 0 and 100
      help: floats go from 0 to 1, integers from 0 to 255; .value_range(black, white) takes others
    ");
    let floats = digits.mapv(f32::from);
    insta::assert_snapshot!(error(ImageGrid::new(&floats)), @"
    image 0 has the value 2, which is not between 0 and 1
      help: floats go from 0 to 1, integers from 0 to 255; .value_range(black, white) takes others
    ");
    let odd = array![[[0.5, f32::NAN]]];
    insta::assert_snapshot!(error(ImageGrid::new(&odd)), @"
    image 0 has the value NaN, which is not between 0 and 1
      help: floats go from 0 to 1, integers from 0 to 255; .value_range(black, white) takes others
    ");
    insta::assert_snapshot!(error(ImageGrid::new(&Array::<f32, _>::zeros((2, 4, 4, 2)))), @"
    an array of shape [2, 4, 4, 2] has no images
      help: give [n, height, width], or [n, height, width, channels] with 1 or 3 channels
    ");
    insta::assert_snapshot!(error(ImageGrid::new(&Array::<f32, _>::zeros((0, 4, 4)))), @"
    the array of images is empty: its shape is [0, 4, 4]
      help: there must be at least one sample, and no axis of extent 0
    ");
    insta::assert_snapshot!(error(ImageGrid::new(&Array::<u8, _>::zeros((1, 1, 20_000)))), @"
    an image of 1×20000 pixels cannot be drawn
      help: give images of at most 16384 pixels on each side
    ");
}
