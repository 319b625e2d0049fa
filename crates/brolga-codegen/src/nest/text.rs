//! The text form of nests, for dumps and snapshots.

use std::fmt;

use super::{Affine, Arg, Base, Index, Nest, Step};

impl fmt::Display for Nest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "stage {} for {} {{", self.name, Nest::UNIT)?;
        write_steps(f, &self.body, 1)?;
        f.write_str("}\n")
    }
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "i{}", self.0)
    }
}

impl fmt::Display for Affine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        match self.base {
            Some(Base::Slot(slot)) => write!(f, "${slot}")?,
            Some(Base::Scratch) => f.write_str("$scratch")?,
            None => {}
        }
        if self.base.is_some() {
            separator = " + ";
        }
        for (index, factor) in &self.terms {
            f.write_str(separator)?;
            separator = " + ";
            if *factor == 1 {
                write!(f, "{index}")?;
            } else {
                write!(f, "{index}*{factor}")?;
            }
        }
        if separator.is_empty() || self.offset != 0 {
            write!(f, "{separator}{}", self.offset)?;
        }
        Ok(())
    }
}

impl fmt::Display for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Affine(affine) => affine.fmt(f),
            Self::Min(affine, limit) => write!(f, "min({affine}, {limit})"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_steps(f, std::slice::from_ref(self), 0)
    }
}

impl Step {
    /// The text form's first line.
    pub(super) fn line(&self) -> String {
        self.to_string().lines().next().unwrap_or_default().to_owned()
    }
}

fn write_steps(f: &mut fmt::Formatter<'_>, steps: &[Step], depth: usize) -> fmt::Result {
    for step in steps {
        let indent = depth * 2;
        write!(f, "{:indent$}", "")?;
        match step {
            Step::Loop { index, from, to, body } => {
                writeln!(f, "for {index} in {from}..{to} {{")?;
                write_steps(f, body, depth + 1)?;
                writeln!(f, "{:indent$}}}", "")?;
            }
            Step::Divide { index, number, divisor } => {
                writeln!(f, "{index} = ({number}) / {divisor}")?
            }
            Step::Read { index, address, element } => {
                writeln!(f, "{index} = read {element:?} [{address}]")?;
            }
            Step::When { number, from, to, then, otherwise } => {
                writeln!(f, "when {number} in {from}..{to} {{")?;
                write_steps(f, then, depth + 1)?;
                if !otherwise.is_empty() {
                    writeln!(f, "{:indent$}}} else {{", "")?;
                    write_steps(f, otherwise, depth + 1)?;
                }
                writeln!(f, "{:indent$}}}", "")?;
            }
            Step::Call { tile, args } => {
                write!(f, "{}(", tile.name)?;
                for (index, arg) in args.iter().enumerate() {
                    write!(f, "{}{arg}", if index > 0 { ", " } else { "" })?;
                }
                f.write_str(")\n")?;
            }
        }
    }
    Ok(())
}
