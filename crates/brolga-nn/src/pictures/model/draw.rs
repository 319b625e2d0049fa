//! A diagram as SVG.

use ::svg::Document;
use ::svg::node::element::{Definitions, Group, Marker, Path};

use super::diagram::{Diagram, Node};
use super::layout::{LETTERS, PADDING, Placed, ROW, TITLE, texts_begin};
use crate::pictures::svg::{
    Anchor, FAINT, INK, LINE, RIGHT, WRONG, document, number, rectangle, text, width,
};

/// The radius of corners.
const ROUND: f64 = 5.0;
/// Behind the title of a box; a little of it is inside of frames, which may be inside of another.
const DARK: &str = "#2b3f5c";

pub(super) fn draw(diagram: &Diagram, placed: &Placed) -> String {
    let head = Path::new().set("d", "M0,0 L8,4 L0,8 Z").set("fill", INK);
    let marker = Marker::new()
        .set("id", "head")
        .set("viewBox", "0 0 8 8")
        .set("refX", 8)
        .set("refY", 4)
        .set("markerWidth", 8)
        .set("markerHeight", 8)
        .set("markerUnits", "userSpaceOnUse")
        .set("orient", "auto")
        .add(head);
    let picture = document(&format!("The model {}", diagram.name), placed.size)
        .add(Definitions::new().add(marker));
    let nodes = || diagram.nodes.iter().zip(&placed.nodes);
    let frames = nodes().filter(|(node, _)| node.is_frame);
    let picture = frames
        .fold(picture, |picture, (node, &place)| picture.add(frame(node, place, &placed.arrows)));
    let picture = placed.arrows.iter().fold(picture, |picture, corners| arrow(picture, corners));
    let boxes = nodes().filter(|(node, _)| !node.is_frame);
    let picture = boxes.fold(picture, |picture, (node, &place)| picture.add(a_box(node, place)));
    picture.to_string() + "\n"
}

/// A nested model: its title, and its layers inside.
fn frame(
    node: &Node,
    ((x, y), size): ((f64, f64), (f64, f64)),
    arrows: &[Vec<(f64, f64)>],
) -> Group {
    let border = rectangle((x, y), size)
        .set("rx", ROUND)
        .set("fill", DARK)
        .set("fill-opacity", 0.06)
        .set("stroke", LINE)
        .set("stroke-dasharray", "5 3");
    let begin =
        free(arrows, (y, y + TITLE), (x + PADDING, x + size.0), width(&node.title, LETTERS));
    let title = (begin, y + TITLE / 2.0);
    let group = Group::new().set("class", "frame");
    group.add(border).add(text(&node.title, title, (Anchor::Start, LETTERS, INK)))
}

/// Where a text of this width begins so that no arrow crosses it: as far left as there is room
/// between `left` and `right`, or at `left` if there is none.
fn free(
    arrows: &[Vec<(f64, f64)>],
    (top, bottom): (f64, f64),
    (left, right): (f64, f64),
    width: f64,
) -> f64 {
    let lines = arrows.iter().flat_map(|corners| corners.windows(2));
    let crossing = lines.filter(|line| {
        let [(_, y), (_, v)] = [line[0], line[1]];
        y.min(v) < bottom && top < y.max(v)
    });
    let mut taken: Vec<_> =
        crossing.map(|line| (line[0].0.min(line[1].0), line[0].0.max(line[1].0))).collect();
    taken.sort_by(|a, b| a.0.total_cmp(&b.0));
    let begin = taken.into_iter().fold(left, |begin, (from, to)| {
        let is_before = begin + width + PADDING <= from;
        if is_before { begin } else { begin.max(to + PADDING) }
    });
    if begin + width < right { begin } else { left }
}

/// A layer: its title, and a row for each of its properties.
fn a_box(node: &Node, ((x, y), (wide, height)): ((f64, f64), (f64, f64))) -> Group {
    let outline = rectangle((x, y), (wide, height)).set("rx", ROUND).set("fill", DARK);
    let middle = (x + wide / 2.0, y + TITLE / 2.0);
    let title = text(&node.title, middle, (Anchor::Middle, LETTERS, "white"));
    let mut group = Group::new().set("class", "layer").add(outline).add(title);
    if !node.rows.is_empty() {
        group = group.add(below((x, y + TITLE), (wide, height - TITLE)));
    }
    let begin = texts_begin(node);
    for (index, (label, value)) in node.rows.iter().enumerate() {
        let y = y + TITLE + (index as f64 + 0.5) * ROW;
        let colour = match (*label, value.as_str()) {
            ("trainable", "yes") => RIGHT,
            ("trainable", _) => WRONG,
            _ => INK,
        };
        group = group
            .add(text(label, (x + PADDING, y), (Anchor::Start, LETTERS, FAINT)))
            .add(text(value, (x + begin, y), (Anchor::Start, LETTERS, colour)));
    }
    group
}

/// The white part of a box, whose lower corners are round.
fn below((x, y): (f64, f64), (width, height): (f64, f64)) -> Path {
    // The dark frame around it.
    let inset = 1.0;
    let (left, right) = (number(x + inset), number(x + width - inset));
    let (top, bottom) = (number(y), number(y + height - inset));
    let round = ROUND - inset;
    let (before, after, above) =
        (number(right - round), number(left + round), number(bottom - round));
    let data = format!(
        "M{left},{top} H{right} V{above} Q{right},{bottom} {before},{bottom} \
         H{after} Q{left},{bottom} {left},{above} Z"
    );
    Path::new().set("d", data).set("fill", "white")
}

/// A line along these corners, which are rounded, with a head at its end.
fn arrow(picture: Document, corners: &[(f64, f64)]) -> Document {
    let ([begin, ..], Some(end)) = (corners, corners.last()) else { return picture };
    let at = |(x, y): (f64, f64)| format!("{},{}", number(x), number(y));
    let mut data = format!("M{}", at(*begin));
    for three in corners.windows(3) {
        let [before, corner, after] = [three[0], three[1], three[2]];
        let (start, stop) = (towards(corner, before), towards(corner, after));
        data += &format!(" L{} Q{} {}", at(start), at(corner), at(stop));
    }
    data += &format!(" L{}", at(*end));
    picture.add(
        Path::new()
            .set("class", "arrow")
            .set("d", data)
            .set("fill", "none")
            .set("stroke", INK)
            .set("stroke-width", 1.3)
            .set("marker-end", "url(#head)"),
    )
}

/// The point at which the rounding of a corner begins: at most half way to the next one.
fn towards((x, y): (f64, f64), (to_x, to_y): (f64, f64)) -> (f64, f64) {
    let distance = (to_x - x).hypot(to_y - y);
    let share = if distance > 0.0 { (ROUND / distance).min(0.5) } else { 0.0 };
    (x + (to_x - x) * share, y + (to_y - y) * share)
}
