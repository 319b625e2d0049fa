//! The outputs of a sliding window by their taps, on one axis.
//!
//! Outputs are taken in classes `class, class + step, class + 2·step, …`. Within a class, runs of
//! outputs that have the same taps form a segment: one loop without any condition inside. This
//! serves the convolution (an output reads inputs) and its input gradient (an input reads outputs;
//! the step is the stride, since every stride-th input has the same taps).

use crate::nest::Affine;

/// Outputs `class + step·j` for `j` in `start..start + count` with the same taps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lower) struct Segment {
    pub(in crate::lower) start: usize,
    pub(in crate::lower) count: usize,
    /// The number of taps of each output.
    pub(in crate::lower) taps: usize,
    /// The first tap, and the distance to the next.
    pub(in crate::lower) tap: usize,
    pub(in crate::lower) tap_step: usize,
    /// The position that the first output reads with its first tap; the distances that each further
    /// output and tap adds.
    pub(in crate::lower) source: i64,
    pub(in crate::lower) source_step: i64,
    pub(in crate::lower) source_tap: i64,
}

/// The segments of each of the `step` classes of `0..extent`; `taps` gives the taps of an output,
/// ascending, with the positions they read.
pub(in crate::lower) fn lattice(
    extent: usize,
    step: usize,
    taps: impl Fn(usize) -> Vec<(usize, usize)>,
) -> Vec<Vec<Segment>> {
    (0..step)
        .map(|class| {
            let mut segments: Vec<Segment> = Vec::new();
            for (j, output) in (class..extent).step_by(step).enumerate() {
                let next = single(j, &taps(output));
                match segments.last_mut() {
                    Some(last) if joins(last, &next) => {
                        if last.count == 1 {
                            last.source_step = next.source - last.source;
                        }
                        last.count += 1;
                    }
                    _ => segments.push(next),
                }
            }
            segments
        })
        .collect()
}

fn single(start: usize, taps: &[(usize, usize)]) -> Segment {
    let (tap, source) = taps.first().map_or((0, 0), |&(tap, source)| (tap, source as i64));
    let (tap_step, source_tap) = match taps {
        [first, second, ..] => (second.0 - first.0, second.1 as i64 - first.1 as i64),
        _ => (1, 0),
    };
    Segment { start, count: 1, taps: taps.len(), tap, tap_step, source, source_step: 0, source_tap }
}

fn joins(last: &Segment, next: &Segment) -> bool {
    let same_taps = (last.taps, last.tap, last.tap_step, last.source_tap)
        == (next.taps, next.tap, next.tap_step, next.source_tap);
    let step = next.source - last.source - last.source_step * (last.count as i64 - 1);
    same_taps && (last.count == 1 || step == last.source_step)
}

/// The classes of one part of an axis. Outputs count from the part's first one, and positions are
/// those of part 0.
pub(super) type Part = Vec<Vec<Segment>>;

/// Cuts each class into parts of `width` of its `count` outputs, as ranges of parts with the same
/// segments.
pub(super) fn parts(
    classes: &[Vec<Segment>],
    count: usize,
    width: usize,
) -> Vec<(std::ops::Range<usize>, Part)> {
    let mut ranges: Vec<(std::ops::Range<usize>, Part)> = Vec::new();
    for part in 0..count.div_ceil(width) {
        let outputs = part * width..((part + 1) * width).min(count);
        let of_class = |class: &Vec<Segment>| {
            class.iter().filter_map(|segment| segment.within(&outputs)).collect::<Vec<_>>()
        };
        let classes: Part = classes.iter().map(of_class).collect();
        match ranges.last_mut() {
            Some((range, same)) if *same == classes => range.end += 1,
            _ => ranges.push((part..part + 1, classes)),
        }
    }
    ranges
}

impl Segment {
    /// The part of the segment in a range of outputs, as in [`parts`]; `None` if it is empty.
    fn within(&self, outputs: &std::ops::Range<usize>) -> Option<Self> {
        let start = self.start.max(outputs.start);
        let end = (self.start + self.count).min(outputs.end);
        let moved = start as i64 - self.start as i64 - outputs.start as i64;
        let source = self.source + self.source_step * moved;
        (start < end).then(|| Self {
            start: start - outputs.start,
            count: end - start,
            source,
            ..*self
        })
    }
}

/// Cuts `count` into the fewest parts of at most `limit`, as even as possible: `(parts, size)`
/// pairs, larger first.
pub(super) fn even_split(count: usize, limit: usize) -> Vec<(usize, usize)> {
    if count == 0 {
        return Vec::new();
    }
    let parts = count.div_ceil(limit);
    let (size, larger) = (count / parts, count % parts);
    [(larger, size + 1), (parts - larger, size)].into_iter().filter(|(n, _)| *n > 0).collect()
}

/// Equal tiles one after the other: rows of a column of tiles, or lanes of a row of tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lower) struct Tiles {
    /// The start of the first.
    pub(in crate::lower) first: usize,
    pub(in crate::lower) count: usize,
    pub(in crate::lower) size: usize,
}

impl Tiles {
    /// The start of a tile.
    pub(in crate::lower) fn start(&self, tile: &Affine) -> Affine {
        Affine::number(self.first as i64).add(tile, self.size as i64)
    }
}

