//! The Fourier transform as products of matrices.

use std::f64::consts::TAU;

use brolga_ir::{Data, Tensor, Var};

/// The factors of a length, as near to each other as can be, the smaller one first.
pub(super) fn factors(length: usize) -> [usize; 2] {
    let root = length.isqrt();
    let smaller = (1..=root).rev().find(|&factor| length.is_multiple_of(factor)).unwrap_or(1);
    [smaller, length / smaller]
}

/// `|X[k]|²` for k up to half the length n of frames, `[frames, n/2 + 1]`, of frames
/// `[frames, columns, rows]` in which the sample of a frame is row · columns + column.
///
/// With k = q + rows·p the transform is one over the rows, a turn of each element by −q·column/n,
/// and one over the columns; rows and columns have matrices of their own.
pub(super) fn power(frames: &Var) -> Var {
    let [count, columns, rows] = **frames.shape() else { return frames.clone() };
    let length = rows * columns;
    let constant = |shape: &[usize], values: Vec<f64>| {
        let tensor = Tensor::new(shape, Data::from_f64(frames.dtype(), &values));
        frames.tracer().constant(tensor.expect("as many values as the shape has"))
    };
    // Turns are exact: products of indices are reduced before they become angles.
    let turn = |of: usize, n: usize| -TAU * (of % n) as f64 / n as f64;
    let over_rows = (0..rows)
        .flat_map(|row| {
            let angle = move |q: usize| turn(row * q, rows);
            (0..rows).map(move |q| angle(q).cos()).chain((0..rows).map(move |q| angle(q).sin()))
        })
        .collect();
    let over_rows = constant(&[rows, 2 * rows], over_rows);
    let transformed = frames.reshape([count * columns, rows]).matmul(&over_rows);
    let transformed = transformed.reshape([count, columns, 2, rows]);
    let part = |side: usize| {
        let limits = [count, columns, side + 1, rows];
        transformed.slice(&[0, 0, side, 0], &limits, &[1; 4]).reshape([count, columns, rows])
    };
    let (re, im) = (part(0), part(1));
    let turns = |wave: fn(f64) -> f64| {
        let elements = (0..length).map(|at| wave(turn(at / rows * (at % rows), length)));
        constant(&[columns, rows], elements.collect())
    };
    let (cosines, sines) = (turns(f64::cos), turns(f64::sin));
    let turned_re = &re * &cosines - &im * &sines;
    let turned_im = re * sines + im * cosines;
    let across = |x: Var| x.transpose(&[0, 2, 1]).reshape([count * rows, columns]);
    let parts = across(turned_re).concat(&[&across(turned_im)], 1);
    // Frequencies above the half are those of below, reflected.
    let kept = columns / 2 + 1;
    let over_columns = |side: usize| {
        let elements = (0..2 * columns).flat_map(|row| {
            (0..kept).map(move |p| {
                let angle = turn(row % columns * p, columns);
                match (side, row < columns) {
                    (0, true) | (1, false) => angle.cos(),
                    (0, false) => -angle.sin(),
                    _ => angle.sin(),
                }
            })
        });
        constant(&[2 * columns, kept], elements.collect())
    };
    let (re, im) = (parts.matmul(&over_columns(0)), parts.matmul(&over_columns(1)));
    let power = &re * &re + &im * &im;
    let ordered = power.reshape([count, rows, kept]).transpose(&[0, 2, 1]);
    let all = ordered.reshape([count, kept * rows]);
    all.slice(&[0, 0], &[count, length / 2 + 1], &[1, 1])
}
