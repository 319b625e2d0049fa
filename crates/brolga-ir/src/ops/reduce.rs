//! The order in which reductions combine, the same for sum, maximum and minimum.
//!
//! The reduced axes fall into two groups: the *inner* ones, the longest run of reduced axes that
//! ends at the last axis, and the *outer* ones, all others.
//!
//! 1. Inner: the elements of one row, flattened, go to 16 virtual lanes: lane `l` starts with the
//!    identity and takes elements `l, l + 16, l + 32, …` in ascending order. Then lanes are
//!    combined as a tree: `l` with `l + 8`, then `l + 4`, `l + 2`, `l + 1`.
//! 2. Outer: the rows, in row-major order, are cut into [`pieces`] of the first outer axis. Each
//!    piece starts with the identity and takes its rows in ascending order; the pieces are combined
//!    in ascending order, starting from the first.
//!
//! So the result depends only on the shape and the axes, never on threads or on vector width.

use smallvec::SmallVec;

use crate::error::Mistake;
use crate::loops::{Buffer, Index, Number, Variable, Writer};
use crate::op::{Combine, Family, expect_operands};
use crate::ops::{Argmax, Op, ReduceMax, ReduceMean, ReduceMin, ReduceSum};
use crate::tensor::Data;
use crate::types::{DType, Shape, Type};

/// The number of virtual lanes of a reduction along the last axis.
pub const LANES: usize = 16;

/// The number of pieces of a reduction over an outer axis of this extent.
///
/// Piece `p` of `P` covers the indices from `p·extent/P` to `(p+1)·extent/P`.
pub fn pieces(extent: usize) -> usize {
    extent.clamp(1, 8)
}

/// The indices that piece `piece` of `pieces` covers.
pub fn piece_range(extent: usize, pieces: usize, piece: usize) -> std::ops::Range<usize> {
    piece * extent / pieces..(piece + 1) * extent / pieces
}

impl Op {
    /// The same reduction over other axes; `None` if the op is no reduction, or not over this
    /// number of axes.
    #[must_use]
    pub fn over(&self, axes: &[usize], keepdims: bool) -> Option<Self> {
        let Family::Reduction { combine, .. } = self.family() else { return None };
        let several = axes.into();
        Some(match combine {
            Combine::Sum => ReduceSum { axes: several, keepdims }.into(),
            Combine::Mean => ReduceMean { axes: several, keepdims }.into(),
            Combine::Max => ReduceMax { axes: several, keepdims }.into(),
            Combine::Min => ReduceMin { axes: several, keepdims }.into(),
            Combine::Argmax => match *axes {
                [axis] => Argmax { axis, keepdims }.into(),
                _ => return None,
            },
        })
    }
}

/// Checks the axes of a reduction: each below the rank, ascending, none twice.
pub(super) fn check_axes(op: &str, axes: &[usize], shape: &Shape) -> Result<(), Mistake> {
    let rank = shape.rank();
    if let Some(axis) = axes.iter().find(|&&axis| axis >= rank) {
        return Err(Mistake::new(format!("`{op}`: there is no axis {axis} in {shape}")));
    }
    if axes.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(Mistake::new(format!("`{op}`: axes must ascend, {axes:?} do not")));
    }
    Ok(())
}

/// The shape after a reduction; with `keepdims` reduced axes stay with extent 1.
pub(super) fn reduced_shape(shape: &Shape, axes: &[usize], keepdims: bool) -> Shape {
    let kept = |axis: &usize| keepdims || !axes.contains(axis);
    (0..shape.rank())
        .filter(kept)
        .map(|axis| if axes.contains(&axis) { 1 } else { shape[axis] })
        .collect()
}

/// The type of a reduction of one tensor of numbers to its element type.
pub(super) fn reduced_type(
    op: &str,
    operands: &[&Type],
    axes: &[usize],
    keepdims: bool,
) -> Result<Type, Mistake> {
    let [x] = expect_operands(op, operands)?;
    check_axes(op, axes, &x.shape)?;
    if x.dtype == DType::Bool {
        return Err(Mistake::new(format!("`{op}` takes numbers, not bool"))
            .help("convert the operand with `cast`"));
    }
    Ok(Type { dtype: x.dtype, shape: reduced_shape(&x.shape, axes, keepdims) })
}

/// The number of inner axes among the reduced ones: the longest run that ends at the last axis.
pub fn inner_axes(rank: usize, axes: &[usize]) -> usize {
    axes.iter().rev().zip((0..rank).rev()).take_while(|(axis, last)| **axis == *last).count()
}

