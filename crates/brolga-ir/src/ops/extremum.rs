//! The parts that maximum and minimum share, of two numbers and over axes.

use super::elementwise::Elementwise;
use super::predicate::less;
use super::reduce::{Reduction, reduce, reduced_shape};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::loops::{Buffer, Number, Writer};
use crate::op::Vjp;
use crate::tensor::{Data, Tensor};
use crate::trace::Var;
use crate::types::Type;

/// The choice of one of two numbers: the first where it is NaN or goes beyond the second, the
/// second elsewhere.
pub(super) trait Extremum: Elementwise + Sized {
    /// The op.
    const OP: Self;
    /// The infinity that every number goes beyond; of integers the extreme.
    const IDENTITY: f64;

    /// Both numbers, in the order in which `<` tells whether the first goes beyond the second.
    fn ascending<T>(a: T, b: T) -> [T; 2];

    /// Where `a` goes beyond `b`.
    fn is_beyond(a: &Var, b: &Var) -> Var;
}

/// The program of the choice.
pub(super) fn emit<E: Extremum, L: Lanes>(l: &mut L, args: &[Lane<L>]) -> Lane<L> {
    let [lesser, greater] = E::ascending(args[0], args[1]);
    let chosen = less(l, lesser, greater);
    match (args[0], args[1]) {
        (Lane::F(a), Lane::F(b)) => {
            let y = l.select(chosen, a, b);
            let number = l.eq(a, a);
            Lane::F(l.select(number, y, a))
        }
        (Lane::I(a), Lane::I(b)) => Lane::I(l.iselect(chosen, a, b)),
        _ => unreachable!("the type rule admits numbers of one element type"),
    }
}

/// The gradient rule of the choice: the cotangent for the number chosen, half of it for each of two
/// equal ones.
pub(super) fn vjp<E: Extremum>(node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
    let (a, b, dy) = (&node.operands[0], &node.operands[1], node.cotangent());
    let zero = dy.constant_like(0.0);
    let tied = a.eq(b).select(&(dy * 0.5), &zero);
    let da = node.wants(0).then(|| E::is_beyond(a, b).select(dy, &tied));
    let db = node.wants(1).then(|| E::is_beyond(b, a).select(dy, &tied));
    Ok(vec![da, db])
}

/// The choice of two scalars.
fn choose<E: Extremum, T: PartialOrd + Copy>(a: T, b: T) -> T {
    let is_nan = a.partial_cmp(&a).is_none();
    let [lesser, greater] = E::ascending(a, b);
    if is_nan || lesser < greater { a } else { b }
}

/// The choice among all elements along axes, in the order of [`reduce`](mod@super::reduce).
pub(super) fn evaluate_over<E: Extremum>(x: &Tensor, axes: &[usize], result: &Type) -> Tensor {
    let identity = Data::from_f64(x.dtype(), &[E::IDENTITY]);
    macro_rules! reduced {
        ($($variant:ident),*) => {
            match (x.data(), &identity) {
                $((Data::$variant(v), Data::$variant(identity)) => {
                    Data::$variant(reduce(v, x.shape(), axes, identity[0], &choose::<E, _>))
                })*
                _ => unreachable!("the type rule does not admit bool"),
            }
        };
    }
    let data = reduced!(F32, F64, BF16, F16, I64, I32, U8);
    Tensor::of(result.shape.clone(), data)
}

/// The same as scalar loops.
pub(super) fn write_over<E: Extremum>(w: &mut Writer, x: Buffer, y: Buffer, axes: &[usize]) {
    fn combine<E: Extremum>(w: &mut Writer, a: Number, b: Number) -> Number {
        E::OP.scalar(w, &[a, b])
    }
    let identity = Data::from_f64(w.dtype(x), &[E::IDENTITY]);
    let reduction =
        Reduction { axes, identity, combine: combine::<E>, finish: &|_, extremum| extremum };
    reduction.write(w, x, y);
}

/// The gradient of the choice along axes: the cotangent, divided equally among all elements that
/// equal the result, in the accumulator's type.
pub(super) fn vjp_over(node: &Vjp<'_>, axes: &[usize]) -> Var {
    let (x, y, dy) = (&node.operands[0], &node.results[0], node.cotangent());
    let wide = x.dtype().accumulator();
    let kept = reduced_shape(x.shape(), axes, true);
    let chosen = x.eq(&y.reshape(kept.clone())).cast(wide);
    let count = chosen.reduce_sum(axes, true);
    (chosen / count * dy.cast(wide).reshape(kept)).cast(x.dtype())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::Op;
    use crate::ops::checks::{gradient, run, tensor, vector, vjp};
    use crate::ops::{Max, Min, ReduceMax, ReduceMin};

    const VALUES: [f32; 8] =
        [0.0, -0.0, 1.0, -1.0, 2.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];

    /// All pairs of the values.
    fn pairs() -> [Vec<f32>; 2] {
        let pairs = VALUES.iter().flat_map(|&a| VALUES.iter().map(move |&b| (a, b)));
        let (a, b) = pairs.unzip();
        [a, b]
    }

    fn negated(x: &Tensor) -> Tensor {
        let values = x.data().to_f64().into_iter().map(|x| -x as f32);
        tensor(x.shape().clone(), values)
    }

    #[test]
    fn scalars_are_chosen_as_elements_are() {
        fn check<E: Extremum + Into<Op>>() {
            let [a, b] = pairs();
            let chosen = a.iter().zip(&b).map(|(&a, &b)| choose::<E, _>(a, b));
            assert_eq!(run(E::OP, &[&vector(a.clone()), &vector(b.clone())]), vector(chosen));
        }
        check::<Max>();
        check::<Min>();
    }

    #[test]
    fn a_minimum_is_the_negated_maximum_of_negated_numbers() {
        let [a, b] = pairs().map(vector);
        let [minus_a, minus_b] = [&a, &b].map(negated);
        assert_eq!(run(Min, &[&a, &b]), negated(&run(Max, &[&minus_a, &minus_b])));
        let dy = vector((0..VALUES.len() * VALUES.len()).map(|i| i as f32));
        assert_eq!(vjp(Min, &[&a, &b], &dy), vjp(Max, &[&minus_a, &minus_b], &dy));
    }

    #[test]
    fn so_is_one_over_axes() {
        let pattern = [3.0, -0.0, -3.0, 0.0, 5.0, -3.0, 5.0, 0.5, f32::NEG_INFINITY];
        for (rows, columns) in [(1, 1), (3, 2), (2, 17), (9, 16), (10, 33)] {
            let x = tensor([rows, columns], pattern.into_iter().cycle().take(rows * columns));
            for axes in [&[0][..], &[1], &[0, 1], &[]] {
                let min = ReduceMin { axes: axes.into(), keepdims: true };
                let max = ReduceMax { axes: axes.into(), keepdims: true };
                let y = run(min.clone(), &[&x]);
                assert_eq!(y, negated(&run(max.clone(), &[&negated(&x)])));
                let dy = tensor(y.shape().clone(), (0..y.shape().elements()).map(|i| i as f32));
                assert_eq!(gradient(min, &x, &dy), gradient(max, &negated(&x), &dy));
            }
        }
    }
}
