//! Tile programs called by themselves, for measurements of the machine. The size of their memory is
//! checked.

use std::ptr;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::isa::VectorIsa;
use crate::jit::{Code, link};
use crate::object::ObjectBuilder;
use crate::tile::{Linear, ParamKind, Reach, Term, TileProgram};

/// The most parameters of a program that can be called.
const MOST: usize = 4;

/// Programs take 64-bit integers, among them addresses, and ignore arguments without a parameter.
type Function = unsafe extern "C" fn(*mut u8, *mut u8, *mut u8, *mut u8);

/// A tile program as machine code of this process.
pub struct NativeTile {
    program: TileProgram,
    reaches: Vec<Reach>,
    function: Function,
    /// Owns the function.
    _code: Code,
}

/// An argument of a program.
#[derive(Debug)]
pub enum Arg<'a> {
    /// The memory that a pointer points to.
    Bytes(&'a mut [u8]),
    /// A count.
    Count(u32),
}

impl NativeTile {
    /// Compiles a program for an instruction set.
    ///
    /// # Errors
    /// If this machine cannot run the instruction set, there is no native code for it, the program
    /// has more than four parameters, or the bytes that it touches are unknown.
    pub fn new(isa: VectorIsa, program: TileProgram) -> Result<Self> {
        let target = isa.checked()?.target()?;
        let refused = |problem: String| Error::Registers { program: program.name.clone(), problem };
        if program.params.len() > MOST {
            return Err(refused(format!("it has more than {MOST} parameters")));
        }
        let reaches = program.footprint().map_err(refused)?;
        let mut builder = ObjectBuilder::new(target)?;
        let id = builder.tile(&Arc::new(program.clone()));
        let code = link(builder.finish()?)?;
        // SAFETY: the function takes at most four 64-bit integers by the C calling convention, and
        // returns nothing; it lives as long as `code`.
        let function = unsafe { std::mem::transmute::<*const u8, Function>(code.address(id)) };
        Ok(Self { program, reaches, function, _code: code })
    }