/// Cuts `count` into the fewest tiles of at most `limit`, as [`even_split`] does.
pub(in crate::lower) fn even_tiles(count: usize, limit: usize) -> Vec<Tiles> {
    let mut first = 0;
    let tiles = even_split(count, limit).into_iter().map(|(count, size)| {
        let tiles = Tiles { first, count, size };
        first += count * size;
        tiles
    });
    tiles.collect()
}

/// Cuts `columns` into tiles of `limit` lanes and a narrower last one.
pub(in crate::lower) fn column_tiles(columns: usize, limit: usize) -> Vec<Tiles> {
    let limit = limit.max(1);
    let (full, rest) = (columns / limit, columns % limit);
    let whole = Tiles { first: 0, count: full, size: limit };
    let last = Tiles { first: full * limit, count: usize::from(rest > 0), size: rest };
    [whole, last].into_iter().filter(|tiles| tiles.count > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every output is in exactly one segment, which has its taps and positions.
    fn check(extent: usize, step: usize, taps: impl Fn(usize) -> Vec<(usize, usize)>) {
        let classes = lattice(extent, step, &taps);
        let mut seen = vec![0; extent];
        for (class, segments) in classes.iter().enumerate() {
            for s in segments {
                for j in 0..s.count {
                    let output = class + step * (s.start + j);
                    seen[output] += 1;
                    let found: Vec<(usize, usize)> = (0..s.taps)
                        .map(|t| {
                            let source =
                                s.source + s.source_step * j as i64 + s.source_tap * t as i64;
                            (s.tap + s.tap_step * t, usize::try_from(source).expect("inside"))
                        })
                        .collect();
                    assert_eq!(found, taps(output), "output {output} of {extent}, step {step}");
                }
            }
        }
        assert!(seen.iter().all(|&n| n == 1));
    }

    #[test]
    fn segments_give_back_the_taps() {
        for extent in 0..12_usize {
            for kernel in 1..5 {
                for (stride, dilation, pad) in
                    [(1, 1, 0), (1, 1, 2), (2, 1, 1), (3, 2, 4), (2, 3, 3), (1, 2, 0)]
                {
                    let span = dilation * (kernel - 1) + 1;
                    if span > extent + 2 * pad {
                        continue;
                    }
                    let out = (extent + 2 * pad - span) / stride + 1;
                    let source = |o: usize, t: usize| {
                        (o * stride + t * dilation).checked_sub(pad).filter(|&i| i < extent)
                    };
                    check(out, 1, |o| {
                        (0..kernel).filter_map(|t| source(o, t).map(|i| (t, i))).collect()
                    });
                    check(extent, stride, |i| {
                        (0..kernel)
                            .filter_map(|t| {
                                (0..out).find(|&o| source(o, t) == Some(i)).map(|o| (t, o))
                            })
                            .collect()
                    });
                }
            }
        }
    }

    #[test]
    fn parts_give_back_the_segments() {
        for (extent, step, kernel, dilation) in [(23, 1, 3, 1), (40, 2, 5, 1), (9, 3, 4, 2)] {
            let taps = |output: usize| -> Vec<(usize, usize)> {
                let read = |tap: usize| (output + tap * dilation).checked_sub(2);
                let taps = (0..kernel).filter_map(|tap| Some((tap, read(tap)?)));
                taps.filter(|(_, source)| *source < extent).collect()
            };
            let (classes, count) = (lattice(extent, step, taps), extent.div_ceil(step));
            for width in 1..=count {
                let mut seen = vec![0; extent];
                for (range, part) in parts(&classes, count, width) {
                    for (p, (class, segment)) in range.flat_map(|p| {
                        let classes = part.iter().enumerate();
                        classes.flat_map(move |(c, part)| part.iter().map(move |s| (p, (c, s))))
                    }) {
                        for j in 0..segment.count {
                            let output = class + step * (p * width + segment.start + j);
                            seen[output] += 1;
                            let moved = (p * width + j) as i64 * segment.source_step;
                            let first = taps(output).first().copied().unwrap_or((0, 0));
                            let source = segment.source + moved;
                            assert_eq!((segment.tap, source), (first.0, first.1 as i64));
                            assert_eq!(segment.taps, taps(output).len());
                        }
                    }
                }
                assert!(seen.iter().all(|&n| n == 1), "{extent} in parts of {width}");
            }
        }
    }

    #[test]
    fn splits_are_even() {
        assert_eq!(even_split(0, 3), []);
        assert_eq!(even_split(10, 3), [(2, 3), (2, 2)]);
        assert_eq!(even_split(11, 3), [(3, 3), (1, 2)]);
        assert_eq!(even_split(6, 3), [(2, 3)]);
        let tiles = |first, count, size| Tiles { first, count, size };
        assert_eq!(even_tiles(10, 3), [tiles(0, 2, 3), tiles(6, 2, 2)]);
        assert_eq!(column_tiles(10, 3), [tiles(0, 3, 3), tiles(9, 1, 1)]);
        assert_eq!(column_tiles(2, 3), [tiles(0, 1, 2)]);
    }
}
