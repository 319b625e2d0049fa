//! Which numbers arguments may have: each class has a table of them, which is checked when the
//! object is used.
//!
//! Builders return the object itself and cannot return an error. The first use of the object
//! returns it: layers and initializers when the model is built, optimizers, losses and metrics when
//! it is compiled, callbacks when a training begins.

use brolga_ir::Mistake;

use crate::config::{Extents, OneOrMany};

/// The numbers that an argument may have. Arithmetic is in `f32`, so none may be infinite there.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Range {
    /// Every finite number.
    Finite,
    /// Finite numbers from this one on.
    AtLeast(f64),
    /// Finite numbers up to this one.
    AtMost(f64),
    /// Finite numbers above 0.
    Positive,
    /// From 0 to 1.
    Share,
    /// From 0 up to 1, without 1.
    BelowOne,
    /// From the first number to the second.
    Within(f64, f64),
    /// Whole numbers from 1 on.
    Count,
}

impl Range {
    fn contains(self, x: f64) -> bool {
        let finite = (x as f32).is_finite();
        match self {
            Self::Finite => finite,
            Self::AtLeast(least) => finite && x >= least,
            Self::AtMost(greatest) => finite && x <= greatest,
            Self::Positive => finite && x as f32 >= f32::MIN_POSITIVE,
            Self::Share => (0.0..=1.0).contains(&x),
            Self::BelowOne => x >= 0.0 && (x as f32) < 1.0,
            Self::Within(least, most) => (least..=most).contains(&x),
            Self::Count => x >= 1.0,
        }
    }

    fn help(self) -> String {
        match self {
            Self::Finite => "it must be a number that f32 can hold".to_owned(),
            Self::AtLeast(least) => {
                format!("it must be a number from {} on that f32 can hold", number(least))
            }
            Self::AtMost(greatest) => {
                format!("it must be a number up to {} that f32 can hold", number(greatest))
            }
            Self::Positive => "it must be a number above 0 that f32 can hold".to_owned(),
            Self::Share => "it must be a number from 0 to 1".to_owned(),
            Self::BelowOne => "it must be a number from 0 up to, but not including, 1".to_owned(),
            Self::Within(least, most) => {
                format!("it must be a number from {} to {}", number(least), number(most))
            }
            Self::Count => "it must be a whole number from 1 on".to_owned(),
        }
    }
}

/// An argument of an object: its name, the numbers it is set to, and what they may be.
#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    /// The name, as Keras has it.
    pub name: &'static str,
    /// Its numbers: none where it is not set, several where it has one for each axis or channel.
    pub values: Vec<f64>,
    /// The range of each of them.
    pub range: Range,
}

impl Argument {
    /// The argument of this name, with what it is set to.
    pub fn new(name: &'static str, value: &impl Numbers, range: Range) -> Self {
        Self { name, values: value.numbers(), range }
    }
}

/// The type of an argument of numbers.
pub trait Numbers {
    /// The numbers, none where the argument is not set.
    fn numbers(&self) -> Vec<f64>;
}

impl Numbers for f64 {
    fn numbers(&self) -> Vec<f64> {
        vec![*self]
    }
}

impl Numbers for usize {
    fn numbers(&self) -> Vec<f64> {
        vec![*self as f64]
    }
}

impl<const AXES: usize> Numbers for Extents<AXES> {
    fn numbers(&self) -> Vec<f64> {
        self.0.map(|extent| extent as f64).into()
    }
}

impl Numbers for OneOrMany<f64> {
    fn numbers(&self) -> Vec<f64> {
        self.as_slice().to_vec()
    }
}

impl Numbers for Vec<f64> {
    fn numbers(&self) -> Vec<f64> {
        self.clone()
    }
}

impl<T: Numbers> Numbers for Option<T> {
    fn numbers(&self) -> Vec<f64> {
        self.as_ref().map(Numbers::numbers).unwrap_or_default()
    }
}

/// Fails if an argument of a class or a method is out of its range.
///
/// # Errors
/// The first such argument, with its range.
pub fn check(class: &str, arguments: &[Argument]) -> Result<(), Mistake> {
    let wrong = |argument: &&Argument| !argument.values.iter().all(|&x| argument.range.contains(x));
    let Some(Argument { name, values, range }) = arguments.iter().find(wrong) else {
        return Ok(());
    };
    let given = match values[..] {
        [value] => number(value),
        _ => format!("[{}]", values.iter().map(|&x| number(x)).collect::<Vec<_>>().join(", ")),
    };
    Err(Mistake::new(format!("{class}: `{name}` is {given}")).help(range.help()))
}

/// A number as short as it can be read.
pub(crate) fn number(x: f64) -> String {
    if x.fract() == 0.0 && x.abs() < 1e15 { x.to_string() } else { format!("{x:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_end_where_they_say() {
        let probes = [
            f64::NEG_INFINITY,
            -1.0,
            -0.0,
            0.0,
            1e-40,
            0.5,
            1.0 - 1e-9,
            1.0,
            2.0,
            f64::INFINITY,
            f64::NAN,
        ];
        let within = |range: Range| -> Vec<String> {
            probes.iter().filter(|&&x| range.contains(x)).map(|&x| number(x)).collect()
        };
        insta::assert_debug_snapshot!(
            [Range::Finite, Range::AtLeast(0.0), Range::AtMost(0.0), Range::Positive, Range::Share, Range::BelowOne, Range::Within(-1.0, 0.5), Range::Count]
                .map(|range| format!("{range:?}: {}", within(range).join(" "))),
            @r#"
            [
                "Finite: -1 -0 0 1e-40 0.5 0.999999999 1 2",
                "AtLeast(0.0): -0 0 1e-40 0.5 0.999999999 1 2",
                "AtMost(0.0): -1 -0 0",
                "Positive: 0.5 0.999999999 1 2",
                "Share: -0 0 1e-40 0.5 0.999999999 1",
                "BelowOne: -0 0 1e-40 0.5",
                "Within(-1.0, 0.5): -1 -0 0 1e-40 0.5",
                "Count: 1 2 inf",
            ]
            "#
        );
    }

    #[test]
    fn messages_name_class_argument_value_and_range() {
        let of = |value: f64, range| {
            let argument = Argument::new("argument", &value, range);
            check("Class", &[argument]).expect_err("out of range").to_string()
        };
        insta::assert_snapshot!(of(f64::NAN, Range::Finite), @"
        Class: `argument` is NaN
          help: it must be a number that f32 can hold
        ");
        insta::assert_snapshot!(of(-1e300, Range::AtLeast(-0.5)), @"
        Class: `argument` is -1e300
          help: it must be a number from -0.5 on that f32 can hold
        ");
        insta::assert_snapshot!(of(0.5, Range::AtMost(0.0)), @"
        Class: `argument` is 0.5
          help: it must be a number up to 0 that f32 can hold
        ");
        insta::assert_snapshot!(of(0.0, Range::Positive), @"
        Class: `argument` is 0
          help: it must be a number above 0 that f32 can hold
        ");
        insta::assert_snapshot!(of(1.5, Range::Share), @"
        Class: `argument` is 1.5
          help: it must be a number from 0 to 1
        ");
        insta::assert_snapshot!(of(1.0, Range::BelowOne), @"
        Class: `argument` is 1
          help: it must be a number from 0 up to, but not including, 1
        ");
        let pair = Argument::new("strides", &Extents([2, 0]), Range::Count);
        let error = check("Class", &[pair]).expect_err("out of range");
        insta::assert_snapshot!(error, @"
        Class: `strides` is [2, 0]
          help: it must be a whole number from 1 on
        ");
    }
}
