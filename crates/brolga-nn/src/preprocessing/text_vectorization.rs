//! Texts as sequences of numbers, or as vectors.

use std::borrow::Cow;
use std::path::Path;
use std::sync::OnceLock;

use brolga_ir::Mistake;
use ndarray::ArrayD;
use serde::{Deserialize, Serialize};

use super::adapt::Counter;
use super::encode::{Code, Mode, Numbers};
use super::index_lookup::StringLookup;
use super::keys::{IntoKeys, Keys};
use super::tokenize::{Ngrams, Split, Standardize};
use super::{fresh_setters, host};
use crate::error::NnError;
use crate::layers::Base;
use crate::registry::object;

const CLASS: &str = "TextVectorization";

/// Texts as arrays: each is standardized, split into parts, the parts become tokens, alone or with
/// their neighbours, and the tokens indices in a vocabulary.
///
/// | `output_mode` | `x` | `y` |
/// |---|---|---|
/// | `"int"`, the default | `[n]` or `[n, 1]` | `[n, tokens]`: indices, 0 behind the last one of each text |
/// | `"multi_hot"`, `"count"`, `"tf_idf"` | the same | `[n, vocabulary]`, as [`StringLookup`] has it |
///
/// In the mode `"int"` there are as many tokens as the longest text has, or
/// `output_sequence_length`; index 0 is that of the empty token, 1 that of unknown tokens. In
/// vectors index 0 is that of unknown tokens. With `Split::None` a text is one token, and the shape
/// stays as it is.
///
/// It runs on the host, before `fit` or in a [`Dataset`](crate::Dataset).
///
/// Keras:
/// <https://keras.io/api/layers/preprocessing_layers/text/text_vectorization/>, with `encoding`
/// `"utf-8"` alone, and without `sparse`; with `ragged` lists come from
/// [`apply_ragged`](Self::apply_ragged).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TextVectorization {
    #[serde(flatten)]
    base: Base,
    #[serde(default)]
    max_tokens: Option<usize>,
    #[serde(default)]
    standardize: Standardize,
    #[serde(default)]
    split: Split,
    #[serde(default)]
    ngrams: Option<Ngrams>,
    #[serde(default = "int")]
    output_mode: String,
    #[serde(default)]
    output_sequence_length: Option<usize>,
    #[serde(default)]
    pad_to_max_tokens: bool,
    #[serde(default)]
    vocabulary: Option<Vec<String>>,
    #[serde(default)]
    idf_weights: Option<Vec<f64>>,
    #[serde(default)]
    ragged: bool,
    /// The lookup with its vocabulary, when the arguments have been checked.
    #[serde(skip)]
    checked: OnceLock<StringLookup>,
    /// Whether the vocabulary was taken from data.
    #[serde(skip)]
    adapted: bool,
}

object!(TextVectorization);
host!(TextVectorization);

fn int() -> String {
    "int".to_owned()
}

/// The tokens of texts: those of one text after the other, of which there are as many as the shape
/// says.
struct Tokens<'t> {
    shape: Vec<usize>,
    rows: Vec<Vec<Cow<'t, str>>>,
    /// Whether texts may have different numbers of tokens.
    ragged: bool,
}

impl Default for TextVectorization {
    fn default() -> Self {
        Self {
            base: Base::default(),
            max_tokens: None,
            standardize: Standardize::default(),
            split: Split::default(),
            ngrams: None,
            output_mode: int(),
            output_sequence_length: None,
            pad_to_max_tokens: false,
            vocabulary: None,
            idf_weights: None,
            ragged: false,
            checked: OnceLock::new(),
            adapted: false,
        }
    }
}

impl TextVectorization {
    /// A vectorization whose vocabulary is to be set.
    pub fn new() -> Self {
        Self::default()
    }

