//! Machine code that this process has compiled before.
//!
//! Programs of one model differ in sizes of batches and lengths of sequences; most of their
//! functions do not: the kernels in the body of a loop are the same for sequences of any length. A
//! function that was compiled before is not compiled again, whichever program it belongs to. What is
//! kept is bounded; the oldest functions are forgotten first.
//!
//! A function is known by its CLIF or its tile program, without the names of what it calls. No code
//! that is kept holds an address.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cranelift_codegen::FinalizedMachReloc;
use cranelift_codegen::ir::function::FunctionStencil;
use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::host::Optimization;
use crate::object::Relocation;
use crate::tile::TileProgram;

/// What a function is compiled of.
pub(crate) enum Source {
    /// CLIF, and how much it is changed.
    Clif(Optimization, Box<FunctionStencil>),
    /// A tile program, by the target of this name.
    Tile(&'static str, Arc<TileProgram>),
}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Clif(a, f), Self::Clif(b, g)) => a == b && f == g,
            (Self::Tile(a, f), Self::Tile(b, g)) => a == b && f == g,
            _ => false,
        }
    }
}

/// CLIF holds bits of floats, no floats.
impl Eq for Source {}

impl Hash for Source {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Clif(optimization, function) => (0, optimization, function).hash(state),
            Self::Tile(target, program) => (1, target, program).hash(state),
        }
    }
}

/// The references of a function that is kept.
#[derive(Debug, Clone)]
pub(crate) enum References {
    /// As Cranelift gives them: they name what the function has imported.
    Imported(Vec<FinalizedMachReloc>),
    /// To the function itself and to what all objects have.
    Own(Vec<Relocation>),
}

/// A compiled function.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) bytes: Vec<u8>,
    pub(crate) alignment: u64,
    pub(crate) references: References,
    pub(crate) program: Option<Arc<TileProgram>>,
}

/// The most functions that are kept.
const FUNCTIONS: usize = 8192;
/// The most bytes of machine code that are kept. What it was compiled of takes a few times more.
const BYTES: usize = 16 << 20;

struct Cache {
    known: FxHashMap<Arc<Source>, Arc<Kept>>,
    /// The sources, the oldest first.
    order: VecDeque<Arc<Source>>,
    bytes: usize,
}

static CACHE: Mutex<Cache> = Mutex::new(Cache {
    known: FxHashMap::with_hasher(FxBuildHasher),
    order: VecDeque::new(),
    bytes: 0,
});

/// A thread that panicked while it held the lock has left the cache as it was, or with a source
/// that is forgotten later.
fn cache() -> MutexGuard<'static, Cache> {
    CACHE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The function that was compiled of this source, if it is kept.
pub(crate) fn find(source: &Source) -> Option<Arc<Kept>> {
    cache().known.get(source).cloned()
}

/// Keeps a compiled function.
pub(crate) fn keep(source: Source, kept: Kept) {
    let source = Arc::new(source);
    let cache = &mut *cache();
    cache.bytes += kept.bytes.len();
    match cache.known.insert(Arc::clone(&source), Arc::new(kept)) {
        Some(before) => cache.bytes -= before.bytes.len(),
        None => cache.order.push_back(source),
    }
    while cache.order.len() > FUNCTIONS || cache.bytes > BYTES {
        let Some(oldest) = cache.order.pop_front() else { break };
        if let Some(kept) = cache.known.remove(&oldest) {
            cache.bytes -= kept.bytes.len();
        }
    }
}

/// Forgets all compiled functions: the next compilation takes as long as the first. Programs that
/// are linked have copies of their own.
pub fn clear() {
    let cache = &mut *cache();
    (cache.known, cache.order, cache.bytes) = (FxHashMap::default(), VecDeque::new(), 0);
}
