//! The outputs of a sliding window by the taps they have, on one axis.
//!
//! Outputs are taken in classes `class, class + step, class + 2·step, …`. Within a class, runs of
//! outputs that have the same taps form a segment: one loop without any condition inside. This
//! serves the convolution (an output reads inputs) and its input gradient (an input reads outputs;
//! the step is the stride, since neighbours then read the same taps).

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
    /// The place that the first output reads with its first tap; what each further output and tap
    /// adds.
    pub(in crate::lower) place: i64,
    pub(in crate::lower) place_step: i64,
    pub(in crate::lower) place_tap: i64,
}

/// The segments of each of the `step` classes of `0..extent`; `taps` gives the taps of an output,
/// ascending, with the places they read.
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
                            last.place_step = next.place - last.place;
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
    let (tap, place) = taps.first().map_or((0, 0), |&(tap, place)| (tap, place as i64));
    let (tap_step, place_tap) = match taps {
        [first, second, ..] => (second.0 - first.0, second.1 as i64 - first.1 as i64),
        _ => (1, 0),
    };
    Segment { start, count: 1, taps: taps.len(), tap, tap_step, place, place_step: 0, place_tap }
}

fn joins(last: &Segment, next: &Segment) -> bool {
    let same_taps = (last.taps, last.tap, last.tap_step, last.place_tap)
        == (next.taps, next.tap, next.tap_step, next.place_tap);
    let step = next.place - last.place - last.place_step * (last.count as i64 - 1);
    same_taps && (last.count == 1 || step == last.place_step)
}

/// The classes of one part of an axis: segments count from the part's first output, and read from
/// where part 0 would.
pub(super) type Part = Vec<Vec<Segment>>;

/// Cuts each class into parts of `width` outputs, of `count` outputs in all; ranges of parts that
/// are alike have the same segments.
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
    /// What is in a range of outputs, as [`parts`] says it; `None` if nothing is.
    fn within(&self, outputs: &std::ops::Range<usize>) -> Option<Self> {
        let start = self.start.max(outputs.start);
        let end = (self.start + self.count).min(outputs.end);
        let moved = start as i64 - self.start as i64 - outputs.start as i64;
        let place = self.place + self.place_step * moved;
        (start < end).then(|| Self {
            start: start - outputs.start,
            count: end - start,
            place,
            ..*self
        })
    }
}

/// Cuts `count` into the fewest parts of at most `limit`, as even as can be: `(parts, size)` pairs,
/// larger first.
pub(super) fn even_split(count: usize, limit: usize) -> Vec<(usize, usize)> {
    if count == 0 {
        return Vec::new();
    }
    let parts = count.div_ceil(limit);
    let (size, larger) = (count / parts, count % parts);
    [(larger, size + 1), (parts - larger, size)].into_iter().filter(|(n, _)| *n > 0).collect()
}

/// Equal tiles one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tiles {
    /// The index at which the first starts.
    pub(super) first: usize,
    pub(super) count: usize,
    pub(super) size: usize,
}

impl Tiles {
    /// The index at which a tile starts.
    pub(super) fn start(&self, tile: &Affine) -> Affine {
        Affine::number(self.first as i64).add(tile, self.size as i64)
    }
}

/// Cuts `count` into the fewest tiles of at most `limit`, as [`even_split`] does.
pub(super) fn even_tiles(count: usize, limit: usize) -> Vec<Tiles> {
    let mut first = 0;
    let tiles = even_split(count, limit).into_iter().map(|(count, size)| {
        let tiles = Tiles { first, count, size };
        first += count * size;
        tiles
    });
    tiles.collect()
}

/// Cuts `columns` into tiles of `limit` lanes and a narrower last one: `(first column, tiles,
/// lanes)`.
pub(super) fn column_tiles(columns: usize, limit: usize) -> Vec<(usize, usize, usize)> {
    let limit = limit.max(1);
    let (full, rest) = (columns / limit, columns % limit);
    [(0, full, limit), (full * limit, usize::from(rest > 0), rest)]
        .into_iter()
        .filter(|(_, tiles, _)| *tiles > 0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every output is in exactly one segment, which gives back its taps and places.
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
                            let place = s.place + s.place_step * j as i64 + s.place_tap * t as i64;
                            (s.tap + s.tap_step * t, usize::try_from(place).expect("inside"))
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
                    let place = |o: usize, t: usize| {
                        (o * stride + t * dilation).checked_sub(pad).filter(|&i| i < extent)
                    };
                    check(out, 1, |o| {
                        (0..kernel).filter_map(|t| place(o, t).map(|i| (t, i))).collect()
                    });
                    check(extent, stride, |i| {
                        (0..kernel)
                            .filter_map(|t| {
                                (0..out).find(|&o| place(o, t) == Some(i)).map(|o| (t, o))
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
                taps.filter(|(_, place)| *place < extent).collect()
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
                            let moved = (p * width + j) as i64 * segment.place_step;
                            let first = taps(output).first().copied().unwrap_or((0, 0));
                            let place = segment.place + moved;
                            assert_eq!((segment.tap, place), (first.0, first.1 as i64));
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
    }
}
