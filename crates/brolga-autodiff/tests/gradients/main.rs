//! Every gradient rule against central differences in f64 on the interpreter, of order 1 and 2, and
//! at ties against what the rule is written to do.

mod cases;
mod check;
mod coverage;
mod numbers;
mod rules;
