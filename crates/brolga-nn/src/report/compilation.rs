//! How long compiling took.

use std::time::Duration;

/// The compilation of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compilation {
    /// The program: `train_step`, `eval_step` or `predict`.
    pub program: String,
    /// The number of samples that it takes.
    pub batch: usize,
    /// How long it took, from tracing the layers to machine code.
    pub time: Duration,
    /// The number of kernels; 0 for a program that is interpreted.
    pub kernels: usize,
}

impl Compilation {
    /// Its line, where most batches have `batch` samples.
    pub(crate) fn line(&self, batch: usize) -> String {
        let size = match self.batch {
            same if same == batch => String::new(),
            other => format!(" for a batch of {other}"),
        };
        let kernels = match self.kernels {
            0 => "interpreted".to_owned(),
            1 => "1 kernel".to_owned(),
            many => format!("{many} kernels"),
        };
        format!("compiled {}{size} in {} ms ({kernels})", self.program, self.time.as_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_batch_is_told_where_it_is_another() {
        let program = "train_step".to_owned();
        let time = Duration::from_micros(41_900);
        let compilation = Compilation { program, batch: 16, time, kernels: 17 };
        assert_eq!(compilation.line(16), "compiled train_step in 41 ms (17 kernels)");
        assert_eq!(
            compilation.line(32),
            "compiled train_step for a batch of 16 in 41 ms (17 kernels)"
        );
    }
}