/// Reduces in the order of the [module](self).
pub(super) fn reduce<T: Copy>(
    values: &[T],
    shape: &Shape,
    axes: &[usize],
    identity: T,
    combine: &dyn Fn(T, T) -> T,
) -> Vec<T> {
    let inner = inner_axes(shape.rank(), axes);
    let split = shape.rank() - inner;
    let row: usize = shape[split..].iter().product();
    let rows: Vec<T> = if inner == 0 {
        values.to_vec()
    } else {
        let count = shape[..split].iter().product();
        (0..count).map(|r| reduce_row(&values[r * row..(r + 1) * row], identity, combine)).collect()
    };
    let outer = &axes[..axes.len() - inner];
    if outer.is_empty() {
        return rows;
    }
    let shape = &shape[..split];
    let kept: Vec<usize> = (0..split).filter(|axis| !outer.contains(axis)).collect();
    let strides = Shape::from(shape).strides();
    let offsets = |axes: &[usize]| -> Vec<usize> {
        axes.iter().fold(vec![0], |offsets, &axis| {
            let extent = shape[axis];
            let step = strides[axis];
            offsets.iter().flat_map(|&start| (0..extent).map(move |i| start + i * step)).collect()
        })
    };
    let extent = shape[outer[0]];
    let step = strides[outer[0]];
    let inner_offsets = offsets(&outer[1..]);
    let pieces = pieces(extent);
    let piece = |base: usize, p: usize| {
        let mut acc = identity;
        for i in piece_range(extent, pieces, p) {
            for offset in &inner_offsets {
                acc = combine(acc, rows[base + i * step + offset]);
            }
        }
        acc
    };
    let total = |base| (1..pieces).fold(piece(base, 0), |acc, p| combine(acc, piece(base, p)));
    offsets(&kept).into_iter().map(total).collect()
}

/// A reduction as scalar loops.
pub(super) struct Reduction<'a> {
    /// The axes that are reduced.
    pub(super) axes: &'a [usize],
    /// The number that lanes and pieces start with.
    pub(super) identity: Data,
    /// The combination of two numbers.
    pub(super) combine: Combiner,
    /// The last operation on the result.
    pub(super) finish: &'a dyn Fn(&mut Writer, Number) -> Number,
}

/// The combination of two numbers of a reduction.
pub(super) type Combiner = fn(&mut Writer, Number, Number) -> Number;

impl Reduction<'_> {
    /// Writes the loops, in the order of the [module](self).
    pub(super) fn write(&self, w: &mut Writer, x: Buffer, y: Buffer) {
        let shape = w.shape(x);
        let inner = inner_axes(shape.rank(), self.axes);
        let split = shape.rank() - inner;
        let outer = &self.axes[..self.axes.len() - inner];
        let kept: Vec<usize> = (0..split).filter(|axis| !outer.contains(axis)).collect();
        let extents: Vec<usize> = kept.iter().map(|&axis| shape[axis]).collect();
        w.each(&extents, |w, at| {
            let mut row = vec![Index::default(); split];
            for (&axis, index) in kept.iter().zip(at) {
                row[axis] = index.clone();
            }
            let total = match outer.split_first() {
                None => self.row(w, x, &shape, &row),
                Some((&first, others)) => {
                    write_pieces(w, shape[first], self.combine, |w, from, to| {
                        let identity = w.first(&self.identity);
                        let sum = w.variable(identity);
                        let extents: Vec<usize> = others.iter().map(|&axis| shape[axis]).collect();
                        w.range(from, to, |w, index| {
                            row[first] = index;
                            w.over(&extents, |w, at| {
                                for (&axis, index) in others.iter().zip(at) {
                                    row[axis] = index.clone();
                                }
                                let next = self.row(w, x, &shape, &row);
                                w.update(sum, |w, sum| (self.combine)(w, sum, next));
                            });
                        });
                        w.get(sum)
                    })
                }
            };
            let total = (self.finish)(w, total);
            w.store(y, w.at(&extents, at), total);
        });
    }

    /// One row: its only element, or virtual lanes and then the tree.
    fn row(&self, w: &mut Writer, x: Buffer, shape: &Shape, row: &[Index]) -> Number {
        let (leading, trailing) = shape.split_at(row.len());
        let length: usize = trailing.iter().product();
        let start = w.at(leading, row) * length;
        if inner_axes(shape.rank(), self.axes) == 0 {
            return w.load(x, start);
        }
        let identity = w.first(&self.identity);
        let lanes: Vec<Variable> = (0..LANES).map(|_| w.variable(identity)).collect();
        let take = |w: &mut Writer, first: Index, lanes: &[Variable]| {
            for (lane, &variable) in lanes.iter().enumerate() {
                let next = w.load(x, first.clone() + lane);
                w.update(variable, |w, sum| (self.combine)(w, sum, next));
            }
        };
        w.repeat(length / LANES, |w, n| take(w, start.clone() + n * LANES, &lanes));
        take(w, start + length / LANES * LANES, &lanes[..length % LANES]);
        let mut sums: Vec<Number> = lanes.into_iter().map(|lane| w.get(lane)).collect();
        while sums.len() > 1 {
            let upper = sums.split_off(sums.len() / 2);
            for (sum, upper) in sums.iter_mut().zip(upper) {
                *sum = (self.combine)(w, *sum, upper);
            }
        }
        sums[0]
    }
}

