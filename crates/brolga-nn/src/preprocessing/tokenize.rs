//! From texts to tokens.

use std::borrow::Cow;
use std::sync::Arc;

use brolga_ir::Mistake;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::registry::Closure;

/// A change of a text.
type OfText = dyn Fn(&str) -> String + Send + Sync;

/// The parts of a text.
type Parts = dyn Fn(&str) -> Vec<String> + Send + Sync;

/// What is done to a text before it is split.
#[derive(Debug, Clone, Default)]
pub enum Standardize {
    /// Nothing.
    None,
    /// The letters A to Z become a to z, and the punctuation of ASCII is removed.
    #[default]
    LowerAndStripPunctuation,
    /// The letters A to Z become a to z.
    Lower,
    /// The punctuation of ASCII is removed.
    StripPunctuation,
    /// A function of the user's own.
    Function(Closure<OfText>),
    /// Another word, which is an error when it is used.
    Unknown(String),
}

/// How a text is split.
#[derive(Debug, Clone, Default)]
pub enum Split {
    /// Not at all.
    None,
    /// At the white space of ASCII.
    #[default]
    Whitespace,
    /// Into characters.
    Character,
    /// By a function of the user's own.
    Function(Closure<Parts>),
    /// Another word, which is an error when it is used.
    Unknown(String),
}

/// How many neighbouring parts of a text a token consists of: up to a number, or some numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Ngrams {
    /// One, two, up to so many.
    UpTo(usize),
    /// So many, in this order.
    Each(Vec<usize>),
}

impl From<usize> for Ngrams {
    fn from(most: usize) -> Self {
        Self::UpTo(most)
    }
}

impl<const N: usize> From<[usize; N]> for Ngrams {
    fn from(widths: [usize; N]) -> Self {
        Self::Each(widths.into())
    }
}

impl From<Vec<usize>> for Ngrams {
    fn from(widths: Vec<usize>) -> Self {
        Self::Each(widths)
    }
}

impl Ngrams {
    /// Fails if a width is 0, or there is none.
    pub(crate) fn check(&self) -> Result<(), Mistake> {
        let given = match self {
            Self::UpTo(0) => "0".to_owned(),
            Self::Each(widths) if widths.is_empty() || widths.contains(&0) => format!("{widths:?}"),
            _ => return Ok(()),
        };
        Err(Mistake::new(format!("TextVectorization: ngrams is {given}"))
            .help("a token consists of at least one part: give whole numbers from 1 on"))
    }

