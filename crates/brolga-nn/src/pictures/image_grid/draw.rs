//! A grid of images as SVG.

use ::svg::node::element::{Group, Image, Path};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::Title;
use super::pixels::Images;
use crate::error::NnError;
use crate::pictures::svg::{
    Anchor, INK, LINE, RIGHT, WRONG, document, number, rectangle, text, width,
};

/// The size of the letters.
const LETTERS: f64 = 12.0;
/// The height of a title.
const TITLE: f64 = 22.0;
const MARGIN: f64 = 14.0;
/// Between images.
const GAP: f64 = 12.0;
/// The sign beside a title, and the space behind it.
const SIGN: f64 = 10.0;
const AFTER_SIGN: f64 = 4.0;
/// The sides of images are multiplied until the longer one has this length, but not made longer
/// than the other one.
const SHORTEST: f64 = 84.0;
const LONGEST: f64 = 320.0;

pub(super) fn draw(images: &Images, columns: usize, titles: &[Title]) -> Result<String, NnError> {
    let (height, wide) = (f64::from(images.height), f64::from(images.width));
    let longer = height.max(wide);
    // Whole pixels of the image where it is made larger.
    let scale = (SHORTEST / longer).ceil().min(LONGEST / longer);
    let size = (wide * scale, height * scale);
    let title_width = titles.iter().map(Title::width).fold(0.0, f64::max);
    let has_titles = title_width > 0.0;
    let pitch = size.0.max(title_width) + GAP;
    let row = size.1 + GAP + if has_titles { TITLE } else { 0.0 };
    let rows = titles.len().div_ceil(columns);
    let whole = (columns as f64 * pitch - GAP, rows as f64 * row - GAP);
    let about = format!("{} images", titles.len());
    let mut picture = document(&about, (whole.0 + 2.0 * MARGIN, whole.1 + 2.0 * MARGIN));
    for (index, (png, title)) in images.png().zip(titles).enumerate() {
        let middle = MARGIN + (index % columns) as f64 * pitch + (pitch - GAP) / 2.0;
        let top = MARGIN + (index / columns) as f64 * row;
        let below = if has_titles { top + TITLE } else { top };
        let place = (middle - size.0 / 2.0, below);
        let colour = title.colour();
        let source = format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png?));
        let image = Image::new()
            .set("x", number(place.0))
            .set("y", number(place.1))
            .set("width", number(size.0))
            .set("height", number(size.1))
            .set("style", "image-rendering:pixelated")
            .set("href", source);
        let edge = if title.is_right.is_some() { colour } else { LINE };
        let frame = rectangle(place, size).set("fill", "none").set("stroke", edge);
        picture = picture.add(image).add(frame).add(title.draw(middle, top + TITLE / 2.0));
    }
    Ok(picture.to_string() + "\n")
}

impl Title {
    fn colour(&self) -> &'static str {
        match self.is_right {
            None => INK,
            Some(true) => RIGHT,
            Some(false) => WRONG,
        }
    }

    fn sign_width(&self) -> f64 {
        if self.is_right.is_some() { SIGN + AFTER_SIGN } else { 0.0 }
    }

    fn width(&self) -> f64 {
        width(&self.text, LETTERS) + self.sign_width()
    }

    /// The text with its sign, around this point.
    fn draw(&self, x: f64, y: f64) -> Group {
        let group = Group::new();
        if self.text.is_empty() {
            return group;
        }
        let group = match self.is_right {
            None => group,
            Some(is_right) => {
                // The text may be narrower than its bound, so the sign stands where it begins.
                group.add(sign(is_right, (x - self.width() / 2.0, y)))
            }
        };
        let begin = x - self.width() / 2.0 + self.sign_width();
        let (at, anchor) = match self.is_right {
            None => (x, Anchor::Middle),
            Some(_) => (begin, Anchor::Start),
        };
        group.add(text(&self.text, (at, y), (anchor, LETTERS, self.colour())))
    }
}

/// A check mark or a cross, from its left side on.
fn sign(is_right: bool, (x, y): (f64, f64)) -> Path {
    let (class, corners, colour) = if is_right {
        ("right", "l3,3.5 l6,-7.5", RIGHT)
    } else {
        ("wrong", "l8,-8 m-8,0 l8,8", WRONG)
    };
    let start = if is_right { (x, y + 0.5) } else { (x, y + 4.0) };
    Path::new()
        .set("class", class)
        .set("d", format!("M{},{} {corners}", number(start.0), number(start.1)))
        .set("fill", "none")
        .set("stroke", colour)
        .set("stroke-width", 2)
}
