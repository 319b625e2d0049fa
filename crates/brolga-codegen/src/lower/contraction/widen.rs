//! Factors of 16 bits: contractions read f32, so a stage before them copies such factors, widened,
//! to the workspace.

use std::sync::Arc;

use crate::error::Result;
use crate::kernel::{Access, Touch};
use crate::lower::{Body, Code, Lowered, Stage};
use crate::nest::{Affine, Base, Nest, NestBuilder};
use crate::tile::{Builder, Element, Extent, LANES, TileProgram, Trips};

/// The number of elements that one unit copies.
const BLOCK: usize = 4096;
/// The alignment of copies in the workspace.
const LINE: usize = 64;

/// An operand with its copy.
struct Copy {
    slot: usize,
    /// The offset of the copy in the workspace.
    offset: usize,
}

/// Allocates the copies for which [`Body::factor_slot`] gave slots at the end of the workspace, and
/// inserts the stage that makes the copies before all others.
pub(super) fn widen(body: &Body<'_>, mut lowered: Lowered) -> Result<Lowered> {
    let mut copies: Vec<Copy> = Vec::new();
    for stage in &mut lowered.stages {
        let Code::Nest(nest) = &mut stage.code else { continue };
        nest.visit(&mut |affine| {
            if let Some(slot) = copied(body, affine)
                && copies.iter().all(|copy| copy.slot != slot)
            {
                let offset = lowered.workspace.next_multiple_of(LINE);
                lowered.workspace = offset + 4 * body.shape_of_slot(slot).elements();
                copies.push(Copy { slot, offset });
            }
        });
    }
    // Without elements nothing is computed, although a stage may list copies.
    let is_copy = |touch: &Touch| touch.slot > body.workspace();
    let lists_copies = |stage: &Stage| stage.reads.iter().any(is_copy);
    if !copies.is_empty() || lowered.stages.iter().any(lists_copies) {
        lowered.stages.iter_mut().for_each(|stage| relocate(body, stage, &copies));
    }
    if !copies.is_empty() {
        lowered.stages.insert(0, copying(body, &copies)?);
    }
    Ok(lowered)
}

/// The operand whose copy the address is in, if it is in one.
fn copied(body: &Body<'_>, affine: &Affine) -> Option<usize> {
    match affine.base {
        Some(Base::Slot(slot)) => slot.checked_sub(body.workspace() + 1),
        _ => None,
    }
}

/// Makes a stage read copies in the workspace. Then its units no longer divide the workspace
/// equally, and it may not read the operand itself.
fn relocate(body: &Body<'_>, stage: &mut Stage, copies: &[Copy]) {
    let workspace = Touch { slot: body.workspace(), access: Access::Whole };
    let Code::Nest(nest) = &mut stage.code else { return };
    let mut used = Vec::new();
    nest.visit(&mut |affine| {
        let own = copied(body, affine);
        if let Some(copy) = copies.iter().find(|copy| own == Some(copy.slot)) {
            affine.base = Some(Base::Slot(workspace.slot));
            affine.offset += copy.offset as i64;
        }
        if let Some(Base::Slot(slot)) = affine.base {
            used.push(slot);
        }
    });
    let is_written = stage.writes.iter().any(|touch| touch.slot == workspace.slot);
    stage.reads.retain(|touch| touch.slot < workspace.slot && used.contains(&touch.slot));
    stage.writes.retain(|touch| touch.slot < workspace.slot);
    if used.contains(&workspace.slot) {
        stage.reads.push(workspace);
    }
    if is_written {
        stage.writes.push(workspace);
    }
}

/// The stage that makes the copies.
fn copying(body: &Body<'_>, copies: &[Copy]) -> Result<Stage> {
    let mut nest = NestBuilder::new("widen");
    let mut units = 0;
    for copy in copies {
        let element = body.element(body.graph.inputs()[copy.slot].into());
        let elements = body.shape_of_slot(copy.slot).elements();
        let size = element.size() as i64;
        let (full, rest) = (elements / BLOCK, elements % BLOCK);
        for (first, count, length) in [(0, full, BLOCK), (full, usize::from(rest > 0), rest)] {
            if count == 0 {
                continue;
            }
            let tile = tile(element, length)?;
            let block = Affine::from(Nest::UNIT).plus(first as i64 - units as i64);
            let from = Affine::slot(copy.slot).add(&block, size * BLOCK as i64);
            let to = Affine::slot(body.workspace())
                .plus(copy.offset as i64)
                .add(&block, 4 * BLOCK as i64);
            let range = units..units + count;
            nest.when(Nest::UNIT.into(), range, |nest| nest.call(&tile, [from, to]), |_| {});
            units += count;
        }
    }
    let whole = |slot| Touch { slot, access: Access::Whole };
    Ok(Stage {
        code: nest.finish().into(),
        units,
        reads: copies.iter().map(|copy| whole(copy.slot)).collect(),
        writes: vec![whole(body.workspace())],
        flops: 0,
    })
}

/// The tile that copies `count` elements.
fn tile(element: Element, count: usize) -> Result<Arc<TileProgram>> {
    let mut b = Builder::new(format!("widen_{count}"));
    let (from, to) = (b.pointer("from"), b.pointer("to"));
    let vector = |b: &mut Builder, extent: Extent| {
        let value = b.load_float(element, from.at(0), extent);
        b.store_f32(to.at(0), extent, value);
    };
    b.repeat(Trips::Const((count / LANES) as u32), |b| {
        vector(b, Extent::Full);
        b.step(from, (element.size() * LANES) as i64, Trips::Const(1));
        b.step(to, 4 * LANES as i64, Trips::Const(1));
    });
    if !count.is_multiple_of(LANES) {
        vector(&mut b, Extent::first(count % LANES));
    }
    Ok(Arc::new(b.finish()?))
}
