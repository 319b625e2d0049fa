//! The text form of scalar loops, for readers.

use std::fmt::{self, Display, Formatter};

use super::{Atom, Buffer, Index, Loops, Number, Rule, Stage, Step, Value, Variable};

impl Display for Atom {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "i{}", self.0)
    }
}

impl Display for Buffer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "b{}", self.0)
    }
}

impl Display for Number {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.id)
    }
}

impl Display for Variable {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "${}", self.id)
    }
}

impl Display for Index {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for (atom, factor) in &self.terms {
            let (sign, size) = if *factor < 0 {
                ("-", factor.unsigned_abs())
            } else {
                ("+", factor.unsigned_abs())
            };
            match (first, sign) {
                (true, "+") => {}
                (true, _) => f.write_str("-")?,
                (false, _) => write!(f, " {sign} ")?,
            }
            if size != 1 {
                write!(f, "{size}*")?;
            }
            write!(f, "{atom}")?;
            first = false;
        }
        match self.offset {
            offset if first => write!(f, "{offset}"),
            0 => Ok(()),
            offset if offset < 0 => write!(f, " - {}", offset.unsigned_abs()),
            offset => write!(f, " + {offset}"),
        }
    }
}

impl Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quotient(index, divisor) => write!(f, "({index}) / {divisor}"),
            Self::Remainder(index, divisor) => write!(f, "({index}) mod {divisor}"),
            Self::Min(a, b) => write!(f, "min({a}, {b})"),
            Self::Max(a, b) => write!(f, "max({a}, {b})"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Same(index) => write!(f, "{index}"),
        }
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(bits) => write!(f, "{bits:#x}"),
            Self::Load(buffer, index) => write!(f, "{buffer}[{index}]"),
            Self::Get(variable) => write!(f, "{variable}"),
            Self::Index(index) => write!(f, "number {index}"),
            Self::Unary(op, a) => write!(f, "{} {a}", op.text()),
            Self::Binary(op, a, b) => write!(f, "{} {a}, {b}", op.text()),
            Self::Shift(op, a, bits) => write!(f, "{} {a}, {bits}", op.text()),
            Self::Fma(a, b, c) => write!(f, "fma {a}, {b}, {c}"),
            Self::Select(mask, a, b) => write!(f, "select {mask}, {a}, {b}"),
            Self::Convert(a, dtype) => write!(f, "convert {a} to {dtype}"),
        }
    }
}

impl Display for Stage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: for each {} of 0..{} {{", self.name, self.unit, self.units)?;
        steps(f, &self.body, 1)?;
        writeln!(f, "}}")
    }
}

impl Display for Loops {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.stages.iter().try_for_each(|stage| write!(f, "{stage}"))
    }
}

/// The first line of the step.
impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loop { index, from, to, .. } => write!(f, "for {index} in {from}..{to} {{"),
            Self::While { index, limit, .. } => write!(f, "while for {index} in 0..{limit} {{"),
            Self::Atom(atom, rule) => write!(f, "{atom} = {rule}"),
            Self::When { index, from, to, .. } => write!(f, "if {index} in {from}..{to} {{"),
            Self::Let(number, value) => write!(f, "{number} = {value}"),
            Self::Set(variable, number) => write!(f, "{variable} = {number}"),
            Self::Store(buffer, index, number) => write!(f, "{buffer}[{index}] = {number}"),
        }
    }
}

fn steps(f: &mut Formatter<'_>, block: &[Step], depth: usize) -> fmt::Result {
    let indent = "  ".repeat(depth);
    for step in block {
        writeln!(f, "{indent}{step}")?;
        match step {
            Step::Loop { body, .. } => steps(f, body, depth + 1)?,
            Step::While { condition, holds, body, .. } => {
                steps(f, condition, depth + 1)?;
                writeln!(f, "{indent}  stop unless {holds}")?;
                steps(f, body, depth + 1)?;
            }
            Step::When { then, otherwise, .. } => {
                steps(f, then, depth + 1)?;
                if !otherwise.is_empty() {
                    writeln!(f, "{indent}}} else {{")?;
                    steps(f, otherwise, depth + 1)?;
                }
            }
            Step::Atom(..) | Step::Let(..) | Step::Set(..) | Step::Store(..) => continue,
        }
        writeln!(f, "{indent}}}")?;
    }
    Ok(())
}
