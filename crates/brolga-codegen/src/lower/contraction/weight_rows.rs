//! The rows of a filter's gradient: which of them meet the same outputs, and which lie alike.

use std::ops::Range;

use brolga_ir::ops::ConvDims;

/// A row of weights: a tap and a channel of the group.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) tap: [usize; 2],
    pub(super) channel: usize,
}

/// The outputs of an axis that read a place inside the image by this tap.
pub(super) fn outputs(dims: &ConvDims, axis: usize, tap: usize) -> Range<usize> {
    let inside = |&output: &usize| dims.window.place(axis, output, tap, dims.input[axis]).is_some();
    let start = (0..dims.output[axis]).find(inside).unwrap_or(0);
    let count = (start..dims.output[axis]).take_while(inside).count();
    start..start + count
}

/// The rows of weights of a group, in groups that meet the same outputs.
pub(super) fn row_groups(dims: &ConvDims) -> Vec<Vec<Row>> {
    let mut groups: Vec<([Range<usize>; 2], Vec<Row>)> = Vec::new();
    for u in 0..dims.kernel[0] {
        for v in 0..dims.kernel[1] {
            let key = [outputs(dims, 0, u), outputs(dims, 1, v)];
            let rows = (0..dims.group_channels()).map(|channel| Row { tap: [u, v], channel });
            match groups.iter_mut().find(|(other, _)| *other == key) {
                Some((_, group)) => group.extend(rows),
                None => groups.push((key, rows.collect())),
            }
        }
    }
    groups.into_iter().map(|(_, rows)| rows).collect()
}

/// Runs of tiles of `size` rows that lie alike and a constant step apart.
pub(super) fn runs(
    rows: &[Row],
    size: usize,
    place: &dyn Fn(Row) -> i64,
    weight: &dyn Fn(Row) -> i64,
) -> Vec<Range<usize>> {
    let tiles = rows.len() / size;
    let shape = |tile: usize| -> Vec<(i64, i64)> {
        let first = rows[tile * size];
        (0..size)
            .map(|r| rows[tile * size + r])
            .map(|row| (place(row) - place(first), weight(row) - weight(first)))
            .collect()
    };
    let start = |tile: usize| (place(rows[tile * size]), weight(rows[tile * size]));
    let step = |tile: usize| {
        let (now, before) = (start(tile), start(tile - 1));
        (now.0 - before.0, now.1 - before.1)
    };
    let mut runs: Vec<Range<usize>> = Vec::new();
    for tile in 0..tiles {
        match runs.last_mut() {
            Some(run)
                if shape(run.start) == shape(tile)
                    && (run.len() == 1 || step(run.start + 1) == step(tile)) =>
            {
                run.end = tile + 1;
            }
            _ => runs.push(tile..tile + 1),
        }
    }
    runs
}
