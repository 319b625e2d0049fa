//! A comparison that fails.

use std::fmt;

use brolga_ir::Tensor;

/// What failed, and how.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The comparison, such as `pass fuse_rows alone`.
    pub what: String,
    /// How it failed.
    pub message: String,
}

impl Failure {
    /// A comparison that fails with this message.
    pub fn new(what: impl Into<String>, message: impl fmt::Display) -> Self {
        Self { what: what.into(), message: message.to_string() }
    }

    /// Whether it seems to be the same fault: the comparison and the beginning of the message are
    /// equal.
    pub fn is_like(&self, other: &Self) -> bool {
        let start = |message: &str| message.split([':', '`']).next().map(str::to_owned);
        self.what == other.what && start(&self.message) == start(&other.message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.message)
    }
}

/// Fails unless the outputs have the same types and bits.
pub(crate) fn same_bits(what: &str, expected: &[Tensor], given: &[Tensor]) -> Result<(), Failure> {
    if expected.len() != given.len() {
        let message = format!("outputs: {} instead of {}", given.len(), expected.len());
        return Err(Failure::new(what, message));
    }
    for (index, (expected, given)) in expected.iter().zip(given).enumerate() {
        if expected.ty() != given.ty() {
            let message = format!("type of output {index}: {} != {}", expected.ty(), given.ty());
            return Err(Failure::new(what, message));
        }
        let (a, b) = (expected.data().canonical_bits(), given.data().canonical_bits());
        let differing: Vec<usize> = (0..a.len()).filter(|&i| a[i] != b[i]).collect();
        if let Some(&first) = differing.first() {
            let at = |tensor: &Tensor| tensor.data().to_f64()[first];
            let message = format!(
                "bits differ: output {index}, {} of {} elements, first element {first}: {:?} expected, {:?} given",
                differing.len(),
                a.len(),
                at(expected),
                at(given)
            );
            return Err(Failure::new(what, message));
        }
    }
    Ok(())
}