    /// All tokens of one width, then those of the next one; parts are joined by a space.
    pub(crate) fn of(&self, parts: &[Cow<'_, str>]) -> Vec<Cow<'static, str>> {
        let of_width =
            |width: usize| parts.windows(width.max(1)).map(|ngram| ngram.join(" ").into());
        match self {
            Self::UpTo(most) => (1..=(*most).min(parts.len())).flat_map(of_width).collect(),
            Self::Each(widths) => widths.iter().copied().flat_map(of_width).collect(),
        }
    }
}

impl Standardize {
    /// A function of the user's own.
    pub fn function(function: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self::Function(Closure::new(Arc::new(function)))
    }

    /// Fails if there is no such standardization.
    pub(crate) fn check(&self) -> Result<(), Mistake> {
        let Self::Unknown(word) = self else { return Ok(()) };
        let message = format!("TextVectorization: there is no standardize `{word}`");
        Err(Mistake::new(message).help(
            "there are lower_and_strip_punctuation, lower, strip_punctuation, `Standardize::None` and \
             `Standardize::function(|text| ..)`",
        ))
    }

    /// The text after it.
    pub(crate) fn of<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let strip = |text: &str| text.replace(|c: char| c.is_ascii_punctuation(), "");
        match self {
            Self::LowerAndStripPunctuation => strip(text).to_ascii_lowercase().into(),
            Self::Lower => text.to_ascii_lowercase().into(),
            Self::StripPunctuation => strip(text).into(),
            Self::Function(function) => function(text).into(),
            Self::None | Self::Unknown(_) => text.into(),
        }
    }

    fn word(&self) -> Option<&str> {
        match self {
            Self::None | Self::Function(_) => None,
            Self::LowerAndStripPunctuation => Some("lower_and_strip_punctuation"),
            Self::Lower => Some("lower"),
            Self::StripPunctuation => Some("strip_punctuation"),
            Self::Unknown(word) => Some(word),
        }
    }
}

impl From<&str> for Standardize {
    fn from(word: &str) -> Self {
        match word {
            "lower_and_strip_punctuation" => Self::LowerAndStripPunctuation,
            "lower" => Self::Lower,
            "strip_punctuation" => Self::StripPunctuation,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

impl Split {
    /// A function of the user's own.
    pub fn function(function: impl Fn(&str) -> Vec<String> + Send + Sync + 'static) -> Self {
        Self::Function(Closure::new(Arc::new(function)))
    }

    /// Fails if there is no such way to split.
    pub(crate) fn check(&self) -> Result<(), Mistake> {
        let Self::Unknown(word) = self else { return Ok(()) };
        let message = format!("TextVectorization: there is no split `{word}`");
        Err(Mistake::new(message).help(
            "there are whitespace, character, `Split::None` and `Split::function(|text| ..)`",
        ))
    }

    /// The parts of a text.
    pub(crate) fn of(&self, text: &str) -> Vec<String> {
        match self {
            Self::Whitespace => {
                let parts = text.split(|c: char| matches!(c, ' ' | '\t'..='\r'));
                parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
            }
            Self::Character => text.chars().map(String::from).collect(),
            Self::Function(function) => function(text),
            Self::None | Self::Unknown(_) => vec![text.to_owned()],
        }
    }

    fn word(&self) -> Option<&str> {
        match self {
            Self::None | Self::Function(_) => None,
            Self::Whitespace => Some("whitespace"),
            Self::Character => Some("character"),
            Self::Unknown(word) => Some(word),
        }
    }
}

impl From<&str> for Split {
    fn from(word: &str) -> Self {
        match word {
            "whitespace" => Self::Whitespace,
            "character" => Self::Character,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

/// Words in configs: null for nothing, and an error for a function.
macro_rules! word {
    ($type:ident) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    Self::Function(function) => function.serialize(serializer),
                    _ => self.word().serialize(serializer),
                }
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = Option::<String>::deserialize(deserializer)?;
                Ok(word.map_or(Self::None, |word| Self::from(&*word)))
            }
        }
    };
}

word!(Standardize);
word!(Split);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_standardized_as_tensorflow_does() {
        let of = |word: &str, text: &str| Standardize::from(word).of(text).into_owned();
        assert_eq!(of("lower_and_strip_punctuation", "It's ÄÖ, A_b-C!"), "its ÄÖ abc");
        assert_eq!(of("lower", "It's ÄÖ!"), "it's ÄÖ!");
        assert_eq!(of("strip_punctuation", "A.B «c»"), "AB «c»");
        assert_eq!(Standardize::None.of(" A! "), " A! ");
        assert_eq!(Standardize::function(|text| text.replace('a', "b")).of("aha"), "bhb");
    }

    #[test]
    fn texts_are_split_at_the_white_space_of_ascii() {
        let split = Split::from("whitespace");
        assert_eq!(split.of(" a\tb\u{b}c\u{a0}d \n"), ["a", "b", "c\u{a0}d"]);
        assert_eq!(split.of("  "), Vec::<String>::new());
        assert_eq!(Split::from("character").of("aß "), ["a", "ß", " "]);
        assert_eq!(Split::None.of("a b"), ["a b"]);
    }

    #[test]
    fn ngrams_come_width_by_width() {
        let parts = ["a", "b", "c"].map(Cow::Borrowed);
        assert_eq!(Ngrams::from(2).of(&parts), ["a", "b", "c", "a b", "b c"]);
        assert_eq!(Ngrams::from([3, 1]).of(&parts), ["a b c", "a", "b", "c"]);
        assert_eq!(Ngrams::from([4]).of(&parts), Vec::<String>::new());
    }
}
