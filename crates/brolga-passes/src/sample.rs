//! Inputs for comparing a graph before and after a pass.

use brolga_ir::{DType, Data, Graph, Tensor, Type};

/// The kind of inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// Floats between −2 and 2, small integers.
    Ordinary,
    /// The same mixed with NaN, infinities, zeros of both signs, subnormal and huge numbers.
    Special,
}

/// Deterministic pseudo-random inputs for a graph, in the order of its signature. They depend only
/// on the types, the positions in the signature and the kind of sample.
pub fn sample_inputs(graph: &Graph, sample: Sample) -> Vec<Tensor> {
    let inputs = graph.inputs().iter().enumerate();
    inputs.map(|(position, &id)| tensor(graph.ty(id.into()), sample, position as u64)).collect()
}

fn tensor(ty: &Type, sample: Sample, seed: u64) -> Tensor {
    let mut numbers = SplitMix64(seed);
    let count = ty.shape.elements();
    let values: Vec<f64> = (0..count).map(|_| element(ty.dtype, sample, &mut numbers)).collect();
    Tensor::new(ty.shape.clone(), Data::from_f64(ty.dtype, &values))
        .expect("there are as many elements as the shape has")
}

const SPECIAL: [f64; 8] =
    [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1e-42, -3e38, 1.0];

fn element(dtype: DType, sample: Sample, numbers: &mut SplitMix64) -> f64 {
    let bits = numbers.next();
    match dtype {
        DType::Bool => (bits & 1) as f64,
        DType::U8 => (bits % 5) as f64,
        DType::I32 | DType::I64 => (bits % 12) as f64 - 1.0,
        // Every eighth element, so that a sum over a few elements is not always NaN.
        _ if sample == Sample::Special && bits.is_multiple_of(8) => {
            SPECIAL[(bits >> 32) as usize % SPECIAL.len()]
        }
        // Multiples of 1/64: ties occur.
        _ => ((bits >> 40) % 257) as f64 / 64.0 - 2.0,
    }
}

/// The generator SplitMix64 (Steele, Lea, Flood 2014).
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
