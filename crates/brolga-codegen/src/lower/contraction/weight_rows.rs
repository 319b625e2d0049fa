//! The rows of a filter's gradient, grouped by the outputs they meet and by their offsets.

use std::array;
use std::ops::Range;

use brolga_ir::ops::ConvDims;

use crate::lower::window::triple;

/// A row of weights: a tap and a channel of the group.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) tap: [usize; 3],
    pub(super) channel: usize,
}

/// The outputs of an axis that read inside the image with this tap.
fn outputs(dims: &ConvDims, axis: usize, tap: usize) -> Range<usize> {
    let inside = |&output: &usize| dims.window.input(axis, output, tap, dims.input[axis]).is_some();
    let start = (0..dims.output[axis]).find(inside).unwrap_or(0);
    let count = (start..dims.output[axis]).take_while(inside).count();
    start..start + count
}

/// The rows of weights of a group, in groups that meet the same outputs.
pub(super) fn row_groups(dims: &ConvDims) -> Vec<Vec<Row>> {
    let mut groups: Vec<([Range<usize>; 3], Vec<Row>)> = Vec::new();
    let [planes, lines, columns] = triple(&dims.kernel);
    for tap in (0..planes * lines * columns)
        .map(|tap| [tap / (lines * columns), tap / columns % lines, tap % columns])
    {
        let key = array::from_fn(|axis| outputs(dims, axis, tap[axis]));
        let rows = (0..dims.group_channels()).map(|channel| Row { tap, channel });
        match groups.iter_mut().find(|(other, _)| *other == key) {
            Some((_, group)) => group.extend(rows),
            None => groups.push((key, rows.collect())),
        }
    }
    groups.into_iter().map(|(_, rows)| rows).collect()
}

/// Output planes, lines and columns that all taps of a group of rows meet.
pub(super) fn reach(dims: &ConvDims, rows: &[Row]) -> [Range<usize>; 3] {
    let tap = rows.first().map_or([0; 3], |row| row.tap);
    array::from_fn(|axis| outputs(dims, axis, tap[axis]))
}

/// The offsets of a row's factors in an image, and of its sums, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Offsets {
    pub(super) factor: i64,
    pub(super) sum: i64,
}

impl Offsets {
    /// The distance from another row.
    fn from(self, other: Self) -> Self {
        Self { factor: self.factor - other.factor, sum: self.sum - other.sum }
    }
}

/// Tiles at a constant step whose rows have the same distances: one loop.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// The first row of the first tile.
    pub(super) start: Offsets,
    /// The rows of each tile, relative to its first.
    pub(super) rows: Vec<Offsets>,
    pub(super) count: usize,
    /// The distance from tile to tile; 0 if there is one.
    pub(super) step: Offsets,
}

/// The runs of tiles of `size` rows.
pub(super) fn runs(rows: &[Offsets], size: usize) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut last = Offsets::default();
    for tile in rows.chunks(size) {
        let start = tile[0];
        let step = start.from(last);
        last = start;
        let rows: Vec<Offsets> = tile.iter().map(|row| row.from(start)).collect();
        match runs.last_mut() {
            Some(run) if run.rows == rows && (run.count == 1 || run.step == step) => {
                run.step = step;
                run.count += 1;
            }
            _ => runs.push(Run { start, rows, count: 1, step: Offsets::default() }),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(offsets: &[(i64, i64)]) -> Vec<Offsets> {
        offsets.iter().map(|&(factor, sum)| Offsets { factor, sum }).collect()
    }

    #[test]
    fn tiles_that_lie_alike_are_one_run() {
        let taps = rows(&[(0, 0), (4, 40), (8, 80), (12, 120), (16, 160), (20, 200)]);
        let [run] = &runs(&taps, 2)[..] else { panic!("one run") };
        assert_eq!((run.count, run.start), (3, taps[0]));
        assert_eq!(run.step, taps[2]);
        assert_eq!(run.rows, taps[..2]);
    }

    #[test]
    fn another_step_or_other_rows_begin_a_run() {
        let counts = |offsets: &[(i64, i64)], size: usize| -> Vec<usize> {
            runs(&rows(offsets), size).iter().map(|run| run.count).collect()
        };
        assert_eq!(counts(&[(0, 0), (4, 40), (8, 80), (20, 120)], 1), [3, 1]);
        assert_eq!(counts(&[(0, 0), (4, 40), (8, 80), (12, 120)], 1), [4]);
        assert_eq!(counts(&[(0, 0), (4, 40), (8, 80), (20, 120)], 2), [1, 1]);
        assert_eq!(counts(&[], 1), [0; 0]);
    }
}
