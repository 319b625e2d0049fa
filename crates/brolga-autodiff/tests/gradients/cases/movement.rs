//! Ops that move elements.

use brolga_ir::Shape;
use brolga_ir::ops::{Broadcast, Concat, Pad, Reshape, Reverse, Slice, Transpose};

use crate::check::{Case, case, check, shapes, subsets};
use crate::numbers::Numbers;

pub(crate) fn cases() -> Vec<Case> {
    [broadcasts(), reshapes(), transposes(), reversals(), slices(), pads(), concatenations()]
        .concat()
}

fn broadcasts() -> Vec<Case> {
    let pairs: [(&[usize], &[usize]); 11] = [
        (&[], &[]),
        (&[], &[3]),
        (&[], &[0, 2]),
        (&[1], &[0]),
        (&[3], &[3]),
        (&[3], &[2, 3]),
        (&[2, 1], &[2, 3]),
        (&[1, 3], &[4, 2, 3]),
        (&[1, 1], &[2, 2]),
        (&[1, 2, 1], &[3, 2, 2]),
        (&[0], &[2, 0]),
    ];
    pairs
        .map(|(from, to)| case(Broadcast { shape: to.into() }, [Numbers::default().any(from)]))
        .into()
}

fn reshapes() -> Vec<Case> {
    let pairs: [(&[usize], &[usize]); 6] = [
        (&[], &[1, 1]),
        (&[1], &[]),
        (&[6], &[2, 3]),
        (&[2, 3], &[3, 1, 2]),
        (&[2, 0], &[0, 5]),
        (&[4], &[4]),
    ];
    pairs
        .map(|(from, to)| case(Reshape { shape: to.into() }, [Numbers::default().any(from)]))
        .into()
}

fn transposes() -> Vec<Case> {
    let shapes: [&[usize]; 6] = [&[], &[3], &[2, 3], &[2, 1, 3], &[2, 3, 0], &[2, 3, 1, 2]];
    let mut cases = Vec::new();
    for shape in shapes {
        for permutation in permutations(shape.len()) {
            let op = Transpose { permutation: permutation.into() };
            cases.push(case(op, [Numbers::default().any(shape)]));
        }
    }
    cases
}

fn permutations(rank: usize) -> Vec<Vec<usize>> {
    (0..rank).fold(vec![vec![]], |shorter, next| {
        let inserted = |shorter: Vec<usize>| {
            (0..=shorter.len()).map(move |place| {
                let mut permutation = shorter.clone();
                permutation.insert(place, next);
                permutation
            })
        };
        shorter.into_iter().flat_map(inserted).collect()
    })
}

fn reversals() -> Vec<Case> {
    let mut cases = Vec::new();
    for shape in shapes() {
        for axes in subsets(shape.rank()) {
            cases
                .push(case(Reverse { axes: axes.into() }, [Numbers::default().any(shape.clone())]));
        }
    }
    cases
}

/// Every slice of a short axis, alone and as the middle axis of three.
fn slices() -> Vec<Case> {
    let slice = |shape: &[usize], starts: &[usize], limits: &[usize], strides: &[usize]| {
        let (starts, limits, strides) = (starts.into(), limits.into(), strides.into());
        case(Slice { starts, limits, strides }, [Numbers::default().any(shape)])
    };
    let mut cases = vec![slice(&[], &[], &[], &[])];
    for extent in [0, 1, 2, 5] {
        for limit in 0..=extent {
            for start in 0..=limit {
                for stride in [1, 2, 3, 7] {
                    cases.push(slice(&[extent], &[start], &[limit], &[stride]));
                    let (starts, limits) = ([1, start, 0], [2, limit, 3]);
                    cases.push(slice(&[2, extent, 3], &starts, &limits, &[1, stride, 2]));
                }
            }
        }
    }
    cases
}

fn pads() -> Vec<Case> {
    let pads: [(&[usize], &[usize], &[usize]); 7] = [
        (&[], &[], &[]),
        (&[3], &[0], &[0]),
        (&[3], &[2], &[1]),
        (&[0], &[1], &[2]),
        (&[2, 3], &[0, 1], &[3, 0]),
        (&[2, 0], &[1, 0], &[0, 0]),
        (&[1, 2, 1], &[1, 1, 1], &[0, 1, 2]),
    ];
    pads.map(|(shape, low, high)| {
        case(Pad { low: low.into(), high: high.into() }, [Numbers::default().any(shape)])
    })
    .into()
}

/// Parts of all extents along each axis.
fn concatenations() -> Vec<Case> {
    let mut cases = Vec::new();
    for shape in shapes().into_iter().filter(|shape| shape.rank() > 0) {
        for axis in 0..shape.rank() {
            for extents in [&[2][..], &[1, 3], &[2, 0, 1], &[0, 0]] {
                let mut numbers = Numbers::default();
                let parts = extents.iter().map(|&extent| {
                    let mut part: Shape = shape.clone();
                    part.dims_mut()[axis] = extent;
                    numbers.any(part)
                });
                cases.push(case(Concat { axis }, parts));
            }
        }
    }
    cases
}

#[test]
fn all_of_them() {
    check(&cases());
}
