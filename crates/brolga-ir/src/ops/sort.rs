//! The elements of an axis in order.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::elementwise::number;
use super::reduce::check_axes;
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::for_each_dtype;
use crate::lanes::Lanes;
use crate::loops::{Buffer, Index, Number, Scalar, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp, expect_operands};
use crate::tensor::{Data, Tensor};
use crate::trace::Var;
use crate::types::{DType, Shape, Type};

/// The elements along an axis in ascending or descending order, and the original index of each: two
/// results, of x's type and `i32`.
///
/// The order is stable: equal elements, such as +0 and −0, stay in their order. NaN comes last in
/// both directions. The gradient moves each cotangent to its element's original index; indices have
/// none. NumPy: [`numpy.sort`](https://numpy.org/doc/stable/reference/generated/numpy.sort.html)
/// and `numpy.argsort` with `kind="stable"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sort {
    /// The axis.
    pub axis: usize,
    /// Whether the largest comes first.
    #[serde(default)]
    pub descending: bool,
}

/// The lines along an axis of a tensor.
#[derive(Clone, Copy)]
struct Lines {
    extent: usize,
    stride: usize,
    count: usize,
}

impl Lines {
    fn of(shape: &Shape, axis: usize) -> Self {
        let extent = shape[axis];
        let count = shape.elements().checked_div(extent).unwrap_or(0);
        Self { extent, stride: shape.strides()[axis], count }
    }

    /// The offset at which a line begins.
    fn start(self, line: usize) -> usize {
        line / self.stride * self.extent * self.stride + line % self.stride
    }
}

impl Sort {
    fn compare<T: PartialOrd + Copy>(self, a: T, b: T) -> Ordering {
        let is_nan = |x: T| x.partial_cmp(&x).is_none();
        match a.partial_cmp(&b) {
            Some(order) if self.descending => order.reverse(),
            Some(order) => order,
            None => is_nan(a).cmp(&is_nan(b)),
        }
    }

    /// For each element of the result its offset in the operand.
    fn order<T: PartialOrd + Copy>(self, x: &[T], lines: Lines) -> Vec<usize> {
        let mut order = vec![0; x.len()];
        for line in 0..lines.count {
            let start = lines.start(line);
            let at = |index: usize| start + index * lines.stride;
            let mut elements: Vec<usize> = (0..lines.extent).map(at).collect();
            elements.sort_by(|&a, &b| self.compare(x[a], x[b]));
            for (index, element) in elements.into_iter().enumerate() {
                order[at(index)] = element;
            }
        }
        order
    }

    /// Whether a number belongs before another one that precedes it.
    fn overtakes(self, w: &mut Writer, number: Number, other: Number) -> Number {
        let goes_first =
            if self.descending { w.greater(number, other) } else { w.greater(other, number) };
        let (is_nan, other_is_nan) = (w.is_nan(number), w.is_nan(other));
        let mut lanes = w.lanes(number.scalar.width());
        let is_number = lanes.not(is_nan);
        let beside_nan = lanes.and(is_number, other_is_nan);
        lanes.or(goes_first, beside_nan)
    }

    /// Merges two adjacent sorted runs of a line, of `width` elements each unless the line ends
    /// before.
    fn merge(self, w: &mut Writer, line: &Line, [from, to]: [Buffer; 2], width: usize) {
        let extent = line.extent;
        w.repeat(extent.div_ceil(2 * width), |w, run| {
            let start = run * (2 * width);
            let middle = w.min(start.clone() + width, Index::number(extent));
            let end = w.min(start.clone() + 2 * width, Index::number(extent));
            let [left, right] = [&start, &middle].map(|index| {
                let index = w.number(Scalar::I32, index.clone());
                w.variable(index)
            });
            let ends = [&middle, &end].map(|index| w.number(Scalar::I32, index.clone()));
            w.range(start, end, |w, index| {
                let nexts = [w.get(left), w.get(right)];
                let entries = nexts.map(|next| {
                    let index = line.inside(w, next);
                    w.load(from, line.entries.clone() + index)
                });
                let numbers = entries.map(|entry| {
                    let index = line.inside(w, entry);
                    w.load(line.x, line.start.clone() + index * line.stride)
                });
                let overtakes = self.overtakes(w, numbers[1], numbers[0]);
                let [has_left, has_right] = [0, 1].map(|side| w.greater(ends[side], nexts[side]));
                let mut lanes = w.lanes(numbers[0].scalar.width());
                let no_left = lanes.not(has_left);
                let first = lanes.or(overtakes, no_left);
                let takes_right = lanes.and(has_right, first);
                let entry = w.select(takes_right, entries[1], entries[0]);
                w.store(to, line.entries.clone() + index, entry);
                let one = w.first(&Data::I32(vec![1]));
                let [left_after, right_after] = nexts.map(|next| w.add(next, one));
                let left_after = w.select(takes_right, nexts[0], left_after);
                let right_after = w.select(takes_right, right_after, nexts[1]);
                w.set(left, left_after);
                w.set(right, right_after);
            });
        });
    }
}