    fresh_setters! {
        /// The most tokens of the vocabulary, the special ones included; no limit by default.
        max_tokens: opt usize,
        /// What is done to a text first: `"lower_and_strip_punctuation"`, the default, `"lower"`,
        /// `"strip_punctuation"`, `Standardize::None` or a function.
        standardize: into Standardize,
        /// How a text is split: `"whitespace"`, the default, `"character"`, `Split::None` or a
        /// function.
        split: into Split,
        /// How many neighbouring parts make a token: up to a number, or a list of numbers; 1 by
        /// default.
        ngrams: some Ngrams,
        /// `"int"`, the default, `"multi_hot"`, `"count"` or `"tf_idf"`.
        output_mode: into String,
        /// How many indices each text has in the mode `"int"`; what is missing is 0, what is too
        /// much is cut off. As many as the longest text by default.
        output_sequence_length: opt usize,
        /// Whether vectors have `max_tokens` elements, however many tokens there are; false by
        /// default.
        pad_to_max_tokens: bool,
        /// The weight of each token in the mode `"tf_idf"`.
        idf_weights: some Vec<f64>,
        /// Whether each text has as many indices as tokens; false by default.
        ragged: bool,
    }

    /// The vocabulary. It may begin with the special tokens.
    #[must_use]
    pub fn vocabulary(mut self, tokens: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.vocabulary = Some(tokens.into_iter().map(Into::into).collect());
        (self.adapted, self.checked) = (false, OnceLock::new());
        self
    }