/// The pieces of an axis, each from an index to below another, combined in ascending order.
pub(super) fn write_pieces(
    w: &mut Writer,
    extent: usize,
    combine: Combiner,
    mut piece: impl FnMut(&mut Writer, Index, Index) -> Number,
) -> Number {
    let count = pieces(extent);
    let first = piece(w, Index::default(), Index::number(extent / count));
    if count == 1 {
        return first;
    }
    let total = w.variable(first);
    w.range(Index::number(1), Index::number(count), |w, n| {
        let (from, _) = w.divide(&(&n * extent), count);
        let (to, _) = w.divide(&((n + 1) * extent), count);
        let next = piece(w, from, to);
        w.update(total, |w, total| combine(w, total, next));
    });
    w.get(total)
}

/// Reduces one contiguous row: 16 virtual lanes, then the tree.
pub(super) fn reduce_row<T: Copy>(row: &[T], identity: T, combine: &dyn Fn(T, T) -> T) -> T {
    let mut lanes: SmallVec<[T; LANES]> = SmallVec::from_elem(identity, LANES);
    for (index, &value) in row.iter().enumerate() {
        let lane = &mut lanes[index % LANES];
        *lane = combine(*lane, value);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] = combine(lanes[lane], lanes[lane + width]);
        }
        width /= 2;
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The formula of a reduction of `a, b, c, …`; the identity is left out.
    fn formula(shape: impl Into<Shape>, axes: &[usize]) -> String {
        let shape = shape.into();
        let letter = |index: usize| char::from(b'a' + index as u8).to_string();
        let terms: Vec<String> = (0..shape.elements()).map(letter).collect();
        // Terms are indices, because a reduction copies its elements.
        let terms = std::cell::RefCell::new(terms);
        let identity = usize::MAX;
        let combine = |a: usize, b: usize| {
            let mut terms = terms.borrow_mut();
            match (a == identity, b == identity) {
                (true, _) => b,
                (_, true) => a,
                _ => {
                    let sum = format!("({}{})", terms[a], terms[b]);
                    terms.push(sum);
                    terms.len() - 1
                }
            }
        };
        let indices: Vec<usize> = (0..shape.elements()).collect();
        let results = reduce(&indices, &shape, axes, identity, &combine);
        let terms = terms.borrow();
        let text = |&at: &usize| terms.get(at).map_or("identity", String::as_str);
        results.iter().map(text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn inner_axes_use_sixteen_lanes_and_a_tree() {
        insta::assert_snapshot!(formula([1], &[0]), @"a");
        insta::assert_snapshot!(formula([3], &[0]), @"((ac)b)");
        insta::assert_snapshot!(formula([18], &[0]), @"(((((aq)i)(em))((ck)(go)))((((br)j)(fn))((dl)(hp))))");
        insta::assert_snapshot!(formula([2, 2, 2], &[1, 2]), @"((ac)(bd)) ((eg)(fh))");
    }

    #[test]
    fn outer_axes_are_cut_into_pieces() {
        insta::assert_snapshot!(formula([10, 1], &[0]), @"(((((((ab)c)(de))f)g)h)(ij))");
        insta::assert_snapshot!(formula([2, 2, 2], &[0, 1]), @"((ac)(eg)) ((bd)(fh))");
        insta::assert_snapshot!(formula([2, 2, 2], &[1]), @"(ac) (bd) (eg) (fh)");
    }

    #[test]
    fn rows_come_before_columns() {
        insta::assert_snapshot!(formula([2, 2, 2], &[0, 2]), @"((ab)(ef)) ((cd)(gh))");
        insta::assert_snapshot!(formula([2, 2, 2], &[0, 1, 2]), @"(((ae)(cg))((bf)(dh)))");
    }

    #[test]
    fn nothing_gives_the_identity() {
        insta::assert_snapshot!(formula([0], &[0]), @"identity");
        insta::assert_snapshot!(formula([0, 2], &[0]), @"identity identity");
        insta::assert_snapshot!(formula([2, 0], &[1]), @"identity identity");
        insta::assert_snapshot!(formula([2, 0], &[0]), @"");
        insta::assert_snapshot!(formula([2], &[]), @"a b");
    }
}
