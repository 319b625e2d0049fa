//! Where boxes stand and where arrows go.

use std::error::Error;
use std::num::TryFromIntError;

use graphlay::{Edge, EdgeRoute, LayoutOptions, NodeId, Point, Size};

use super::diagram::{Diagram, Node};
use crate::error::NnError;
use crate::pictures::svg::{self, width};

/// The size of the letters.
pub(super) const LETTERS: f64 = 13.0;
/// The height of a title.
pub(super) const TITLE: f64 = 28.0;
/// The height of a row.
pub(super) const ROW: f64 = 21.0;
/// Beside texts.
pub(super) const PADDING: f64 = 10.0;
/// Around the picture.
const MARGIN: f64 = 16.0;

/// Where the graph goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Direction {
    along: graphlay::Direction,
    reversed: bool,
}

impl Direction {
    /// The direction of Keras's name for it.
    pub(super) fn of(rankdir: &str) -> Result<Self, NnError> {
        use graphlay::Direction::{LeftRight, TopBottom};
        let (along, reversed) = match rankdir {
            "TB" => (TopBottom, false),
            "BT" => (TopBottom, true),
            "LR" => (LeftRight, false),
            "RL" => (LeftRight, true),
            _ => return Err(NnError::unknown("rankdir", rankdir, &["TB", "BT", "LR", "RL"])),
        };
        Ok(Self { along, reversed })
    }
}

/// A diagram whose nodes have places.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) size: (f64, f64),
    /// The left upper corner and the size of each node.
    pub(super) nodes: Vec<((f64, f64), (f64, f64))>,
    /// The corners of each arrow.
    pub(super) arrows: Vec<Vec<(f64, f64)>>,
}

/// The column of the texts in a box, from its left side; labels stand before it.
pub(super) fn texts_begin(node: &Node) -> f64 {
    let labels = node.rows.iter().map(|(label, _)| width(label, LETTERS));
    labels.fold(0.0, f64::max) + 2.0 * PADDING
}

/// What the texts of a node need. A frame is larger where what is inside needs it, and leaves room
/// for its title beside an arrow that enters in its middle.
fn size(node: &Node) -> Size {
    let texts =
        node.rows.iter().map(|(_, text)| texts_begin(node) + width(text, LETTERS) + PADDING);
    let title = width(&node.title, LETTERS) + 2.0 * PADDING;
    let titles = if node.is_frame { 2.0 } else { 1.0 };
    Size::new(texts.fold(titles * title, f64::max), TITLE + ROW * node.rows.len() as f64)
}

/// The diagram as graphlay takes it.
fn graph(diagram: &Diagram) -> Result<graphlay::Graph, TryFromIntError> {
    let id = |index: usize| u32::try_from(index).map(NodeId);
    let node = |node: &Node| -> Result<_, TryFromIntError> {
        let parent = node.parent.map(id).transpose()?;
        Ok(graphlay::Node { size: size(node), parent, ..graphlay::Node::default() })
    };
    let edge = |&(from, to): &(usize, usize)| -> Result<_, TryFromIntError> {
        Ok(Edge::new(id(from)?, id(to)?))
    };
    Ok(graphlay::Graph {
        nodes: diagram.nodes.iter().map(node).collect::<Result<_, _>>()?,
        edges: diagram.arrows.iter().map(edge).collect::<Result<_, _>>()?,
    })
}

/// The places of all nodes and arrows.
///
/// # Errors
/// If there are more nodes than can be counted.
pub(super) fn layout(diagram: &Diagram, direction: Direction) -> Result<Placed, NnError> {
    let cannot = |error: &dyn Error| {
        svg::mistake(format!("the model cannot be drawn: {error}"), "draw a part of it")
    };
    let mut options = LayoutOptions::process_map();
    options.direction = direction.along;
    options.spacing.layer_gap = 36.0;
    options.spacing.node_gap = 32.0;
    options.spacing.dummy_gap = 20.0;
    options.spacing.compound_header = TITLE - options.spacing.compound_padding / 2.0;
    let graph = graph(diagram).map_err(|error| cannot(&error))?;
    let layout = graphlay::layout(&graph, &options).map_err(|error| cannot(&error))?;
    let bounds = layout.bounds;
    let whole = (bounds.width() + 2.0 * MARGIN, bounds.height() + 2.0 * MARGIN);
    let place = |Point { x, y }: Point| {
        let (x, y) = (x - bounds.min.x + MARGIN, y - bounds.min.y + MARGIN);
        match (direction.reversed, direction.along) {
            (false, _) => (x, y),
            (true, graphlay::Direction::LeftRight) => (whole.0 - x, y),
            (true, graphlay::Direction::TopBottom) => (x, whole.1 - y),
        }
    };
    let node = |node: &graphlay::Placement| {
        let (x, y) = place(node.center);
        let Size { width, height } = node.size;
        ((x - width / 2.0, y - height / 2.0), (width, height))
    };
    let arrow = |edge: &EdgeRoute| edge.points.iter().copied().map(place).collect();
    Ok(Placed {
        size: whole,
        nodes: layout.nodes.iter().map(node).collect(),
        arrows: layout.edges.iter().map(arrow).collect(),
    })
}
