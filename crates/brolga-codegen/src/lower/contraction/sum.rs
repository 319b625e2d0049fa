//! The uses of a filter's gradient: a result, or an optimizer's update after it.

use brolga_ir::Value;
use brolga_ir::lanes::Lane;

use crate::error::Result;
use crate::lower::Body;
use crate::lower::epilogue::{Cell, Epilogue, Offsets};
use crate::nest::Affine;
use crate::tile::{Builder, Element, Extent, F, LANES, Pointer, Trips};

/// The use of the sums of the weights, or of the bias.
#[derive(Debug)]
pub(super) enum Sum {
    /// The sums are not used.
    Unused,
    /// The sums are the result in this slot.
    Result(usize),
    /// An epilogue reads the sums.
    Chain(Epilogue),
}

impl Sum {
    /// The use of `root` by the results.
    pub(super) fn new(body: &Body<'_>, root: Option<Value>) -> Result<Self> {
        let Some(root) = root else { return Ok(Self::Unused) };
        let shape = body.shape(root);
        let own = body.results().filter(|(value, _)| body.shape(*value) == shape);
        let own: Vec<(Value, usize)> = own.collect();
        match own[..] {
            [] => Ok(Self::Unused),
            [(value, slot)] if value == root && body.element(root) == Element::F32 => {
                Ok(Self::Result(slot))
            }
            _ => {
                let outputs: Vec<_> =
                    own.iter().map(|&(v, slot)| (v, Affine::slot(slot))).collect();
                Ok(Self::Chain(Epilogue::new(body, &[root], &outputs, false)?))
            }
        }
    }

    /// Whether the sums are used.
    pub(super) fn is_used(&self) -> bool {
        !matches!(self, Self::Unused)
    }

    /// The epilogue that reads the sums.
    pub(super) fn chain(&self) -> Option<&Epilogue> {
        match self {
            Self::Chain(chain) => Some(chain),
            _ => None,
        }
    }

    /// The slot of the result, if the sums are one.
    pub(super) fn slot(&self) -> Option<usize> {
        match *self {
            Self::Result(slot) => Some(slot),
            _ => None,
        }
    }

    /// The slots of the epilogue's operands.
    pub(super) fn reads(&self) -> impl Iterator<Item = usize> + '_ {
        self.chain().into_iter().flat_map(Epilogue::slots)
    }

    /// The slots of the results that depend on the sums.
    pub(super) fn results(&self, body: &Body<'_>) -> Vec<usize> {
        match self {
            Self::Chain(chain) => chain.results(body).map(|(_, slot)| slot).collect(),
            _ => self.slot().into_iter().collect(),
        }
    }

    /// Declares the parameters of a tile that stores the sums.
    pub(super) fn pointers(&self, b: &mut Builder) -> Vec<Pointer> {
        match self {
            Self::Chain(chain) => chain.pointers(b),
            _ => vec![b.pointer("to")],
        }
    }

    /// The addresses for these parameters, from an element of the sums on.
    pub(super) fn args(&self, element: Affine) -> Vec<Affine> {
        match self {
            Self::Chain(chain) => {
                chain.args(&Offsets { element, column: Affine::number(0) }).collect()
            }
            _ => self.slot().map(|slot| Affine::slot(slot).add(&element, 4)).into_iter().collect(),
        }
    }

    /// Stores a vector of the sums, or the results of the epilogue.
    pub(super) fn emit(
        &self,
        body: &Body<'_>,
        b: &mut Builder,
        to: &[Pointer],
        extent: Extent,
        value: F,
    ) -> Result<()> {
        match self {
            Self::Chain(chain) => {
                let cell = Cell { row: 0, column: 0, extent, lanes: vec![Lane::F(value)] };
                chain.emit(body, b, to, &[cell], 0)?;
            }
            _ => b.store_f32(to[0].at(0), extent, value),
        }
        Ok(())
    }

    /// Moves the pointers to the next vector.
    pub(super) fn step(&self, b: &mut Builder, to: &[Pointer]) {
        match self {
            Self::Chain(chain) => chain.step(b, to, LANES),
            _ => b.step(to[0], 4 * LANES as i64, Trips::Const(1)),
        }
    }
}
