//! What bounds a kernel: arithmetic, or a level of memory.

use std::fmt;

use brolga_codegen::{Error, VectorIsa};
use brolga_runtime::table::{bytes, write_table};

use crate::limit::{Level, MultiplyAdds, Traffic, Transfers, levels};
use crate::median;

/// What a kernel has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Work {
    /// Floating-point operations, a multiply-add counted as two.
    pub flops: u64,
    /// Bytes read.
    pub read: usize,
    /// Bytes written.
    pub written: usize,
    /// Bytes of all that is touched: what a cache has to hold.
    pub working_set: usize,
}

/// What a level of memory does for all threads together, in bytes a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LevelLimits {
    /// The level.
    pub level: Level,
    /// If all is read.
    pub read: f64,
    /// If all is written.
    pub write: f64,
    /// If as much is read as written, both counted.
    pub copy: f64,
}

impl LevelLimits {
    /// The seconds that it takes at least: as many bytes as are both read and written go at the
    /// rate of a copy, the rest at that of reads or of writes.
    fn seconds(&self, read: usize, written: usize) -> f64 {
        let both = read.min(written);
        2.0 * both as f64 / self.copy
            + (read - both) as f64 / self.read
            + (written - both) as f64 / self.write
    }
}

/// What the machine can do with all threads of a program together.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// The instruction set.
    pub isa: VectorIsa,
    /// The number of threads.
    pub threads: usize,
    /// Floating-point operations a second in multiply-adds that never leave their registers, each
    /// counted as two.
    pub multiply_adds: f64,
    /// The levels of memory, the nearest first.
    pub levels: Vec<LevelLimits>,
}

/// The limit that bounds a kernel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Roof {
    /// `multiply-adds` or the name of a level of memory.
    pub name: &'static str,
    /// The seconds that the kernel takes at least.
    pub seconds: f64,
}

impl Limits {
    /// What bounds a kernel: the later of multiply-adds and of that level of memory which is the
    /// nearest to hold each thread's part of the working set.
    #[must_use]
    pub fn roof(&self, work: &Work) -> Roof {
        let arithmetic =
            Roof { name: "multiply-adds", seconds: work.flops as f64 / self.multiply_adds };
        let part = work.working_set / self.threads.max(1);
        let Some(limits) = self.levels.iter().find(|limits| part <= limits.level.bytes) else {
            return arithmetic;
        };
        let seconds = limits.seconds(work.read, work.written);
        if seconds > arithmetic.seconds {
            Roof { name: limits.level.name, seconds }
        } else {
            arithmetic
        }
    }

    /// The medians of limits that were measured one after the other on the same threads; `None` of
    /// none.
    #[must_use]
    pub fn median_of(rounds: &[Self]) -> Option<Self> {
        let of = |part: &dyn Fn(&Self) -> f64| median(rounds.iter().map(part).collect());
        let mut limits = rounds.first()?.clone();
        limits.multiply_adds = of(&|round| round.multiply_adds);
        for (index, level) in limits.levels.iter_mut().enumerate() {
            level.read = of(&|round| round.levels[index].read);
            level.write = of(&|round| round.levels[index].write);
            level.copy = of(&|round| round.levels[index].copy);
        }
        Some(limits)
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { isa, threads, multiply_adds, levels } = self;
        writeln!(f, "limits of {isa} on {threads} threads: {:.1} GFLOP/s", multiply_adds / 1e9)?;
        let rate = |rate: f64| format!("{:.1}", rate / 1e9);
        let row = |limits: &LevelLimits| {
            let measured = bytes(limits.level.measured);
            let [read, write, copy] = [limits.read, limits.write, limits.copy].map(rate);
            [limits.level.name.to_owned(), measured, read, write, copy]
        };
        let rows: Vec<_> = levels.iter().map(row).collect();
        write_table(f, 1, &["level", "set a thread", "read GB/s", "write GB/s", "copy GB/s"], &rows)
    }
}

/// Measures [`Limits`], round by round.
pub struct Meter {
    threads: usize,
    multiply_adds: MultiplyAdds,
    transfers: Transfers,
    levels: Vec<Level>,
}

impl Meter {
    /// Of this instruction set and so many threads.
    ///
    /// # Errors
    /// If this machine cannot run it, or there is no native code for it.
    pub fn new(isa: VectorIsa, threads: usize) -> Result<Self, Error> {
        let threads = threads.max(1);
        Ok(Self {
            threads,
            multiply_adds: MultiplyAdds::new(isa)?,
            transfers: Transfers::new(isa, threads)?,
            levels: levels(threads),
        })
    }

    /// One measurement of everything.
    pub fn round(&mut self) -> Limits {
        let level = |&level: &Level| {
            let mut rate = |traffic| self.transfers.measure(traffic, level.measured);
            let [read, write, copy] = [Traffic::Read, Traffic::Write, Traffic::Copy].map(&mut rate);
            LevelLimits { level, read, write, copy }
        };
        let levels = self.levels.iter().map(level).collect();
        // The best of three, as that of the transfers is.
        let tries = std::iter::repeat_with(|| self.multiply_adds.measure(self.threads)).take(3);
        let multiply_adds = tries.fold(0.0, f64::max);
        Limits { isa: self.multiply_adds.isa(), threads: self.threads, multiply_adds, levels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        let level = |name, bytes, read| {
            let level = Level { name, bytes, measured: bytes / 2 };
            LevelLimits { level, read, write: read / 2.0, copy: read / 4.0 }
        };
        Limits {
            isa: VectorIsa::V128,
            threads: 2,
            multiply_adds: 1000.0,
            levels: vec![level("L1", 100, 400.0), level("memory", usize::MAX, 40.0)],
        }
    }

    #[test]
    fn the_later_limit_bounds() {
        let work = Work { flops: 1000, read: 80, written: 0, working_set: 80 };
        assert_eq!(limits().roof(&work), Roof { name: "multiply-adds", seconds: 1.0 });
        let work = Work { flops: 10, ..work };
        assert_eq!(limits().roof(&work), Roof { name: "L1", seconds: 0.2 });
    }

    #[test]
    fn the_working_set_of_a_thread_chooses_the_level() {
        let work = |working_set| Work { flops: 0, read: 80, written: 0, working_set };
        assert_eq!(limits().roof(&work(200)).name, "L1");
        assert_eq!(limits().roof(&work(202)), Roof { name: "memory", seconds: 2.0 });
    }

    #[test]
    fn what_is_read_and_written_goes_at_the_rate_of_a_copy() {
        let seconds = |read, written| limits().levels[0].seconds(read, written);
        assert!((seconds(100, 100) - 2.0).abs() < 1e-12);
        assert!((seconds(500, 100) - 3.0).abs() < 1e-12);
        assert!((seconds(100, 300) - 3.0).abs() < 1e-12);
        assert!((seconds(0, 0)).abs() < 1e-12);
    }

    #[test]
    fn medians_are_of_each_limit_alone() {
        let round = |multiply_adds, read| {
            let mut limits = limits();
            limits.multiply_adds = multiply_adds;
            limits.levels[1].read = read;
            limits
        };
        let rounds = [round(1.0, 30.0), round(3.0, 10.0), round(2.0, 20.0)];
        assert_eq!(Limits::median_of(&rounds), Some(round(2.0, 20.0)));
        assert_eq!(Limits::median_of(&[]), None);
    }
}
