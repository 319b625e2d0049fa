//! The vector instruction sets that tiles are compiled for.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::{Error, Result};
#[cfg(target_arch = "x86_64")]
use crate::tile::{Avx2, Avx512};
use crate::tile::{Cranelift, Scalar, TileTarget};

/// The environment variable that forces an instruction set.
pub const ISA_VARIABLE: &str = "BROLGA_ISA";

/// A vector instruction set. The choice never changes a bit of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VectorIsa {
    /// No vectors: every kernel is compiled as scalar loops. For every host; slow, for comparison.
    Scalar,
    /// 128-bit vectors by Cranelift: every host.
    V128,
    /// 256-bit vectors: x86-64 with AVX2, FMA3 and F16C.
    Avx2,
    /// 512-bit vectors: x86-64 with AVX-512 F, BW, DQ and VL.
    Avx512,
}

impl VectorIsa {
    /// All instruction sets, the narrowest first.
    pub const ALL: [Self; 4] = [Self::Scalar, Self::V128, Self::Avx2, Self::Avx512];

    /// The instruction sets with vectors, the narrowest first.
    pub const VECTORS: [Self; 3] = [Self::V128, Self::Avx2, Self::Avx512];

    /// Its name: `scalar`, `128`, `avx2` or `avx512`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::V128 => "128",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// Bits of a register.
    #[must_use]
    pub fn bits(self) -> usize {
        match self {
            Self::Scalar => 32,
            Self::V128 => 128,
            Self::Avx2 => 256,
            Self::Avx512 => 512,
        }
    }

    /// Whether this machine can run it.
    #[must_use]
    pub fn is_supported(self) -> bool {
        match self {
            Self::Scalar | Self::V128 => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Avx2::is_supported(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Avx512::is_supported(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }

    /// The instruction sets with vectors that this machine can run, the narrowest first.
    pub fn supported() -> impl DoubleEndedIterator<Item = Self> {
        Self::VECTORS.into_iter().filter(|isa| isa.is_supported())
    }

    /// The widest instruction set that this machine can run.
    #[must_use]
    pub fn widest() -> Self {
        Self::supported().next_back().unwrap_or(Self::V128)
    }

    /// The instruction set that the environment variable `BROLGA_ISA` names, or the widest that
    /// this machine can run.
    ///
    /// # Errors
    /// [`Error::Host`] if the variable has no such name, or this machine cannot run the instruction
    /// set.
    pub fn chosen() -> Result<Self> {
        match std::env::var(ISA_VARIABLE) {
            Ok(word) if !word.is_empty() => {
                let isa: Self = word.parse().map_err(|error| {
                    Error::Host(format!("the environment variable {ISA_VARIABLE}: {error}"))
                })?;
                isa.checked().map_err(|error| match error {
                    Error::Host(message) => Error::Host(format!(
                        "the environment variable {ISA_VARIABLE} asks for {isa}, but {message}"
                    )),
                    error => error,
                })
            }
            _ => Ok(Self::widest()),
        }
    }

    /// The instruction set itself, if this machine can run it.
    ///
    /// # Errors
    /// [`Error::Host`] if it cannot.
    pub fn checked(self) -> Result<Self> {
        if self.is_supported() {
            return Ok(self);
        }
        let known = Self::ALL.into_iter().filter(|isa| isa.is_supported());
        let known: Vec<&str> = known.map(Self::name).collect();
        Err(Error::Host(format!("this machine has no {self}; it has {}", known.join(", "))))
    }

    /// The compiler of its tiles. An x86-64 machine can make code for all x86-64 instruction sets,
    /// also for those that it cannot run.
    ///
    /// # Errors
    /// [`Error::Host`] if this machine is of another architecture, or Cranelift does not know it.
    pub fn target(self) -> Result<Arc<dyn TileTarget>> {
        match self {
            Self::Scalar => Ok(Arc::new(Scalar)),
            Self::V128 => Ok(Arc::new(Cranelift::host()?)),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Ok(Arc::new(Avx2)),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Ok(Arc::new(Avx512)),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => {
                Err(Error::Host(format!("{self} is of x86-64, this machine is not")))
            }
        }
    }
}

impl fmt::Display for VectorIsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for VectorIsa {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|isa| isa.name() == word).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.into_iter().map(Self::name).collect();
            format!("there is no instruction set `{word}`; there are {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for isa in VectorIsa::ALL {
            assert_eq!(isa.to_string().parse(), Ok(isa));
        }
        insta::assert_snapshot!(
            "sse2".parse::<VectorIsa>().expect_err("no such set"),
            @"there is no instruction set `sse2`; there are scalar, 128, avx2, avx512"
        );
    }

    #[test]
    fn every_host_has_the_narrowest() {
        assert!(VectorIsa::V128.is_supported());
        assert!(VectorIsa::widest().checked().is_ok());
    }
}
