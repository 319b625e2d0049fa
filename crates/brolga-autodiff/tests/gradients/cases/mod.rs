//! What is differentiated: each op with its attributes and operands.

mod attention;
mod calls;
mod contractions;
mod elementwise;
mod movement;
mod pooling;
mod reductions;
mod scans;
mod tables;

use crate::check::Case;

/// All cases.
pub(crate) fn all() -> Vec<Case> {
    [
        attention::cases(),
        elementwise::cases(),
        movement::cases(),
        tables::cases(),
        reductions::cases(),
        contractions::cases(),
        pooling::cases(),
        calls::cases(),
        scans::cases(),
    ]
    .concat()
}
