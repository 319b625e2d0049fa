//! Parts of models that passes fuse.

use brolga_ir::draw::Pen;
use brolga_ir::ops::window::{Spatial, Window};
use brolga_ir::ops::{Call, Pooling};
use brolga_ir::{DType, Shape, Type, Var};

/// Adds one of the parts, for the pen's element type of floats; `None` if it does not fit.
pub(crate) fn motif(pen: &mut Pen) -> Option<Var> {
    const MOTIFS: [fn(&mut Pen) -> Option<Var>; 13] = [
        dense,
        dense,
        convolution,
        convolution,
        softmax,
        normalization,
        batch_normalization,
        column_sums,
        cross_entropy,
        dropout,
        embedding,
        chain,
        repeated,
    ];
    let motif = pen.rng.pick(&MOTIFS);
    let _layer = match pen.rng.one_in(2) {
        true => Some(pen.tracer().enter(&format!("layer_{}", pen.values().len()))),
        false => None,
    };
    let result = motif(pen)?;
    (result.shape().elements() <= pen.limit()).then(|| pen.offer(&result))?;
    Some(result)
}

/// A function called on its own result, again and again.
fn repeated(pen: &mut Pen) -> Option<Var> {
    let (function, mut operands) = pen.function()?;
    let call = Call { function: function.into() };
    let results = pen.tracer().apply_all(call.clone(), &operands.iter().collect::<Vec<_>>());
    let mut result = results.into_iter().next()?;
    let slot = operands.iter().position(|operand| operand.ty() == result.ty())?;
    for _ in 0..pen.rng.between(1, 4) {
        operands[slot] = result;
        let results = pen.tracer().apply_all(call.clone(), &operands.iter().collect::<Vec<_>>());
        result = results.into_iter().next()?;
    }
    Some(result)
}

fn operand(pen: &mut Pen, ranks: std::ops::RangeInclusive<usize>) -> Var {
    let drawn = pen.rng.between(*ranks.start(), *ranks.end());
    pen.operand(|shape| ranks.contains(&shape.rank()), |pen| pen.shape(drawn))
}

fn activated(pen: &mut Pen, x: &Var) -> Var {
    match pen.rng.below(9) {
        0..3 => x.relu(),
        3 => x.tanh(),
        4 => x.sigmoid(),
        5 => x.maximum(&(x * 0.25)),
        6 => x * x.sigmoid(),
        7 => x.gt(&x.constant_like(0.0)).select(x, &(x.exp() - 1.0)),
        _ => x.clone(),
    }
}

/// The value with a bias, a residual, both or neither.
fn biased(pen: &mut Pen, y: Var) -> Var {
    let columns = y.shape().last().copied().unwrap_or(1);
    let y = match pen.rng.one_in(5) {
        true => y,
        false => &y + pen.value(y.dtype(), [columns]),
    };
    match pen.rng.one_in(6) {
        true => &y + pen.value(y.dtype(), y.shape().clone()),
        false => y,
    }
}

fn dense(pen: &mut Pen) -> Option<Var> {
    let x = operand(pen, 2..=2);
    let (m, k) = (x.shape()[0], x.shape()[1]);
    let n = pen.columns(1, m, k);
    let transposed = pen.rng.one_in(4);
    let w = pen.state(Type::new(x.dtype(), if transposed { [n, k] } else { [k, n] }));
    let y = biased(pen, x.matmul_with(&w, false, transposed));
    Some(activated(pen, &y))
}

fn convolution(pen: &mut Pen) -> Option<Var> {
    let x = pen.drawn_images();
    let drawn = pen.convolution(x.shape());
    let filter = pen.state(Type::new(x.dtype(), drawn.filter()));
    let y = biased(pen, x.conv(&filter, drawn.window, drawn.groups));
    let y = activated(pen, &y);
    let extents = &y.shape()[1..y.shape().rank() - 1];
    if extents.contains(&0) {
        return Some(y);
    }
    let pool = pen.pooling(y.shape());
    match pen.rng.below(4) {
        0 => Some(y.avg_pool(pool, pen.rng.one_in(2))),
        1 => Some(y.max_pool(pool)),
        2 if extents.iter().all(|&extent| extent >= 2) => {
            let (twos, none) =
                (Spatial::splat(extents.len(), 2), Window::plain(extents.len()).padding);
            Some(y.max_pool(Pooling::new(twos, twos, none)))
        }
        _ => Some(y),
    }
}

