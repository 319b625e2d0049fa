//! A picture of a model read from its SVG, and what must hold for every one.

use std::fmt;

use ::svg::node::Attributes;
use ::svg::node::element::tag::Type;
use ::svg::parser::Event;

use crate::pictures::svg::width;

/// What an SVG shows.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) boxes: Vec<Shape>,
    pub(super) frames: Vec<Shape>,
    /// The corners of each.
    pub(super) arrows: Vec<Vec<(f64, f64)>>,
}

/// A box or a frame, with its texts.
#[derive(Debug, Default)]
pub(super) struct Shape {
    pub(super) texts: Vec<String>,
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
    /// The last text: left, right, top, bottom.
    title: (f64, f64, f64, f64),
}

impl Shape {
    fn contains(&self, other: &Self) -> bool {
        self.left <= other.left
            && other.right <= self.right
            && self.top <= other.top
            && other.bottom <= self.bottom
    }

    /// Whether both have inner points in common.
    fn overlaps(&self, other: &Self) -> bool {
        self.left.max(other.left) + SLACK < self.right.min(other.right)
            && self.top.max(other.top) + SLACK < self.bottom.min(other.bottom)
    }

    /// Whether a point is on the border.
    fn touches(&self, (x, y): (f64, f64)) -> bool {
        let near = |a: f64, b: f64| (a - b).abs() <= SLACK;
        let within = |a: f64, low: f64, high: f64| low - SLACK <= a && a <= high + SLACK;
        (near(x, self.left) || near(x, self.right)) && within(y, self.top, self.bottom)
            || (near(y, self.top) || near(y, self.bottom)) && within(x, self.left, self.right)
    }
}

/// Coordinates have two digits behind the point.
const SLACK: f64 = 0.05;

fn numbers(text: &str) -> Vec<f64> {
    let parts = text.split(|c: char| !c.is_ascii_digit() && c != '.' && c != '-');
    parts.filter(|part| !part.is_empty()).map(|part| part.parse().expect("a number")).collect()
}

fn attribute(attributes: &Attributes, name: &str) -> f64 {
    let value = attributes.get(name).unwrap_or_else(|| panic!("no `{name}` in {attributes:?}"));
    value.parse().expect("a number")
}

impl Parsed {
    pub(super) fn of(svg: &str) -> Self {
        let mut parsed = Self::default();
        let mut size = (0.0, 0.0);
        // The last text's attributes.
        let mut place: Option<Attributes> = None;
        for event in ::svg::read(svg).expect("an SVG") {
            match event {
                Event::Tag("svg", Type::Start, attributes) => {
                    size = (attribute(&attributes, "width"), attribute(&attributes, "height"));
                }
                Event::Tag("g", Type::Start, attributes) => match &*attributes["class"] {
                    "layer" => parsed.boxes.push(Shape::default()),
                    _ => parsed.frames.push(Shape::default()),
                },
                Event::Tag("rect", _, attributes) => {
                    // The first one is the background.
                    if let Some(shape) = parsed.last() {
                        let of = |name| attribute(&attributes, name);
                        (shape.left, shape.top) = (of("x"), of("y"));
                        shape.right = shape.left + of("width");
                        shape.bottom = shape.top + of("height");
                    }
                }
                Event::Tag("text", Type::Start, attributes) => place = Some(attributes),
                Event::Tag("text", Type::End, _) => place = None,
                Event::Text(text) => {
                    if let Some(attributes) = &place {
                        let shape = parsed.last().expect("texts are in groups");
                        shape.check_fits(text, attributes);
                        shape.texts.push(text.to_owned());
                    }
                }
                Event::Tag("path", _, attributes)
                    if attributes.get("class").is_some_and(|class| &**class == "arrow") =>
                {
                    parsed.arrows.push(corners(&attributes["d"]));
                }
                _ => {}
            }
        }
        let whole = Shape { right: size.0, bottom: size.1, ..Shape::default() };
        parsed.check(&whole);
        parsed
    }

    /// The box or frame that was opened last: boxes come after all frames.
    fn last(&mut self) -> Option<&mut Shape> {
        self.boxes.last_mut().or(self.frames.last_mut())
    }

