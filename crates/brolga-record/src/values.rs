//! Values of nodes, where somebody ran the program and looked at them.

use brolga_ir::Uid;
use serde::{Deserialize, Serialize};

/// Values of the nodes of one graph in one step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ValuesRecord {
    /// The stage whose graph was run.
    pub stage: String,
    /// Where the inputs came from, such as `random, seed 0`.
    pub inputs: String,
    /// The values, in the order in which they were computed.
    pub values: Vec<ValueRecord>,
}

/// The value of one result of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ValueRecord {
    /// The node.
    pub node: Uid,
    /// The index of the result.
    pub port: u32,
    /// FNV-1a of the type and the bits of all elements, all NaNs being one: 16 hexadecimal digits.
    pub checksum: String,
    /// Statistics of the elements as numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistics: Option<Statistics>,
}

/// Statistics of the elements of a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// The least finite element.
    pub min: Option<f64>,
    /// The greatest finite element.
    pub max: Option<f64>,
    /// The mean of the finite elements.
    pub mean: Option<f64>,
    /// The number of NaNs.
    pub nans: u64,
    /// The number of infinities.
    pub infinities: u64,
}
