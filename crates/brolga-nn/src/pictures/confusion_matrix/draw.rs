//! A confusion matrix as SVG.

use ::svg::node::element::{Group, Path, Text};

use super::ConfusionMatrix;
use crate::pictures::svg::{Anchor, FAINT, INK, LINE, document, number, rectangle, text, width};

/// The size of the letters.
const LETTERS: f64 = 13.0;
/// The height of a line of text.
const LINE_HEIGHT: f64 = 22.0;
const MARGIN: f64 = 16.0;
/// Between a name and its cells.
const GAP: f64 = 8.0;
/// The smallest side of a cell.
const CELL: f64 = 34.0;
/// Between cells.
const GRID: &str = "#d5dce6";
/// The cells with no and with all samples of their row, and those between.
const LOW: [f64; 3] = [247.0, 250.0, 254.0];
const HIGH: [f64; 3] = [16.0, 60.0, 116.0];

pub(super) fn draw(matrix: &ConfusionMatrix) -> String {
    let (counts, names) = (&matrix.counts, &matrix.class_names);
    let widest = |texts: &mut dyn Iterator<Item = &str>| {
        texts.map(|text| width(text, LETTERS)).fold(0.0, f64::max)
    };
    let largest = counts.iter().max().map_or(String::new(), u64::to_string);
    let name_width = widest(&mut names.iter().map(String::as_str));
    let cell = (width(&largest, LETTERS) + 2.0 * GAP).max(CELL);
    // Names that are wider than a column stand upright.
    let upright = name_width + GAP > cell;
    let below = if upright { name_width } else { LINE_HEIGHT };
    let side = cell * names.len() as f64;
    let (left, top) = (MARGIN + LINE_HEIGHT + name_width + GAP, MARGIN + 1.5 * LINE_HEIGHT);
    let title = format!("accuracy {:.2} % of {} samples", 100.0 * matrix.accuracy(), counts.sum());
    let whole = (left + side).max(left + width(&title, LETTERS)) + MARGIN;
    let height = top + side + GAP + below + LINE_HEIGHT + MARGIN;
    let mut picture = document(&format!("Confusion matrix: {title}"), (whole, height))
        .add(text(&title, (left, MARGIN + LINE_HEIGHT / 2.0), (Anchor::Start, LETTERS, INK)))
        .add(cells(matrix, (left, top), cell));
    for (index, name) in names.iter().enumerate() {
        let middle = (index as f64 + 0.5) * cell;
        let row = (left - GAP, top + middle);
        let column = (left + middle, top + side + GAP + if upright { 0.0 } else { below / 2.0 });
        let anchor = if upright { Anchor::End } else { Anchor::Middle };
        let label = text(name, column, (anchor, LETTERS, INK));
        let label = if upright { turned(label, column) } else { label };
        picture = picture.add(text(name, row, (Anchor::End, LETTERS, INK))).add(label);
    }
    let middle = side / 2.0;
    let predicted = (left + middle, height - MARGIN - LINE_HEIGHT / 2.0);
    let label = (MARGIN + LINE_HEIGHT / 2.0, top + middle);
    let style = (Anchor::Middle, LETTERS, FAINT);
    let picture = picture
        .add(text("predicted class", predicted, style))
        .add(turned(text("class", label, style), label));
    picture.to_string() + "\n"
}

/// The cells that have samples, lines between all cells, and a frame around them.
fn cells(matrix: &ConfusionMatrix, (left, top): (f64, f64), cell: f64) -> Group {
    let side = number(cell * matrix.class_names.len() as f64);
    let whole = || rectangle((left, top), (side, side));
    let mut group = Group::new().add(whole().set("fill", colour(0.0)));
    let shares = matrix.normalized();
    let found = matrix.counts.indexed_iter().filter(|(_, count)| **count > 0);
    for ((row, column), count) in found {
        let (x, y) = (left + cell * column as f64, top + cell * row as f64);
        let share = shares[(row, column)];
        let ink = if share > 0.5 { "white" } else { INK };
        let middle = (x + cell / 2.0, y + cell / 2.0);
        group = group.add(rectangle((x, y), (cell, cell)).set("fill", colour(share))).add(text(
            &count.to_string(),
            middle,
            (Anchor::Middle, LETTERS, ink),
        ));
    }
    let lines = (1..matrix.class_names.len()).map(|index| {
        let (x, y) = (number(left + cell * index as f64), number(top + cell * index as f64));
        format!("M{x},{} v{side} M{},{y} h{side}", number(top), number(left))
    });
    let lines = Path::new().set("d", lines.collect::<Vec<_>>().join(" ")).set("stroke", GRID);
    group.add(lines).add(whole().set("fill", "none").set("stroke", LINE))
}

/// The colour of a share from 0 to 1.
fn colour(share: f64) -> String {
    let mixed = |index: usize| LOW[index] + share * (HIGH[index] - LOW[index]);
    let [red, green, blue] = [0, 1, 2].map(|index| mixed(index).round() as u8);
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// A text that is read from below, turned around this point.
fn turned(text: Text, (x, y): (f64, f64)) -> Text {
    text.set("transform", format!("rotate(-90 {} {})", number(x), number(y)))
}
