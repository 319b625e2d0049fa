//! A pooling that is a kernel of its own.

use crate::error::Result;
use crate::lower::{Body, Lowered};

pub(super) fn lower(body: &Body<'_>) -> Result<Lowered> {
    Err(body.malformed("tbd"))
}
