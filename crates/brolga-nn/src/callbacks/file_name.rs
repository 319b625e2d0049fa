//! File names with numbers in them: `weights-{epoch:02d}-{val_loss:.2f}.safetensors`.

use brolga_ir::Mistake;

use crate::error::NnError;
use crate::report::exponential;

/// A name with fields for numbers, in the form of Python's `str.format`: `{name}`,
/// `{name:[0][width][.precision][d|f|e]}`, `{{`, `}}`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FileName {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Number(Field),
}

/// A field for a number.
#[derive(Debug, Clone, PartialEq, Default)]
struct Field {
    name: String,
    zeros: bool,
    width: usize,
    precision: Option<usize>,
    form: Option<char>,
}

/// The widest number that makes sense in the name of a file.
const WIDEST: usize = 64;

impl FileName {
    pub(crate) fn parse(text: &str) -> Result<Self, NnError> {
        let (mut parts, mut plain) = (vec![], String::new());
        let mut rest = text;
        while let Some(start) = rest.find(['{', '}']) {
            plain.push_str(&rest[..start]);
            let brace = &rest[start..=start];
            let after = &rest[start + 1..];
            if let Some(escaped) = after.strip_prefix(brace) {
                plain.push_str(brace);
                rest = escaped;
                continue;
            }
            let (inside, after) =
                after.split_once('}').filter(|_| brace == "{").ok_or_else(|| {
                    wrong(
                        text,
                        &format!("a `{brace}` stands alone"),
                        "write `{{` or `}}` for a brace",
                    )
                })?;
            parts.push(Part::Text(std::mem::take(&mut plain)));
            parts.push(Part::Number(Field::parse(inside).ok_or_else(|| {
                wrong(
                    text,
                    &format!("`{{{inside}}}` is no field for a number"),
                    "write {epoch}, {epoch:02d}, {val_loss:.2f} or {loss:.3e}",
                )
            })?));
            rest = after;
        }
        plain.push_str(rest);
        parts.push(Part::Text(plain));
        Ok(Self { parts })
    }

    /// The names of the numbers.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Number(field) => Some(field.name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The name with these numbers.
    pub(crate) fn format(&self, value: impl Fn(&str) -> Option<f64>) -> Result<String, NnError> {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => Ok(text.clone()),
                Part::Number(field) => {
                    value(&field.name).map(|x| field.format(x)).ok_or_else(|| {
                        let message = format!("`{}` was not reported in this epoch", field.name);
                        NnError::Argument(
                            Mistake::new(message).help("leave it out of the name of the file"),
                        )
                    })
                }
            })
            .collect()
    }
}

fn wrong(text: &str, what: &str, help: &str) -> NnError {
    NnError::Argument(Mistake::new(format!("the name `{text}`: {what}")).help(help))
}

impl Field {
    fn parse(inside: &str) -> Option<Self> {
        let (name, spec) = inside.split_once(':').unwrap_or((inside, ""));
        let (spec, form) = match spec.strip_suffix(['d', 'f', 'e']) {
            Some(rest) => (rest, spec.chars().last()),
            None => (spec, None),
        };
        let (width, precision) = match spec.split_once('.') {
            Some((width, precision)) => {
                (width, Some(precision.parse().ok().filter(|&p| p <= WIDEST)?))
            }
            None => (spec, None),
        };
        let zeros = width.starts_with('0');
        let width =
            if width.is_empty() { 0 } else { width.parse().ok().filter(|&w| w <= WIDEST)? };
        let field = Self { name: name.to_owned(), zeros, width, precision, form };
        let integral = form == Some('d');
        (!name.is_empty()
            && !(integral && (name != "epoch" && name != "batch" || precision.is_some())))
        .then_some(field)
    }

    fn format(&self, value: f64) -> String {
        let digits = match (self.form, self.precision) {
            (Some('e'), precision) => exponential(value, precision.unwrap_or(6)),
            (Some('f'), precision) => format!("{value:.*}", precision.unwrap_or(6)),
            (_, Some(precision)) => format!("{value:.precision$}"),
            (_, None) => value.to_string(),
        };
        let missing = self.width.saturating_sub(digits.len());
        let fill = if self.zeros { "0" } else { " " }.repeat(missing);
        match digits.strip_prefix('-').filter(|_| self.zeros) {
            Some(digits) => format!("-{fill}{digits}"),
            None => fill + &digits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(text: &str) -> Result<String, NnError> {
        FileName::parse(text)?.format(|name| match name {
            "epoch" => Some(7.0),
            "val_loss" => Some(0.123_456),
            "change" => Some(-2.5e-7),
            _ => None,
        })
    }

    #[test]
    fn numbers_are_written_as_python_does() {
        for (text, name) in [
            ("plain", "plain"),
            ("", ""),
            ("{epoch}", "7"),
            ("w-{epoch:02d}-{val_loss:.2f}.x", "w-07-0.12.x"),
            ("{epoch:3d}|{epoch:03}|{epoch:d}", "  7|007|7"),
            ("{val_loss}", "0.123456"),
            ("{val_loss:f} {val_loss:08.3f} {val_loss:8.3f}", "0.123456 0000.123    0.123"),
            ("{change:.1e} {change:e} {change:010.1e}", "-2.5e-07 -2.500000e-07 -002.5e-07"),
            ("{{{epoch}}}", "{7}"),
        ] {
            assert_eq!(format(text).ok().as_deref(), Some(name));
        }
    }

    #[test]
    fn mistakes_are_told() {
        let error = |text| format(text).expect_err("a mistake").to_string();
        insta::assert_snapshot!(error("a{epoch"), @"
        the name `a{epoch`: a `{` stands alone
          help: write `{{` or `}}` for a brace
        ");
        insta::assert_snapshot!(error("a}"), @"
        the name `a}`: a `}` stands alone
          help: write `{{` or `}}` for a brace
        ");
        insta::assert_snapshot!(error("{val_loss:d}"), @"
        the name `{val_loss:d}`: `{val_loss:d}` is no field for a number
          help: write {epoch}, {epoch:02d}, {val_loss:.2f} or {loss:.3e}
        ");
        insta::assert_snapshot!(error("{f1:.2f}"), @"
        `f1` was not reported in this epoch
          help: leave it out of the name of the file
        ");
        for text in [
            "{}",
            "{:d}",
            "{epoch:x}",
            "{epoch:.2d}",
            "{loss:9999f}",
            "{loss:.99999999999999999999f}",
            "{loss:-3f}",
            "{é:ä}",
        ] {
            assert!(FileName::parse(text).is_err(), "{text}");
        }
    }
}
