//! The language of checks: `fused(conv2d, relu)`, `nodes(backward) <= 40`, `not peak < 4MiB`.

use std::fmt;

use brolga_ir::spelling::nearest;
use brolga_memory::bytes;

use crate::error::CliError;

/// What must hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Check {
    Not(Box<Check>),
    Fused(Vec<String>),
    Compare(Comparison),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Comparison {
    pub(super) quantity: Quantity,
    pub(super) relation: Relation,
    pub(super) number: u64,
}

/// A quantity, all of it or that of a role, a layer, an op or a pass.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Quantity {
    pub(super) metric: Metric,
    pub(super) of: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metric {
    Nodes,
    Kernels,
    Flops,
    Bytes,
    Rewrites,
    Arena,
    States,
    Code,
}

const METRICS: [(&str, Metric); 9] = [
    ("nodes", Metric::Nodes),
    ("kernels", Metric::Kernels),
    ("flops", Metric::Flops),
    ("bytes", Metric::Bytes),
    ("rewrites", Metric::Rewrites),
    ("arena", Metric::Arena),
    ("peak", Metric::Arena),
    ("states", Metric::States),
    ("code", Metric::Code),
];

impl Metric {
    /// A value in the unit that suits it.
    pub(super) fn shown(self, value: u64) -> String {
        match self {
            Self::Nodes | Self::Kernels | Self::Rewrites | Self::Flops => value.to_string(),
            Self::Bytes | Self::Arena | Self::States | Self::Code => {
                let text = bytes(usize::try_from(value).unwrap_or(usize::MAX));
                if value < 1024 { text } else { format!("{text} ({value} bytes)") }
            }
        }
    }

    /// Whether it can be that of a part.
    fn has_parts(self) -> bool {
        !matches!(self, Self::Arena | Self::States | Self::Code)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = METRICS.iter().find(|(_, metric)| *metric == self.metric);
        f.write_str(name.map_or("", |(name, _)| name))?;
        self.of.as_ref().map_or(Ok(()), |of| write!(f, "({of})"))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Less,
    AtMost,
    Equal,
    Not,
    AtLeast,
    More,
}

/// The longer ones first.
const RELATIONS: [(&str, Relation); 6] = [
    ("<=", Relation::AtMost),
    (">=", Relation::AtLeast),
    ("==", Relation::Equal),
    ("!=", Relation::Not),
    ("<", Relation::Less),
    (">", Relation::More),
];

impl Relation {
    pub(super) fn holds(self, a: u64, b: u64) -> bool {
        match self {
            Self::Less => a < b,
            Self::AtMost => a <= b,
            Self::Equal => a == b,
            Self::Not => a != b,
            Self::AtLeast => a >= b,
            Self::More => a > b,
        }
    }
}

impl Check {
    /// Whether it asks for what only compiled code has.
    pub(super) fn needs_code(&self) -> bool {
        match self {
            Self::Not(inner) => inner.needs_code(),
            Self::Fused(_) => false,
            Self::Compare(comparison) => !comparison.quantity.metric.has_parts(),
        }
    }

    /// Reads a check.
    pub(super) fn parse(text: &str) -> Result<Self, CliError> {
        let mut words = text.trim_start();
        let mut negated = false;
        while let Some(rest) = words.strip_prefix("not ") {
            (negated, words) = (!negated, rest.trim_start());
        }
        let mut reader = Reader { text, rest: words };
        let check = reader.check()?;
        reader.space();
        if !reader.rest.is_empty() {
            return Err(reader.error("expected the end of the check"));
        }
        Ok(if negated { Self::Not(Box::new(check)) } else { check })
    }
}

struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// The error that something else was expected here.
    fn error(&self, expected: &str) -> CliError {
        let column = self.text[..self.text.len() - self.rest.len()].chars().count();
        let message = format!("check: {expected}\n  | {}\n  | {}^", self.text, " ".repeat(column));
        CliError::argument(
            message,
            "such as fused(conv2d, relu), peak < 4MiB, nodes(backward) <= 40",
        )
    }

