//! What all pictures are drawn with: colours, texts whose width is known, and files.

use std::ffi::OsStr;
use std::path::Path;

use brolga_ir::Mistake;
use svg::node::element;

use crate::error::NnError;
use crate::files::replace;

/// The fonts, none of which is wider than [`width`] says.
pub(super) const FONTS: &str = "Helvetica, Arial, DejaVu Sans, sans-serif";
/// Text and lines.
pub(super) const INK: &str = "#1f2a3c";
/// What explains other text.
pub(super) const FAINT: &str = "#66707f";
/// Frames.
pub(super) const LINE: &str = "#8b95a5";
/// Right, wrong: blue-green and red-orange, which people who confuse red and green tell apart.
pub(super) const RIGHT: &str = "#0f7b6c";
pub(super) const WRONG: &str = "#c43e1c";

/// The advance widths of the characters from space to tilde in hundredths of the font's size: for
/// each the larger one of Helvetica's and DejaVu Sans's.
const WIDTHS: [u8; 95] = [
    32, 41, 46, 84, 64, 96, 78, 28, 40, 40, 50, 84, 32, 37, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 34, 34, 84, 84, 84, 56, 102, 69, 69, 73, 78, 67, 62, 78, 76, 30, 50, 67, 56, 87, 75,
    79, 67, 79, 73, 67, 62, 74, 69, 99, 69, 67, 69, 40, 34, 40, 84, 56, 50, 62, 64, 55, 64, 62, 36,
    64, 64, 28, 28, 58, 28, 98, 64, 62, 64, 64, 42, 53, 40, 64, 60, 82, 60, 60, 53, 64, 34, 64, 84,
];
/// The width of all other characters.
const WIDEST: u8 = 110;

/// The width of a text in a font of this size, or a little more.
pub(super) fn width(text: &str, size: f64) -> f64 {
    let of = |c: char| {
        let index = (c as usize).checked_sub(' ' as usize);
        index.and_then(|index| WIDTHS.get(index)).copied().unwrap_or(WIDEST)
    };
    text.chars().map(|c| f64::from(of(c))).sum::<f64>() * size / 100.0
}

/// Where a text stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A line of text whose height is centred around `y`.
pub(super) fn text(
    content: &str,
    (x, y): (f64, f64),
    (anchor, size, colour): (Anchor, f64, &str),
) -> element::Text {
    // XML has no control characters.
    let printable = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    let anchor = match anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    element::Text::new(content.chars().map(printable).collect::<String>())
        .set("x", number(x))
        // Digits and capitals are seven tenths of the font's size high.
        .set("y", number(y + 0.35 * size))
        .set("font-size", number(size))
        .set("text-anchor", anchor)
        .set("fill", colour)
}

/// A rectangle.
pub(super) fn rectangle((x, y): (f64, f64), (width, height): (f64, f64)) -> element::Rectangle {
    element::Rectangle::new()
        .set("x", number(x))
        .set("y", number(y))
        .set("width", number(width))
        .set("height", number(height))
}

/// A white picture of this size with a title that screen readers and tooltips show.
pub(super) fn document(title: &str, (width, height): (f64, f64)) -> svg::Document {
    svg::Document::new()
        .set("width", number(width))
        .set("height", number(height))
        .set("viewBox", (0.0, 0.0, number(width), number(height)))
        .set("font-family", FONTS)
        .add(element::Title::new(title))
        .add(rectangle((0.0, 0.0), (width, height)).set("fill", "white"))
}

/// A coordinate with two digits behind the point.
pub(super) fn number(x: f64) -> f64 {
    // Adding zero leaves no negative zero.
    (x * 100.0).round() / 100.0 + 0.0
}

/// Writes a picture. The file is replaced as a whole.
pub(super) fn save(path: &Path, svg: &str) -> Result<(), NnError> {
    let extension = path.extension().and_then(OsStr::to_str);
    if extension.is_some_and(|extension| !extension.eq_ignore_ascii_case("svg")) {
        return Err(NnError::File {
            path: path.to_owned(),
            message: "pictures are written as SVG".to_owned(),
            help: "let the name end with .svg; browsers show such files, and programs such as rsvg-convert and \
                   Inkscape make PNG of them",
        });
    }
    replace(path, svg.as_bytes())
}

/// A mistake in what is to be drawn.
pub(super) fn mistake(message: impl Into<String>, help: &str) -> NnError {
    Mistake::new(message.into()).help(help).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_those_of_the_characters() {
        assert_eq!(width("", 10.0), 0.0);
        assert_eq!(width("i ~", 10.0), 2.8 + 3.2 + 8.4);
        // Not in the table: counted as the widest.
        assert_eq!(width("é\u{7f}", 10.0), 22.0);
    }

    #[test]
    fn texts_are_escaped() {
        let svg = text("a<b & \u{7}", (1.0, 2.0), (Anchor::End, 10.0, INK)).to_string();
        insta::assert_snapshot!(svg, @r##"
        <text fill="#1f2a3c" font-size="10" text-anchor="end" x="1" y="5.5">
        a&lt;b &amp; �
        </text>
        "##);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(number(1.0 / 3.0).to_string(), "0.33");
        assert_eq!(number(-0.001).to_string(), "0");
    }

    #[test]
    fn other_formats_are_refused() {
        let error = save(Path::new("model.png"), "").expect_err("no SVG");
        insta::assert_snapshot!(error, @"
        model.png: pictures are written as SVG
          help: let the name end with .svg; browsers show such files, and programs such as rsvg-convert and Inkscape make PNG of them
        ");
    }
}