    /// The vocabulary in a file, a token a line, without special tokens.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn vocabulary_file(self, path: impl AsRef<Path>) -> Result<Self, NnError> {
        let lookup = StringLookup::new().vocabulary_file(path)?;
        Ok(self.vocabulary(lookup.vocabulary.unwrap_or_default()))
    }

    /// Takes another vocabulary, in the mode `"tf_idf"` with weights.
    ///
    /// # Errors
    /// If the tokens or the weights do not fit the arguments; the vocabulary stays as it was.
    pub fn set_vocabulary(
        &mut self,
        tokens: impl IntoIterator<Item = impl Into<String>>,
        idf_weights: Option<Vec<f64>>,
    ) -> Result<(), NnError> {
        let mut next = self.clone().vocabulary(tokens);
        next.idf_weights = idf_weights;
        next.ready()?;
        *self = next;
        Ok(())
    }

    /// Takes the vocabulary from texts: tokens by how often they occur, the most frequent first,
    /// equally frequent ones in descending order; in the mode `"tf_idf"` with the weights
    /// `ln(1 + texts / (1 + texts with the token))`.
    ///
    /// # Errors
    /// If a vocabulary was given, arguments do not fit together, or the texts have no tokens.
    pub fn adapt<'a>(self, texts: impl IntoKeys<'a, String>) -> Result<Self, NnError> {
        let mut texts: Keys<'_, String> = texts.into_keys();
        if texts.shape.len() == 1 {
            texts.shape.push(1);
        }
        let mut counter = Counter::default();
        self.count(&texts, &mut counter)?;
        self.learn(counter)
    }

    /// As [`TextVectorization::adapt`], of texts that come batch by batch.
    ///
    /// # Errors
    /// As [`TextVectorization::adapt`].
    pub fn adapt_batches<B>(self, batches: impl IntoIterator<Item = B>) -> Result<Self, NnError>
    where
        for<'a> &'a B: IntoKeys<'a, String>,
    {
        let mut counter = Counter::default();
        for batch in batches {
            self.count(&(&batch).into_keys(), &mut counter)?;
        }
        self.learn(counter)
    }

    /// Counts the tokens of texts.
    fn count(
        &self,
        texts: &Keys<'_, String>,
        counter: &mut Counter<String>,
    ) -> Result<(), Mistake> {
        let rows = self.tokens(texts)?.rows;
        rows.iter().for_each(|row| counter.add(row.iter().map(Cow::as_ref)));
        Ok(())
    }

    fn learn(mut self, counter: Counter<String>) -> Result<Self, NnError> {
        self.check_arguments()?;
        let mut lookup = self.lookup();
        if self.adapted {
            (lookup.vocabulary, lookup.idf_weights) = (None, None);
        }
        let lookup = lookup.learn(counter).map_err(own)?;
        self.vocabulary.clone_from(&lookup.vocabulary);
        self.idf_weights.clone_from(&lookup.idf_weights);
        (self.adapted, self.checked) = (true, lookup.into());
        Ok(self)
    }

    /// The lookup with these arguments.
    fn lookup(&self) -> StringLookup {
        StringLookup {
            base: self.base.clone(),
            max_tokens: self.max_tokens,
            mask_token: Some(String::new()),
            vocabulary: self.vocabulary.clone(),
            idf_weights: self.idf_weights.clone(),
            output_mode: self.output_mode.clone(),
            pad_to_max_tokens: self.pad_to_max_tokens,
            ..StringLookup::default()
        }
    }

    fn check_arguments(&self) -> Result<(), Mistake> {
        self.standardize.check()?;
        self.split.check()?;
        self.ngrams.iter().try_for_each(Ngrams::check)?;
        let of_sequences = [
            ("output_sequence_length", self.output_sequence_length.is_some()),
            ("ragged", self.ragged),
        ];
        match of_sequences.iter().find(|(_, set)| *set && self.output_mode != "int") {
            None => Ok(()),
            Some((argument, _)) => {
                let mode = &self.output_mode;
                let message = format!("{CLASS}: {argument} with output_mode \"{mode}\"");
                Err(Mistake::new(message).help("vectors have no sequence: output_mode is \"int\""))
            }
        }
    }

    /// The lookup with its vocabulary, if the arguments fit together.
    fn ready(&self) -> Result<&StringLookup, NnError> {
        self.check_arguments()?;
        if self.checked.get().is_none() {
            let lookup = self.lookup();
            lookup.ready().map_err(|mistake| own(mistake.into()))?;
            // Another thread may have been quicker; both have checked the same.
            let _ = self.checked.set(lookup);
        }
        Ok(self.checked.get().expect("a lookup that was just set"))
    }

    /// The tokens by their indices; without the special ones, if they are not asked for.
    ///
    /// # Errors
    /// If there is no vocabulary, or the arguments do not fit it.
    pub fn get_vocabulary(&self, include_special_tokens: bool) -> Result<Vec<String>, NnError> {
        self.ready()?.get_vocabulary(include_special_tokens).map_err(own)
    }

    /// The number of tokens, the special ones included.
    ///
    /// # Errors
    /// If there is no vocabulary, or the arguments do not fit it.
    pub fn vocabulary_size(&self) -> Result<usize, NnError> {
        self.ready()?.vocabulary_size().map_err(own)
    }

    /// What texts are encoded as; element types are `i64`, `i32` and `f32`.
    ///
    /// # Errors
    /// If there is no vocabulary, arguments do not fit together, `ragged` is set, or texts to be
    /// split lie on several axes.
    pub fn apply<'a, E: Code>(
        &self,
        texts: impl IntoKeys<'a, String>,
    ) -> Result<ArrayD<E>, NnError> {
        let lookup = self.ready()?;
        if self.ragged {
            let message = format!("{CLASS}: ragged texts are no array");
            return Err(Mistake::new(message)
                .help("`apply_ragged` gives a list for each text, `pad_sequences` makes an array of them")
                .into());
        }
        let texts = texts.into_keys();
        let Tokens { mut shape, rows, ragged } = self.tokens(&texts)?;
        let (mode, _) = lookup.ready()?;
        let longest = rows.iter().map(Vec::len).max().unwrap_or(0);
        if mode == Mode::OneHot && ragged {
            let message = format!("{CLASS}: output_mode \"one_hot\" of texts that are split");
            return Err(Mistake::new(message)
                .help("use \"multi_hot\", or leave the texts as they are: Split::None")
                .into());
        }
        let length = self.output_sequence_length.unwrap_or(longest);
        let count = rows.len().saturating_mul(length);
        let too_large = |reason: brolga_memory::NotGranted| {
            let message = format!(
                "{CLASS}: {} texts of {length} tokens do not fit into memory: {reason}",
                rows.len()
            );
            Mistake::new(message)
                .help("encode fewer texts, or give a smaller output_sequence_length")
        };
        let mut elements = brolga_memory::with_capacity(count).map_err(too_large)?;
        for row in &rows {
            let row = &row[..row.len().min(length)];
            for token in row {
                elements.push(lookup.number(mode, token).unwrap_or_default());
            }
            // What is behind the last token is the empty one: index 0, and counts nowhere.
            let rest = if mode == Mode::Int { Some(0) } else { None };
            elements.extend(std::iter::repeat_n(rest, length - row.len()));
        }
        shape.push(length);
        lookup.encode(Numbers { shape, elements }).map_err(|mistake| own(mistake.into()))
    }

    /// The indices of the tokens of each text, at most `output_sequence_length`, in the mode
    /// `"int"`.
    ///
    /// # Errors
    /// If `ragged` is not set, or as [`TextVectorization::apply`].
    pub fn apply_ragged<'a, E: Code>(
        &self,
        texts: impl IntoKeys<'a, String>,
    ) -> Result<Vec<Vec<E>>, NnError> {
        let lookup = self.ready()?;
        if !self.ragged {
            let message = format!("{CLASS}: apply_ragged: ragged is not set");
            return Err(Mistake::new(message).help("set it: .ragged(true)").into());
        }
        let texts = texts.into_keys();
        let Tokens { rows, .. } = self.tokens(&texts)?;
        let (mode, _) = lookup.ready()?;
        let length = self.output_sequence_length.unwrap_or(usize::MAX);
        let list = |row: Vec<Cow<'_, str>>| {
            let elements: Vec<Option<i64>> = row
                .iter()
                .take(length)
                .map(|token| lookup.number(mode, token).unwrap_or_default())
                .collect();
            let numbers = Numbers { shape: vec![elements.len()], elements };
            Ok(lookup.encode(numbers)?.into_raw_vec_and_offset().0)
        };
        rows.into_iter().map(list).collect()
    }

    /// The tokens of texts.
    fn tokens<'t>(&self, texts: &'t Keys<'_, String>) -> Result<Tokens<'t>, Mistake> {
        let standardized: Vec<Cow<'t, str>> =
            texts.elements.iter().map(|text| self.standardize.of(text)).collect();
        let mut shape = texts.shape.clone();
        let ragged = !matches!(self.split, Split::None);
        let mut rows: Vec<Vec<Cow<'t, str>>> = if ragged {
            if shape.len() > 1 && shape.pop() != Some(1) {
                let message =
                    format!("{CLASS} splits texts (n) or (n, 1), given shape {:?}", texts.shape);
                return Err(Mistake::new(message)
                    .help("give an array of one axis, or texts that are not split: Split::None"));
            }
            let split = |text: Cow<'_, str>| self.split.of(&text).into_iter().map(Cow::Owned);
            standardized.into_iter().map(|text| split(text).collect()).collect()
        } else {
            let width = shape.pop().unwrap_or(1);
            let mut texts = standardized.into_iter();
            let count = shape.iter().product();
            (0..count).map(|_| texts.by_ref().take(width).collect()).collect()
        };
        if let Some(ngrams) = &self.ngrams {
            rows = rows.iter().map(|row| ngrams.of(row)).collect();
        }
        Ok(Tokens { shape, rows, ragged })
    }
}

/// The same error with the name of this class.
fn own(error: NnError) -> NnError {
    match error {
        NnError::Argument(mistake) => {
            let message = mistake.message.replacen("StringLookup", CLASS, 1);
            Mistake { message, ..mistake }.into()
        }
        other => other,
    }
}
