//! Lowerings broken on purpose, one number at a time: those that the check accepts stay inside
//! their memory when they run.

use std::sync::Arc;

use brolga_codegen::lower::Lowered;
use brolga_codegen::nest::{Affine, Arg, Base, Step};
use brolga_codegen::tile::{Op, Stmt, Trips};
use proptest::prelude::*;

use crate::kernels::{any_kernel, lowered, nest_mut, table};
use crate::run;

/// Calls `visit` with every number of a lowered kernel: extents, offsets, factors, divisors,
/// limits, slots, trips and steps of tiles.
pub(crate) fn numbers(lowered: &mut Lowered, visit: &mut dyn FnMut(&mut i64)) {
    unsigned(&mut lowered.workspace, visit);
    unsigned(&mut lowered.scratch, visit);
    for stage in &mut lowered.stages {
        unsigned(&mut stage.units, visit);
        steps(&mut nest_mut(stage).body, visit);
    }
}

fn unsigned(number: &mut usize, visit: &mut dyn FnMut(&mut i64)) {
    let mut signed = *number as i64;
    visit(&mut signed);
    *number = usize::try_from(signed).unwrap_or(0);
}

fn steps(own: &mut [Step], visit: &mut dyn FnMut(&mut i64)) {
    for step in own {
        match step {
            Step::Loop { from, to, body, .. } => {
                affine(from, visit);
                affine(to, visit);
                steps(body, visit);
            }
            Step::Divide { number, divisor, .. } => {
                affine(number, visit);
                visit(divisor);
            }
            Step::Read { address, .. } => affine(address, visit),
            Step::When { number, from, to, then, otherwise } => {
                affine(number, visit);
                visit(from);
                visit(to);
                steps(then, visit);
                steps(otherwise, visit);
            }
            Step::Call { tile, args } => {
                for arg in args {
                    match arg {
                        Arg::Affine(own) => affine(own, visit),
                        Arg::Min(own, limit) => {
                            affine(own, visit);
                            visit(limit);
                        }
                    }
                }
                block(&mut Arc::make_mut(tile).body, visit);
            }
        }
    }
}

fn affine(own: &mut Affine, visit: &mut dyn FnMut(&mut i64)) {
    visit(&mut own.offset);
    own.terms.iter_mut().for_each(|(_, factor)| visit(factor));
    if let Some(Base::Slot(slot)) = &mut own.base {
        unsigned(slot, visit);
    }
}

fn trips(own: &mut Trips, visit: &mut dyn FnMut(&mut i64)) {
    if let Trips::Const(trips) = own {
        let mut signed = i64::from(*trips);
        visit(&mut signed);
        *trips = u32::try_from(signed).unwrap_or(0);
    }
}

fn block(own: &mut [Stmt], visit: &mut dyn FnMut(&mut i64)) {
    for stmt in own {
        match stmt {
            Stmt::Let(_, Op::Load(_, address, _) | Op::Broadcast(_, address))
            | Stmt::Store { address, .. } => visit(&mut address.offset),
            Stmt::StoreTransposed { address, step, .. } => {
                visit(&mut address.offset);
                visit(step);
            }
            Stmt::Rank1(rank1) => {
                rank1.a.iter_mut().for_each(|a| visit(&mut a.offset));
                visit(&mut rank1.b.offset);
            }
            Stmt::Step { bytes, trips: own, .. } => {
                visit(bytes);
                trips(own, visit);
            }
            Stmt::Loop { trips: own, body } => {
                trips(own, visit);
                block(body, visit);
            }
            Stmt::Let(..) | Stmt::Set(..) | Stmt::Prefetch(_) => {}
        }
    }
}

/// A number after a change.
fn changed(number: i64, how: u8) -> i64 {
    match how % 8 {
        0 => number + 1,
        1 => number - 1,
        2 => number + 4,
        3 => number - 4,
        4 => number + 64,
        5 => number * 2,
        6 => number / 2,
        _ => -number,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, max_global_rejects: 100_000, ..ProptestConfig::default() })]
    #[test]
    fn what_is_accepted_stays_inside(kernel in any_kernel(), which: u32, how: u8) {
        let mut lowered = lowered(&kernel);
        let mut count = 0;
        numbers(&mut lowered, &mut |_| count += 1);
        let (chosen, mut position) = (which % count, 0);
        numbers(&mut lowered, &mut |number| {
            if position == chosen {
                *number = changed(*number, how);
            }
            position += 1;
        });
        // Loops over a wrong extent may take too long to run.
        prop_assume!(lowered.stages.iter().all(|stage| stage.units < 100_000));
        let inside = lowered.stages.iter().all(|stage| {
            run::is_inside(stage, &table(&lowered, stage, &kernel.body), lowered.scratch)
        });
        let checked = lowered.check(&kernel.body);
        prop_assert!(inside || checked.is_err());
    }
}
