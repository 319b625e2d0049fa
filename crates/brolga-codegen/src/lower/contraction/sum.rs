//! What a filter's gradient is for: a result, or an optimizer's update behind it.

use brolga_ir::Value;

use crate::error::Result;
use crate::lower::Body;
use crate::lower::epilogue::Epilogue;
use crate::nest::Affine;
use crate::tile::Element;

/// What becomes of the sums of the weights, or of the bias.
#[derive(Debug)]
pub(super) enum Sum {
    /// Nobody wants them.
    Unused,
    /// They are a result as they are, in this slot.
    Result(usize),
    /// Results are computed of them.
    Chain(Epilogue),
}

impl Sum {
    /// Looks at the results that are `root`, or computed of it.
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

    /// Whether anything is made of them.
    pub(super) fn is_used(&self) -> bool {
        !matches!(self, Self::Unused)
    }

    /// What is computed of them.
    pub(super) fn chain(&self) -> Option<&Epilogue> {
        match self {
            Self::Chain(chain) => Some(chain),
            _ => None,
        }
    }

    /// The slot of the result that they are.
    pub(super) fn slot(&self) -> Option<usize> {
        match *self {
            Self::Result(slot) => Some(slot),
            _ => None,
        }
    }
}
