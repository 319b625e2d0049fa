//! Which taps of a sliding window meet which places, on one axis.
//!
//! Outputs are taken in classes `class, class + step, class + 2·step, …`. Within a class, runs of outputs that have the same taps form a
//! segment: one loop without any condition inside. This serves the convolution (an output reads inputs) and its input gradient (an input
//! reads outputs; the step is the stride, since neighbours then read the same taps).

/// Outputs `class + step·j` for `j` in `start..start + count` with the same taps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lower) struct Segment {
    pub(in crate::lower) start: usize,
    pub(in crate::lower) count: usize,
    /// How many taps each output has.
    pub(in crate::lower) taps: usize,
    /// The first tap, and the distance to the next.
    pub(in crate::lower) tap: usize,
    pub(in crate::lower) tap_step: usize,
    /// The place that the first output reads with its first tap; what each further output and tap adds.
    pub(in crate::lower) place: i64,
    pub(in crate::lower) place_step: i64,
    pub(in crate::lower) place_tap: i64,
}

/// The segments of each of the `step` classes of `0..extent`; `taps` gives the taps of an output, ascending, with the places they read.
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

/// Ranges of `j` in which no class changes its segment, each with the segment of every class (if it has one there).
pub(super) fn bands(
    classes: &[Vec<Segment>],
    count: usize,
) -> Vec<(std::ops::Range<usize>, Vec<Option<Segment>>)> {
    let mut borders: Vec<usize> = classes
        .iter()
        .flatten()
        .flat_map(|segment| [segment.start, segment.start + segment.count])
        .chain([0, count])
        .filter(|&border| border <= count)
        .collect();
    borders.sort_unstable();
    borders.dedup();
    borders
        .windows(2)
        .map(|pair| {
            let at = |segments: &Vec<Segment>| {
                segments.iter().find(|s| s.start <= pair[0] && pair[0] < s.start + s.count).copied()
            };
            (pair[0]..pair[1], classes.iter().map(at).collect())
        })
        .collect()
}

/// Cuts `count` into the fewest parts of at most `limit`, as even as can be: `(parts, size)` pairs, larger first.
pub(super) fn even_split(count: usize, limit: usize) -> Vec<(usize, usize)> {
    if count == 0 {
        return Vec::new();
    }
    let parts = count.div_ceil(limit);
    let (size, larger) = (count / parts, count % parts);
    [(larger, size + 1), (parts - larger, size)].into_iter().filter(|(n, _)| *n > 0).collect()
}

/// Cuts `columns` into tiles of `limit` lanes and a narrower last one: `(first column, tiles, lanes)`.
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
    fn splits_are_even() {
        assert_eq!(even_split(0, 3), []);
        assert_eq!(even_split(10, 3), [(2, 3), (2, 2)]);
        assert_eq!(even_split(11, 3), [(3, 3), (1, 2)]);
        assert_eq!(even_split(6, 3), [(2, 3)]);
    }
}
