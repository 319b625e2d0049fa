//! Copies of elements.

use std::sync::Arc;

use brolga_ir::lanes::Lane;

use crate::error::Result;
use crate::nest::{Affine, NestBuilder};
use crate::tile::{Builder, Element, Extent, Kind, LANES, TileProgram, Trips};

/// A run of `count` elements, read `step` elements apart (0 repeats one) and written contiguously.
pub(super) fn run(element: Element, count: usize, step: i64) -> Result<Arc<TileProgram>> {
    let size = element.size() as i64;
    let mut b = Builder::new(format!("copy_{count}_by_{step}"));
    let (from, to) = (b.pointer("from"), b.pointer("to"));
    // Floats are moved as integers: no instruction may change the bits of a NaN.
    let element = if element == Element::F32 { Element::I32 } else { element };
    if step == 1 || step == 0 {
        let vector = |b: &mut Builder, extent: Extent| {
            let lane = if step == 1 {
                b.load(element, from.at(0), extent)
            } else {
                b.broadcast(element, from.at(0))
            };
            put(b, element, to.at(0), extent, lane);
        };
        b.repeat(Trips::Const((count / LANES) as u32), |b| {
            vector(b, Extent::Full);
            b.step(from, step * size * LANES as i64, Trips::Const(1));
            b.step(to, size * LANES as i64, Trips::Const(1));
        });
        if !count.is_multiple_of(LANES) {
            vector(&mut b, Extent::first(count % LANES));
        }
    } else {
        b.repeat(Trips::Const(count as u32), |b| {
            let lane = b.load(element, from.at(0), Extent::First(1));
            put(b, element, to.at(0), Extent::First(1), lane);
            b.step(from, step * size, Trips::Const(1));
            b.step(to, size, Trips::Const(1));
        });
    }
    Ok(Arc::new(b.finish()?))
}

/// A run of `count` elements of this number.
pub(super) fn fill(element: Element, count: usize, value: i64) -> Result<Arc<TileProgram>> {
    use brolga_ir::lanes::Lanes;

    let mut b = Builder::new(format!("fill_{count}"));
    let to = b.pointer("to");
    let lane = match element.kind() {
        Kind::Float => Lane::F(b.float(value as f64)),
        _ => Lane::I(b.int(value)),
    };
    b.repeat(Trips::Const((count / LANES) as u32), |b| {
        put(b, element, to.at(0), Extent::Full, lane);
        b.step(to, (element.size() * LANES) as i64, Trips::Const(1));
    });
    if !count.is_multiple_of(LANES) {
        put(&mut b, element, to.at(0), Extent::first(count % LANES), lane);
    }
    Ok(Arc::new(b.finish()?))
}

fn put(
    b: &mut Builder,
    element: Element,
    address: crate::tile::Address,
    extent: Extent,
    lane: Lane<Builder>,
) {
    match lane {
        Lane::F(x) => b.store(element, address, extent, x),
        Lane::I(x) => b.store(element, address, extent, x),
        Lane::M(_) => {}
    }
}

/// Elements moved from one strided tensor to another: all extents and strides in elements,
/// outermost first.
pub(super) struct Strided {
    pub(super) element: Element,
    pub(super) extents: Vec<usize>,
    pub(super) from: Vec<i64>,
    pub(super) to: Vec<i64>,
}

impl Strided {
    /// Writes the loops, innermost a run; the target's last axis is contiguous.
    pub(super) fn nest(
        &self,
        nest: &mut NestBuilder,
        source: &Affine,
        target: &Affine,
    ) -> Result<()> {
        let size = self.element.size() as i64;
        let (mut extents, mut from, mut to) =
            (self.extents.clone(), self.from.clone(), self.to.clone());
        let (mut count, mut step) = (1, 1);
        // Innermost axes that are contiguous are one run.
        while let (Some(&extent), Some(&source), Some(&target)) =
            (extents.last(), from.last(), to.last())
        {
            let continues = extent == 1
                || count == 1 && target == 1
                || source == step * count as i64 && target == count as i64;
            if !continues {
                break;
            }
            if count == 1 && extent > 1 {
                step = source;
            }
            count *= extent;
            extents.pop();
            from.pop();
            to.pop();
        }
        if count == 0 || extents.contains(&0) {
            return Ok(());
        }
        let tile = run(self.element, count, step)?;
        let axes: Vec<(usize, i64, i64)> = extents
            .into_iter()
            .zip(from)
            .zip(to)
            .map(|((n, f), t)| (n, f * size, t * size))
            .collect();
        loops(nest, &axes, source.clone(), target.clone(), &tile);
        Ok(())
    }
}

fn loops(
    nest: &mut NestBuilder,
    axes: &[(usize, i64, i64)],
    from: Affine,
    to: Affine,
    tile: &Arc<TileProgram>,
) {
    match axes {
        [] => nest.call(tile, [from, to]),
        [(extent, from_step, to_step), rest @ ..] => nest.repeat(*extent, |nest, i| {
            let (from, to) = (from.add(&i, *from_step), to.add(&i, *to_step));
            loops(nest, rest, from, to, tile);
        }),
    }
}