/// A line that is sorted by scalar loops.
struct Line {
    x: Buffer,
    /// The offset of its first element, and the distance from element to element.
    start: Index,
    stride: usize,
    extent: usize,
    /// The offset at which its indices begin in the buffers of indices.
    entries: Index,
}

impl Line {
    /// The number as an index of the line. It is one already, which the check of loops cannot know.
    fn inside(&self, w: &mut Writer, number: Number) -> Index {
        let index = w.index(number);
        let index = w.min(index, Index::number(self.extent - 1));
        w.max(index, Index::default())
    }
}

impl Operation for Sort {
    fn family(&self) -> Family<'_> {
        Family::Other
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let name = Self::NAME;
        let [x] = expect_operands(Self::NAME, operands)?;
        number(Self::NAME, &[x.dtype])?;
        check_axes(Self::NAME, &[self.axis], &x.shape)?;
        if i32::try_from(x.shape[self.axis]).is_err() {
            let axis = self.axis;
            return Err(Mistake::new(format!(
                "`{name}`: the indices of axis {axis} of {x} exceed i32"
            )));
        }
        let indices = Type { dtype: DType::I32, shape: x.shape.clone() };
        Ok([x, indices].into_iter().collect())
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let shape = operands[0].shape();
        let lines = Lines::of(shape, self.axis);
        let order = for_each_dtype!(operands[0].data(), v => self.order(v, lines));
        let elements: Vec<Option<usize>> = order.iter().copied().map(Some).collect();
        let index = |element: usize| (element / lines.stride % lines.extent) as i32;
        let indices = order.into_iter().map(index).collect();
        vec![
            Tensor::of(results[0].shape.clone(), operands[0].data().pick_or_zero(&elements)),
            Tensor::of(results[1].shape.clone(), Data::I32(indices)),
        ]
    }

    /// A merge sort of indices, from runs of one index on.
    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        let shape = w.shape(operands[0]);
        let mut extents = shape.to_vec();
        let extent = std::mem::replace(&mut extents[self.axis], 1);
        let stride = shape.strides()[self.axis];
        let count: usize = extents.iter().product();
        let indices = Type { dtype: DType::I32, shape: [count, extent].into() };
        let mut buffers = [w.temporary(indices.clone()), w.temporary(indices)];
        if shape.elements() == 0 {
            return;
        }
        w.each(&extents, |w, at| {
            let (start, line) = (w.at(&shape, at), w.at(&extents, at));
            let line = Line { x: operands[0], start, stride, extent, entries: line * extent };
            w.repeat(extent, |w, index| {
                let number = w.number(Scalar::I32, index.clone());
                w.store(buffers[0], line.entries.clone() + index, number);
            });
            let mut width = 1;
            while width < extent {
                self.merge(w, &line, buffers, width);
                buffers.reverse();
                width *= 2;
            }
            w.repeat(extent, |w, index| {
                let entry = w.load(buffers[0], line.entries.clone() + index.clone());
                let from = line.inside(w, entry);
                let element = w.load(line.x, line.start.clone() + from * stride);
                let to = line.start.clone() + index * stride;
                w.store(results[0], to.clone(), element);
                w.store(results[1], to, entry);
            });
        });
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let Some(dy) = &node.cotangents[0] else { return Ok(vec![None]) };
        let (shape, indices) = (dy.shape().clone(), &node.results[1]);
        // With the axis last, an element's row in the table of all elements is its line times the
        // extent, plus its index.
        let last = shape.rank() - 1;
        let mut permutation: Vec<usize> = (0..=last).filter(|&axis| axis != self.axis).collect();
        permutation.push(self.axis);
        let mut back = vec![0; permutation.len()];
        for (to, &from) in permutation.iter().enumerate() {
            back[from] = to;
        }
        let moved = dy.transpose(&permutation);
        let (count, extent) = (shape.elements(), shape[self.axis]);
        let lines: Shape = [count.checked_div(extent).unwrap_or(0), extent].into();
        let dtype = if i32::try_from(count).is_ok() { DType::I32 } else { DType::I64 };
        let tracer = dy.tracer();
        let line = tracer.iota(Type { dtype, shape: lines.clone() }, 0);
        let indices = indices.transpose(&permutation).reshape(lines).cast(dtype);
        let rows = line * tracer.scalar(dtype, extent as f64) + indices;
        let scattered = moved.reshape([count]).scatter_add(&rows.reshape([count]), count);
        Ok(vec![Some(scattered.reshape(moved.shape().clone()).transpose(&back))])
    }
}

impl Var {
    /// The elements along an axis in order, and their original indices; see [`Sort`].
    #[track_caller]
    #[must_use]
    pub fn sort(&self, axis: usize, descending: bool) -> (Var, Var) {
        let results = self.tracer().apply_all(Sort { axis, descending }, &[self]);
        // After a mistake there is one value, which replaces both.
        let [first, last] = [&results[0], &results[results.len() - 1]];
        (first.clone(), last.clone())
    }