    /// Everything is within the picture; boxes overlap nothing; frames are around boxes or beside
    /// them; arrows go from box to box through none.
    fn check(&self, whole: &Shape) {
        for (index, shape) in self.boxes.iter().enumerate() {
            assert!(whole.contains(shape), "{shape:?} is outside");
            for other in &self.boxes[index + 1..] {
                assert!(!shape.overlaps(other), "{shape:?} overlaps {other:?}");
            }
            for frame in &self.frames {
                assert!(
                    frame.contains(shape) || !frame.overlaps(shape),
                    "{frame:?} cuts {shape:?}"
                );
            }
        }
        for (index, frame) in self.frames.iter().enumerate() {
            assert!(whole.contains(frame), "{frame:?} is outside");
            for other in &self.frames[index + 1..] {
                let nested = frame.contains(other) || other.contains(frame);
                assert!(nested || !frame.overlaps(other), "{frame:?} cuts {other:?}");
            }
        }
        for corners in &self.arrows {
            for line in corners.windows(2) {
                let [(x, y), (u, v)] = [line[0], line[1]];
                assert!((x - u).abs() < SLACK || (y - v).abs() < SLACK, "{corners:?} is oblique");
                let line = Shape {
                    left: x.min(u) - SLACK,
                    right: x.max(u) + SLACK,
                    top: y.min(v) - SLACK,
                    bottom: y.max(v) + SLACK,
                    ..Shape::default()
                };
                for frame in &self.frames {
                    let (left, right, top, bottom) = frame.title;
                    let title = Shape { left, right, top, bottom, ..Shape::default() };
                    assert!(!title.overlaps(&line), "{corners:?} crosses the title of {frame:?}");
                }
                for shape in &self.boxes {
                    let (inner, line) = (shrunk(shape), &line);
                    assert!(!inner.overlaps(line), "{corners:?} crosses {shape:?}");
                }
            }
        }
    }

    /// The titles of the boxes that each arrow connects.
    pub(super) fn connections(&self) -> Vec<[&str; 2]> {
        let title = |point: (f64, f64)| {
            let shape = self.boxes.iter().find(|shape| shape.touches(point));
            shape.map_or("nothing", |shape| &*shape.texts[0])
        };
        let ends = |corners: &Vec<(f64, f64)>| [corners[0], corners[corners.len() - 1]].map(title);
        self.arrows.iter().map(ends).collect()
    }
}

fn shrunk(shape: &Shape) -> Shape {
    let Shape { left, top, right, bottom, .. } = *shape;
    let (left, top, right, bottom) = (left + 0.5, top + 0.5, right - 0.5, bottom - 0.5);
    Shape { left, top, right, bottom, ..Shape::default() }
}

impl Shape {
    /// A text begins and ends within its box.
    fn check_fits(&mut self, text: &str, attributes: &Attributes) {
        let (x, size) = (attribute(attributes, "x"), attribute(attributes, "font-size"));
        let long = width(text, size);
        let left = if &*attributes["text-anchor"] == "middle" { x - long / 2.0 } else { x };
        assert!(self.left < left && left + long < self.right, "`{text}` leaves {self:?}");
        let y = attribute(attributes, "y");
        self.title = (left, left + long, y - 0.7 * size, y);
        assert!(self.top < y - size && y + 0.3 * size < self.bottom, "`{text}` leaves {self:?}");
    }
}

/// The corners of a path of lines whose corners are rounded: of a curve, where its sides would
/// meet.
fn corners(path: &str) -> Vec<(f64, f64)> {
    let mut corners = vec![];
    for command in path.split(['M', 'L', 'Q']) {
        let numbers = numbers(command);
        match numbers[..] {
            [] => {}
            // The end of the curve is on the way to the next corner.
            [x, y, _, _] => {
                // Where the curve begins is on the way to its corner.
                corners.pop();
                corners.push((x, y));
            }
            [x, y] => corners.push((x, y)),
            _ => panic!("an unknown path: {path}"),
        }
    }
    corners
}

/// The boxes with their texts, then what the arrows connect.
impl fmt::Display for Parsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for frame in &self.frames {
            writeln!(f, "({})", frame.texts.join(" "))?;
        }
        for shape in &self.boxes {
            let (title, rows) = shape.texts.split_first().expect("a title");
            let rows: Vec<String> = rows.chunks(2).map(|row| row.join(" ")).collect();
            writeln!(f, "{}", format!("[{title}] {}", rows.join("; ")).trim_end())?;
        }
        self.connections().iter().try_for_each(|[from, to]| writeln!(f, "{from} -> {to}"))
    }
}