    /// Runs the program once.
    ///
    /// # Errors
    /// If the arguments do not fit the parameters, or the program would touch other bytes than the
    /// given ones.
    pub fn run(&self, args: &mut [Arg<'_>]) -> Result<()> {
        self.check(args)
            .map_err(|problem| Error::Registers { program: self.program.name.clone(), problem })?;
        let mut words = [ptr::null_mut(); MOST];
        for (word, arg) in words.iter_mut().zip(args) {
            *word = match arg {
                Arg::Bytes(bytes) => bytes.as_mut_ptr(),
                Arg::Count(count) => ptr::without_provenance_mut(*count as usize),
            };
        }
        let [a, b, c, d] = words;
        // SAFETY: these are the program's arguments, and the bytes that it touches were checked
        // above: all of them are within slices that are borrowed exclusively.
        unsafe { (self.function)(a, b, c, d) };
        Ok(())
    }

    fn check(&self, args: &[Arg<'_>]) -> Result<(), String> {
        let is_right = |(param, arg): (&ParamKind, &Arg<'_>)| match arg {
            Arg::Bytes(_) => *param == ParamKind::Pointer,
            Arg::Count(_) => *param == ParamKind::Count,
        };
        let kinds: Vec<ParamKind> = self.program.params.iter().map(|param| param.kind).collect();
        if kinds.len() != args.len() || !kinds.iter().zip(args).all(is_right) {
            return Err(format!("it takes {kinds:?}, which the arguments are not"));
        }
        for reach in &self.reaches {
            let pointer = usize::from(reach.pointer.0);
            let Some(Arg::Bytes(bytes)) = args.get(pointer) else { continue };
            let inside = |linear: &Linear| {
                at(linear, args).is_some_and(|at| (0..=bytes.len() as i128).contains(&at))
            };
            if !reach.lows.iter().chain(&reach.highs).all(inside) {
                let (name, given) = (&self.program.params[pointer].name, bytes.len());
                return Err(format!("it leaves the {given} bytes of `{name}`"));
            }
        }
        Ok(())
    }
}

/// The value of a linear form, given the counts.
fn at(linear: &Linear, args: &[Arg<'_>]) -> Option<i128> {
    linear.terms.iter().try_fold(i128::from(linear.constant), |sum, &(term, factor)| {
        let (Term::Count(count) | Term::Vectors(count)) = term;
        let Some(Arg::Count(number)) = args.get(usize::from(count.0)) else { return None };
        let number = match term {
            Term::Count(_) => i128::from(*number),
            Term::Vectors(_) => i128::from(*number) / crate::tile::LANES as i128,
        };
        Some(sum + number * i128::from(factor))
    })
}

/// Bytes of a cache line.
pub const LINE: usize = 64;

#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line {
    _bytes: [u8; LINE],
}

/// Zeroed memory in whole cache lines, so that no vector crosses two; on huge pages if the system
/// has them, as the memory of programs.
#[derive(Default)]
pub struct Lines(Vec<Line>);

impl Lines {
    /// Memory of `bytes` bytes, rounded up to lines.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let mut lines = Self::default();
        lines.grow(bytes);
        lines
    }

    /// Makes the memory at least `bytes` long; its content is lost if it was shorter.
    pub fn grow(&mut self, bytes: usize) {
        let count = bytes.div_ceil(LINE);
        if self.0.len() >= count {
            return;
        }
        let mut larger: Vec<Line> = Vec::with_capacity(count);
        #[cfg(target_os = "linux")]
        {
            /// The largest page size, to which the start of the range is rounded up.
            const PAGE: usize = 64 << 10;
            let start = larger.as_mut_ptr().cast::<u8>();
            let skipped = start.align_offset(PAGE);
            if let Some(length) = (count * LINE).checked_sub(skipped).filter(|&length| length > 0) {
                // SAFETY: the range lies in the allocation, and the advice does not change its
                // content.
                unsafe { libc::madvise(start.add(skipped).cast(), length, libc::MADV_HUGEPAGE) };
            }
        }
        larger.resize(count, Line { _bytes: [0; LINE] });
        self.0 = larger;
    }

    /// The bytes.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let bytes = size_of_val(self.0.as_slice());
        // SAFETY: lines are bytes without anything between them, and every byte is one.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tile::{Builder, Extent, Trips};

    /// A program that copies `lines` lines from one address to another.
    fn copy(isa: VectorIsa) -> NativeTile {
        let mut b = Builder::new("copy");
        let (from, to, lines) = (b.pointer("from"), b.pointer("to"), b.count("lines"));
        b.repeat(Trips::Count(lines), |b| {
            let value = b.load_i32(from.at(0), Extent::Full);
            b.store_i32(to.at(0), Extent::Full, value);
            b.step(from, LINE as i64, Trips::Const(1));
            b.step(to, LINE as i64, Trips::Const(1));
        });
        NativeTile::new(isa, b.finish().expect("a right program")).expect("it compiles")
    }

    #[test]
    fn a_program_runs_on_bytes() {
        for isa in VectorIsa::supported() {
            let mut from: Vec<u8> = (0..3 * LINE as u8).collect();
            let mut to = vec![0; 3 * LINE];
            copy(isa)
                .run(&mut [Arg::Bytes(&mut from), Arg::Bytes(&mut to), Arg::Count(3)])
                .expect("there is room");
            assert_eq!(to, from, "{isa}");
        }
    }

    #[test]
    fn what_would_leave_its_bytes_does_not_run() {
        let Some(isa) = VectorIsa::supported().next() else { return };
        let (copy, mut from, mut to) = (copy(isa), [1; 3 * LINE], [0; 3 * LINE]);
        let mut run = |length: usize, lines| {
            let from = Arg::Bytes(&mut from);
            copy.run(&mut [from, Arg::Bytes(&mut to[..length]), Arg::Count(lines)])
                .err()
                .map(|error| error.to_string())
        };
        assert_eq!(run(128, 2), None);
        insta::assert_snapshot!(run(127, 2).unwrap_or_default(), @"tile program `copy`: it leaves the 127 bytes of `to`");
        insta::assert_snapshot!(run(192, u32::MAX).unwrap_or_default(), @"tile program `copy`: it leaves the 192 bytes of `from`");
        let error = copy.run(&mut [Arg::Count(1)]).expect_err("there are three parameters");
        insta::assert_snapshot!(error, @"tile program `copy`: it takes [Pointer, Pointer, Count], which the arguments are not");
    }

    #[test]
    fn lines_grow() {
        let mut lines = Lines::new(70_000 * LINE - 5);
        assert_eq!(lines.bytes_mut().len(), 70_000 * LINE);
        assert!(lines.bytes_mut().as_ptr().addr().is_multiple_of(LINE));
        lines.grow(1);
        assert_eq!(lines.bytes_mut().len(), 70_000 * LINE);
    }
}
