//! The positions of steps, as arguments of calls.

use brolga_ir::{DType, Mistake, Tensor, Type, Var};

use super::{shape_of, shapes};
use crate::trace::Call;

/// The arguments of calls of these layers.
pub(super) const KEYWORDS: [&str; 2] = ["start_index", "positions"];

/// The positions of the steps of a sequence.
pub(super) enum Positions {
    /// Ascending from this one.
    From(usize),
    /// `[batch, steps]` whole numbers.
    Each(Var),
}

impl Positions {
    /// The positions of so many steps in a batch of so many samples, as the call gives them.
    ///
    /// # Errors
    /// If they do not fit.
    pub(super) fn of(call: &Call<'_>, batch: usize, steps: usize) -> Result<Self, Mistake> {
        let whole = |x: &Var| if x.dtype() == DType::I32 { x.clone() } else { x.cast(DType::I32) };
        let wrong = |name: &str, given: &Var, wanted: String| {
            let message = format!("the argument `{name}` of the call is {}", shape_of(given));
            Err(Mistake::new(message).help(format!("it is {wanted}")))
        };
        if let Some(each) = call.tensor("positions") {
            return match each.shape()[..] {
                [b, t] if [b, t] == [batch, steps] => Ok(Self::Each(whole(&each))),
                _ => {
                    wrong("positions", &each, format!("a position for each step: (None, {steps})"))
                }
            };
        }
        let Some(first) = call.tensor("start_index") else {
            return Ok(Self::From(call.count("start_index").unwrap_or(0)));
        };
        if !matches!(first.shape()[..], [b] | [b, 1] if b == batch) {
            return wrong(
                "start_index",
                &first,
                "a whole number, or one for each sample: (None, 1)".to_owned(),
            );
        }
        let steps = call.tracer().iota(Type::new(DType::I32, [1, steps]), 1);
        Ok(Self::Each(whole(&first).reshape([batch, 1]) + steps))
    }

    /// The rows of these positions, of a table of all: `[steps, features]`, or `[batch, steps,
    /// features]`.
    ///
    /// # Errors
    /// If there are positions beyond the table.
    pub(super) fn of_table(&self, class: &str, table: &Var, steps: usize) -> Result<Var, Mistake> {
        match self {
            Self::Each(positions) => Ok(table.gather(positions)),
            Self::From(first) => {
                let (known, features) = (table.shape()[0], table.shape()[1]);
                let end = first.saturating_add(steps);
                if end > known {
                    let message =
                        format!("{class} has {known} positions, the sequence needs {end}");
                    let help = "make sequence_length larger, or the sequence shorter";
                    return Err(Mistake::new(message).help(help));
                }
                Ok(table.slice(&[*first, 0], &[end, features], &[1, 1]))
            }
        }
    }

    /// Rows that a function knows of each position, as [`Positions::of_table`]; positions that are
    /// tensors are below `length`.
    ///
    /// # Errors
    /// If positions are tensors, and there is no `length`.
    pub(super) fn of_function(
        &self,
        class: &str,
        like: &Var,
        (steps, length): (usize, Option<usize>),
        row: impl Fn(f64) -> Vec<f64>,
    ) -> Result<Var, Mistake> {
        let rows = |range: std::ops::Range<usize>| {
            let count = range.len();
            let values: Vec<f64> = range.flat_map(|position| row(position as f64)).collect();
            let features = values.len() / count.max(1);
            let data = brolga_ir::Data::from_f64(like.dtype(), &values);
            let table = Tensor::new([count, features], data);
            like.tracer().constant(table.expect("as many numbers as the shape says"))
        };
        match (self, length) {
            (Self::From(first), _) => Ok(rows(*first..first.saturating_add(steps))),
            (Self::Each(positions), Some(length)) => Ok(rows(0..length).gather(positions)),
            (Self::Each(_), None) => {
                let message = format!("{class}: positions that are a tensor, of no known length");
                let help = "say how many there are: .sequence_length(512)";
                Err(Mistake::new(message).help(help))
            }
        }
    }
}

/// Steps and features of a sequence.
///
/// # Errors
/// If the input is none.
pub(super) fn sequence(class: &str, x: &Type) -> Result<[usize; 3], Mistake> {
    match x.shape[..] {
        [batch, steps, features] => Ok([batch, steps, features]),
        _ => {
            let given = shapes(std::slice::from_ref(x));
            let message = format!("{class} takes sequences (None, steps, features), given {given}");
            Err(Mistake::new(message).help("an Embedding makes one of token numbers"))
        }
    }
}
