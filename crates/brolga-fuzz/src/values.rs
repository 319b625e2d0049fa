//! The values of inputs.

use brolga_ir::draw::Rng;
use brolga_ir::{DType, Data, Tensor, Type};
use half::{bf16, f16};

/// The kind of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// Floats between −2 and 2 of full precision, so that another order of arithmetic gives other
    /// bits; integers from −1 to 10.
    Ordinary,
    /// Integers from −2 to 2: ties.
    Ties,
    /// Ordinary ones mixed with special floats; indices that are out of range.
    Special,
    /// Any bits.
    Bits,
}

impl Values {
    /// All kinds, the simplest first.
    pub const ALL: [Self; 4] = [Self::Ties, Self::Ordinary, Self::Special, Self::Bits];

    /// A tensor of such values.
    pub fn tensor(self, ty: &Type, rng: &mut Rng) -> Tensor {
        let count = ty.shape.elements();
        let data = match self {
            Self::Bits => bits(ty.dtype, count, rng),
            _ => {
                let numbers: Vec<f64> = (0..count).map(|_| self.number(ty.dtype, rng)).collect();
                Data::from_f64(ty.dtype, &numbers)
            }
        };
        Tensor::new(ty.shape.clone(), data).expect("there are as many elements as the shape has")
    }

    fn number(self, dtype: DType, rng: &mut Rng) -> f64 {
        const SPECIAL: [f64; 14] = [
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            0.0,
            -0.0,
            1e-42,
            -1e-310,
            6e-8,
            -3e38,
            1e308,
            65504.0,
            88.7,
            -104.0,
            16_777_217.0,
        ];
        match (dtype.is_float(), self) {
            (_, Self::Ties) => rng.below(5) as f64 - 2.0,
            // Every eighth element, so that a sum over a few elements is not always NaN.
            (true, Self::Special) if rng.one_in(8) => rng.pick(&SPECIAL),
            (true, _) => (rng.next_u64() >> 11) as f64 / (1_u64 << 51) as f64 - 2.0,
            (false, Self::Special) if rng.one_in(8) => {
                rng.pick(&[f64::INFINITY, f64::NEG_INFINITY, 255.0, 128.0, -1.0])
            }
            (false, _) if dtype == DType::Bool => rng.below(2) as f64,
            (false, _) => rng.below(12) as f64 - 1.0,
        }
    }
}

fn bits(dtype: DType, count: usize, rng: &mut Rng) -> Data {
    let mut next = || rng.next_u64();
    match dtype {
        DType::F32 => Data::F32((0..count).map(|_| f32::from_bits(next() as u32)).collect()),
        DType::F64 => Data::F64((0..count).map(|_| f64::from_bits(next())).collect()),
        DType::BF16 => Data::BF16((0..count).map(|_| bf16::from_bits(next() as u16)).collect()),
        DType::F16 => Data::F16((0..count).map(|_| f16::from_bits(next() as u16)).collect()),
        DType::I64 => Data::I64((0..count).map(|_| next() as i64).collect()),
        DType::I32 => Data::I32((0..count).map(|_| next() as i32).collect()),
        DType::U8 => Data::U8((0..count).map(|_| next() as u8).collect()),
        DType::Bool => Data::Bool((0..count).map(|_| next() >> 63 == 1).collect()),
    }
}