    /// The `k` largest elements along the last axis, largest first, and their indices (`i32`); NaN
    /// counts as the smallest. Of equal elements the first ones are taken. The gradient is that of
    /// [`Sort`].
    #[track_caller]
    #[must_use]
    pub fn top_k(&self, k: usize) -> (Var, Var) {
        let rank = self.shape().rank();
        let (values, indices) = self.sort(rank.saturating_sub(1), true);
        let mut limits = self.shape().to_vec();
        if let Some(last) = limits.last_mut() {
            *last = k;
        }
        let first_k = |x: &Var| x.slice(&vec![0; rank], &limits, &vec![1; rank]);
        (first_k(&values), first_k(&indices))
    }
}

impl Draw for Sort {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let x = pen.operand(
            |shape| shape.rank() > 0,
            |pen| [pen.extent(2), pen.rng.between(1, 33)].into(),
        );
        let axis = pen.rng.below(x.shape().rank());
        Some((Self { axis, descending: pen.rng.one_in(2) }, vec![x]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{mistake, tensor, vector, vjp};
    use crate::{Tracer, interpret};

    const NAN: f32 = f32::NAN;

    fn sorted(axis: usize, descending: bool, x: &Tensor) -> [Tensor; 2] {
        let t = Tracer::new("sort");
        let (values, indices) = t.input("x", x.ty()).sort(axis, descending);
        t.output(&values);
        t.output(&indices);
        let graph = t.finish().expect("a graph");
        interpret(&graph, std::slice::from_ref(x)).expect("x fits").try_into().expect("two results")
    }

    #[test]
    fn equal_elements_stay_and_nan_is_last() {
        let x = vector([2.0, NAN, 1.0, 0.0, -0.0, 2.0, f32::INFINITY, f32::NEG_INFINITY]);
        let [values, indices] = sorted(0, false, &x);
        let up = [f32::NEG_INFINITY, 0.0, -0.0, 1.0, 2.0, 2.0, f32::INFINITY, NAN];
        assert_eq!(values, vector(up));
        assert_eq!(indices, vector([7, 3, 4, 2, 0, 5, 6, 1]));
        let [values, indices] = sorted(0, true, &x);
        let down = [f32::INFINITY, 2.0, 2.0, 1.0, 0.0, -0.0, f32::NEG_INFINITY, NAN];
        assert_eq!(values, vector(down));
        assert_eq!(indices, vector([6, 0, 5, 2, 3, 4, 7, 1]));
    }

    #[test]
    fn any_axis_of_any_extent() {
        let x = tensor([2, 3], [3_u8, 1, 2, 0, 5, 2]);
        assert_eq!(
            sorted(0, false, &x),
            [tensor([2, 3], [0_u8, 1, 2, 3, 5, 2]), tensor([2, 3], [1, 0, 0, 0, 1, 1])]
        );
        assert_eq!(
            sorted(1, false, &x),
            [tensor([2, 3], [1_u8, 2, 3, 0, 2, 5]), tensor([2, 3], [1, 2, 0, 0, 2, 1])]
        );
        for shape in [[0, 3], [3, 0]] {
            for axis in [0, 1] {
                let empty = tensor::<f64>(shape, []);
                assert_eq!(sorted(axis, true, &empty), [empty, tensor::<i32>(shape, [])]);
            }
        }
    }

    #[test]
    fn the_largest_come_first() {
        let t = Tracer::new("top_k");
        let x = tensor([2, 4], [1.0_f32, 4.0, NAN, 4.0, -1.0, -3.0, -2.0, 0.0]);
        let (values, indices) = t.input("x", x.ty()).top_k(2);
        t.output(&values);
        t.output(&indices);
        let results = interpret(&t.finish().expect("a graph"), &[x]).expect("x fits");
        let expected = [tensor([2, 2], [4.0_f32, 4.0, 0.0, -1.0]), tensor([2, 2], [1, 3, 3, 0])];
        assert_eq!(results, expected);
    }

    #[test]
    fn cotangents_go_back_to_their_elements() {
        let x = tensor([2, 3], [3.0_f64, 1.0, 2.0, 0.0, 5.0, 2.0]);
        let dy = tensor([2, 3], [10.0_f64, 20.0, 30.0, 40.0, 50.0, 60.0]);
        let dx = |axis| vjp(Sort { axis, descending: false }, &[&x], &dy).swap_remove(0);
        assert_eq!(dx(1), Some(tensor([2, 3], [30.0_f64, 10.0, 20.0, 40.0, 60.0, 50.0])));
        assert_eq!(dx(0), Some(tensor([2, 3], [40.0_f64, 20.0, 30.0, 10.0, 50.0, 60.0])));
    }

    #[test]
    fn refused_operands() {
        let sort = |axis| Sort { axis, descending: false };
        insta::assert_snapshot!(mistake(sort(1), &["f32[3]"]), @"`sort`: there is no axis 1 in [3]");
        insta::assert_snapshot!(mistake(sort(0), &["bool[3]"]), @r"
        `sort` takes numbers, not bool
          help: convert the operand with `cast`
        ");
        insta::assert_snapshot!(
            mistake(sort(0), &["u8[2147483648]"]),
            @"`sort`: the indices of axis 0 of u8[2147483648] exceed i32"
        );
    }
}
