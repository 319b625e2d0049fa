//! Element types as Rust types.

use brolga_ir::DType;
use half::{bf16, f16};

mod sealed {
    pub trait Sealed {}
}

/// A Rust type with the layout of a tensor's elements.
///
/// All zero bits are a value of each of them. `bool` has only two valid bytes, and kernels write no
/// other.
pub trait Element: sealed::Sealed + Copy + Send + Sync + 'static {
    /// The element type of the tensors.
    const DTYPE: DType;
}

macro_rules! elements {
    ($($rust:ty => $dtype:ident),*) => {$(
        impl sealed::Sealed for $rust {}
        impl Element for $rust {
            const DTYPE: DType = DType::$dtype;
        }
    )*};
}

elements!(
    f32 => F32, f64 => F64, bf16 => BF16, f16 => F16, i64 => I64, i32 => I32, u8 => U8, bool => Bool
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_element_types() {
        fn same<T: Element>() {
            assert_eq!(size_of::<T>(), T::DTYPE.size());
            assert!(align_of::<T>() <= T::DTYPE.size());
        }
        same::<f32>();
        same::<f64>();
        same::<bf16>();
        same::<f16>();
        same::<i64>();
        same::<i32>();
        same::<u8>();
        same::<bool>();
    }
}
