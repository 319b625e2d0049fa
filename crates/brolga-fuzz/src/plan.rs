//! The comparisons that a case makes: cheap ones always, others in turn.

use brolga_codegen::VectorIsa;
use brolga_ir::draw::Rng;

use crate::values::Values;

/// The comparisons with the interpreter.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The kinds of inputs, each a comparison of its own.
    pub values: Vec<Values>,
    /// Whether the graph is written as JSON and read again.
    pub json: bool,
    /// Whether each pass is run alone on the graph as drawn.
    pub alone: bool,
    /// Pipelines without some optional passes.
    pub partial: Vec<Partial>,
    /// The configurations of native runs.
    pub natives: Vec<Native>,
}

/// A pipeline that stops early.
#[derive(Debug, Clone, Copy)]
pub struct Partial {
    /// Optional pass number `p` in alphabetical order is left out if bit `p` is set.
    pub skipped: u64,
    /// The number of rewrites after which only required passes work.
    pub stop_after: usize,
}

/// A configuration of a native run.
#[derive(Debug, Clone, Copy)]
pub struct Native {
    /// Whether all passes run, or only the required ones.
    pub fused: bool,
    /// The vector instruction set.
    pub isa: VectorIsa,
    /// The number of threads.
    pub threads: usize,
}

impl Plan {
    /// The comparisons of a case.
    pub fn of_case(seed: u64, case: u64) -> Self {
        // The complement of the seed makes the numbers independent of those that drew the graph.
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

    /// All comparisons.
    pub fn all() -> Self {
        let isas = || VectorIsa::supported();
        let natives = [true, false].into_iter().flat_map(|fused| {
            isas().flat_map(move |isa| [1, 2, 3, 8].map(|threads| Native { fused, isa, threads }))
        });
        let mut rng = Rng::new(0, 0);
        let partial = (0..32).map(|number| Partial {
            skipped: rng.next_u64() & rng.next_u64(),
            stop_after: if number % 2 == 0 { number / 2 } else { usize::MAX },
        });
        Self {
            values: Values::ALL.to_vec(),
            json: true,
            alone: true,
            partial: partial.collect(),
            natives: natives.collect(),
        }
    }
}
