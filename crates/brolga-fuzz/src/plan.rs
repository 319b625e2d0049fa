//! Which comparisons a case makes: cheap ones always, others by turns, so that each is made often.

use brolga_codegen::VectorIsa;
use brolga_ir::draw::Rng;

use crate::values::Values;

/// What is compared with the interpreter.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Which inputs; each is a comparison of its own.
    pub values: Vec<Values>,
    /// Whether the JSON form is read again.
    pub json: bool,
    /// Whether each pass is run alone on the graph as drawn.
    pub alone: bool,
    /// Pipelines without some optional passes.
    pub partial: Vec<Partial>,
    /// Ways to run it natively.
    pub natives: Vec<Native>,
}

/// A pipeline that stops early.
#[derive(Debug, Clone, Copy)]
pub struct Partial {
    /// Optional pass number `p` in alphabetical order is left out if bit `p` is set.
    pub skipped: u64,
    /// After so many rewrites only required passes work.
    pub stop_after: usize,
}

/// How a graph is run natively.
#[derive(Debug, Clone, Copy)]
pub struct Native {
    /// Whether all passes ran, or the required ones alone.
    pub fused: bool,
    /// The vector instruction set.
    pub isa: VectorIsa,
    /// How many threads run it.
    pub threads: usize,
}

impl Plan {
    /// The comparisons of a case.
    pub fn of_case(seed: u64, case: u64) -> Self {
        // Other numbers than those by which the graph was drawn.
        let mut rng = Rng::new(!seed, case);
        let isas: Vec<VectorIsa> = VectorIsa::supported().collect();
        let turn = case as usize;
        let isa = |turn: usize| isas[turn % isas.len()];
        let threads = |rng: &mut Rng| match rng.below(8) {
            0 => rng.pick(&[2, 3, 8]),
            _ => 1,
        };
        let mut natives = vec![Native { fused: true, isa: isa(turn), threads: threads(&mut rng) }];
        if rng.one_in(3) {
            natives.push(Native { fused: false, isa: isa(turn + 1), threads: threads(&mut rng) });
        }
        let partial = rng.one_in(4).then(|| Partial {
            skipped: rng.next_u64() & rng.next_u64(),
            stop_after: if rng.one_in(2) { rng.below(20) } else { usize::MAX },
        });
        Self {
            values: vec![rng.pick(&Values::ALL)],
            json: rng.one_in(8),
            alone: rng.one_in(4),
            partial: partial.into_iter().collect(),
            natives,
        }
    }

    /// All comparisons there are.
    pub fn all() -> Self {
        let isas = || VectorIsa::supported();
        let ways = [true, false].into_iter().flat_map(|fused| {
            isas().flat_map(move |isa| [1, 2, 3, 8].map(|threads| Native { fused, isa, threads }))
        });
        let mut rng = Rng::new(0, 0);
        let partial = (0..32).map(|place| Partial {
            skipped: rng.next_u64() & rng.next_u64(),
            stop_after: if place % 2 == 0 { place / 2 } else { usize::MAX },
        });
        Self {
            values: Values::ALL.to_vec(),
            json: true,
            alone: true,
            partial: partial.collect(),
            natives: ways.collect(),
        }
    }
}