fn softmax(pen: &mut Pen) -> Option<Var> {
    let x = operand(pen, 1..=3);
    let axis = [x.shape().rank() - 1];
    let shifted = &x - x.reduce_max(&axis, true).stop_gradient();
    Some(match pen.rng.one_in(2) {
        true => &shifted - shifted.exp().reduce_sum(&axis, true).log(),
        false => {
            let powers = shifted.exp();
            &powers / powers.reduce_sum(&axis, true)
        }
    })
}

fn normalization(pen: &mut Pen) -> Option<Var> {
    let x = operand(pen, 1..=4);
    let axes = pen.axes(x.shape().rank());
    normalized(pen, &x, &axes)
}

fn batch_normalization(pen: &mut Pen) -> Option<Var> {
    let x = operand(pen, 2..=4);
    let axes: Vec<usize> = (0..x.shape().rank() - 1).collect();
    normalized(pen, &x, &axes)
}

fn normalized(pen: &mut Pen, x: &Var, axes: &[usize]) -> Option<Var> {
    let centred = x - x.reduce_mean(axes, true);
    let variance = (&centred * &centred).reduce_mean(axes, true);
    let y = &centred * (variance + 1e-3).rsqrt();
    if pen.rng.one_in(2) {
        return Some(y);
    }
    let columns = x.shape().last().copied().unwrap_or(1);
    let (scale, offset) = (pen.value(x.dtype(), [columns]), pen.value(x.dtype(), [columns]));
    Some(y * scale + offset)
}

fn column_sums(pen: &mut Pen) -> Option<Var> {
    let x = operand(pen, 2..=4);
    let kept = pen.rng.between(1, x.shape().rank() - 1);
    let axes: Vec<usize> = (0..kept).collect();
    let y = activated(pen, &x);
    let sums = match pen.rng.below(3) {
        0 => y.reduce_mean(&axes, pen.rng.one_in(2)),
        1 => y.reduce_max(&axes, false),
        _ => y.reduce_sum(&axes, false),
    };
    Some(match pen.rng.one_in(2) {
        true => y - sums,
        false => activated(pen, &sums),
    })
}

/// The losses, or their mean; sometimes the accuracy.
fn cross_entropy(pen: &mut Pen) -> Option<Var> {
    let logits = operand(pen, 2..=2);
    let (rows, classes) = (logits.shape()[0], logits.shape()[1]);
    let labels = pen.indices([rows]);
    if classes > 0 && pen.rng.one_in(4) {
        let right = logits.argmax(1, false).eq(&labels.cast(DType::I32)).cast(logits.dtype());
        return Some(right.reduce_sum(&[0], false));
    }
    let shifted = &logits - logits.reduce_max(&[1], true).stop_gradient();
    let log = &shifted - shifted.exp().reduce_sum(&[1], true).log();
    let losses = -(log * labels.one_hot(classes, logits.dtype())).reduce_sum(&[1], false);
    Some(if pen.rng.one_in(2) { losses } else { losses.reduce_mean(&[0], false) })
}

fn dropout(pen: &mut Pen) -> Option<Var> {
    let x = operand(pen, 1..=4);
    let (seed, step) = pen.seed_and_step();
    let shape = match pen.rng.one_in(4) {
        true => Shape::from(&x.shape()[x.shape().rank() - 1..]),
        false => x.shape().clone(),
    };
    let stream = pen.rng.below(2) as u32;
    Some(match pen.rng.one_in(2) {
        true => {
            let kept = seed.random_bernoulli(&step, Type::new(DType::Bool, shape), 0.75, stream);
            kept.select(&(&x * 1.5), &x.constant_like(0.0))
        }
        false => &x + seed.random_uniform(&step, Type::f32(shape), stream).cast(x.dtype()) * 0.1,
    })
}

fn embedding(pen: &mut Pen) -> Option<Var> {
    let rank = pen.rng.between(1, 2);
    let shape = pen.shape(rank + 1);
    let table = pen.state(Type::new(pen.dtype(), shape));
    let indices = pen.index_shape(table.shape()[1..].iter().product());
    let indices = pen.indices(indices);
    Some(table.gather(&indices))
}

/// Elementwise ops with operands that broadcast, some of them used twice.
fn chain(pen: &mut Pen) -> Option<Var> {
    let x = operand(pen, 0..=4);
    let mut y = x.clone();
    for _ in 0..pen.rng.between(2, 5) {
        let other = pen.partner(x.dtype(), x.shape());
        y = match pen.rng.below(6) {
            0 => &y + &other,
            1 => &y * &other,
            2 => &y - (&other * &x),
            3 => y.gt(&other).select(&y, &x),
            4 => &y / (other.abs() + 1.0),
            _ => activated(pen, &y),
        };
    }
    Some(y)
}