    fn word(&mut self) -> Result<&'a str, CliError> {
        self.space();
        let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '/' | '.' | '-');
        let end = self.rest.find(|c| !part(c)).unwrap_or(self.rest.len());
        if end == 0 {
            return Err(self.error("expected a name"));
        }
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(word)
    }

    fn eat(&mut self, token: &str) -> bool {
        self.space();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn check(&mut self) -> Result<Check, CliError> {
        self.space();
        let start = self.rest;
        let word = self.word()?;
        if word == "fused" {
            return self.names().map(Check::Fused);
        }
        let Some((_, metric)) = METRICS.iter().find(|(name, _)| *name == word) else {
            self.rest = start;
            let names: Vec<&str> = METRICS.iter().map(|(name, _)| *name).collect();
            let guess = nearest(word, names.iter().copied().chain(["fused"]));
            let guess = guess.map(|guess| format!("; did you mean `{guess}`?"));
            let names = names.join(", ");
            let guess = guess.unwrap_or_default();
            return Err(
                self.error(&format!("`{word}` is neither `fused` nor one of {names}{guess}"))
            );
        };
        let of = if self.eat("(") {
            if !metric.has_parts() {
                return Err(self.error(&format!("`{word}` is that of the whole program")));
            }
            let of = self.word()?.to_owned();
            self.expect(")")?;
            Some(of)
        } else {
            None
        };
        let relation = RELATIONS.iter().find(|(token, _)| self.eat(token));
        let Some((_, relation)) = relation else {
            return Err(self.error("expected <, <=, ==, !=, >= or >"));
        };
        let number = self.number()?;
        let quantity = Quantity { metric: *metric, of };
        Ok(Check::Compare(Comparison { quantity, relation: *relation, number }))
    }

    fn expect(&mut self, token: &str) -> Result<(), CliError> {
        if self.eat(token) { Ok(()) } else { Err(self.error(&format!("expected `{token}`"))) }
    }

    /// `(a, b)`.
    fn names(&mut self) -> Result<Vec<String>, CliError> {
        self.expect("(")?;
        let mut names = vec![self.word()?.to_owned()];
        while self.eat(",") {
            names.push(self.word()?.to_owned());
        }
        self.expect(")")?;
        Ok(names)
    }

    /// `40`, `4MiB`, `1.5 G`.
    fn number(&mut self) -> Result<u64, CliError> {
        self.space();
        let end = self.rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (digits, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        let Ok(value) = digits.parse::<f64>() else {
            return Err(self.error("expected a number"));
        };
        self.rest = rest;
        self.space();
        let units = [
            ("KiB", 1_u64 << 10),
            ("MiB", 1 << 20),
            ("GiB", 1 << 30),
            ("kB", 1000),
            ("MB", 1_000_000),
            ("GB", 1_000_000_000),
            ("k", 1000),
            ("M", 1_000_000),
            ("G", 1_000_000_000),
            ("B", 1),
        ];
        let unit = units.iter().find(|(unit, _)| self.eat(unit)).map_or(1, |(_, factor)| *factor);
        // Beyond 2⁵³ the nearest whole number is taken, beyond 2⁶⁴ the greatest.
        Ok((value * unit as f64).round() as u64)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by a panic")]
mod tests {
    use super::*;

    #[test]
    fn checks_are_read() {
        let compare = |text: &str| match Check::parse(text).unwrap() {
            Check::Compare(Comparison { quantity, relation, number }) => {
                (quantity.to_string(), relation, number)
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(compare("peak < 4MiB"), ("arena".to_owned(), Relation::Less, 4 << 20));
        assert_eq!(compare(" nodes(backward)<=40 ").2, 40);
        assert_eq!(compare("flops(dense) >= 1.5 G").2, 1_500_000_000);
        let names = ["conv2d", "relu"].map(str::to_owned).to_vec();
        assert_eq!(Check::parse("fused(conv2d,relu)").unwrap(), Check::Fused(names.clone()));
        let negated = Check::Not(Box::new(Check::Fused(names)));
        assert_eq!(Check::parse("not fused( conv2d , relu )").unwrap(), negated);
    }
}
