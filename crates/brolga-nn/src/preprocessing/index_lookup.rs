//! Indices of tokens in a vocabulary.

use std::borrow::Cow;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use brolga_ir::Mistake;
use ndarray::ArrayD;
use serde::{Deserialize, Deserializer, Serialize};

use super::adapt::Counter;
use super::encode::{Code, Encoding, Mode, Numbers};
use super::farmhash::fingerprint64;
use super::keys::{IntoKeys, Keys, Token, place};
use super::vocabulary::Vocabulary;
use super::{fresh_setters, host};
use crate::data::IntoData;
use crate::error::NnError;
use crate::layers::Base;
use crate::registry::object;

/// [`StringLookup`] and [`IntegerLookup`](crate::layers::IntegerLookup): indices of tokens in a
/// vocabulary.
///
/// ```
/// use brolga_nn::preprocessing::StringLookup;
///
/// let lookup = StringLookup::new().vocabulary(["cat", "dog"]);
/// let indices = lookup.apply::<i32>(&["dog", "cow"])?;
/// assert_eq!(indices, ndarray::arr1(&[2, 0]).into_dyn());
/// # Ok::<(), brolga_nn::NnError>(())
/// ```
///
/// Indices begin with that of `mask_token`, if there is one and `output_mode` is `"int"`; then come
/// `num_oov_indices` for tokens that are not in the vocabulary, then the vocabulary.
///
/// | `output_mode` | `x` | `y` |
/// |---|---|---|
/// | `"int"`, the default | `[..]` | `[..]`: the index of each token |
/// | `"one_hot"` | `[..]` | `[.., tokens]`: 1 at the index; a last extent of 1 is dropped first |
/// | `"multi_hot"` | `[.., n]` | `[.., tokens]`: 1 at the index of each of the n tokens |
/// | `"count"` | `[.., n]` | `[.., tokens]`: how often each of them occurs |
/// | `"tf_idf"` | `[.., n]` | the same times the weight of the token |
///
/// Masks count nowhere but in `"int"`. An unknown token has one of the `num_oov_indices`: texts by
/// their hash (FarmHash64, with `salt` SipHash-2-4), numbers by their remainder, or by the hash of
/// their digits with `oov_method` `"farmhash"`. With `num_oov_indices` 0 it is an error.
///
/// Strings are not elements of graphs: a lookup of them runs on the host, before `fit` or in a
/// [`Dataset`](crate::Dataset).
///
/// Keras: <https://keras.io/api/layers/preprocessing_layers/categorical/>
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct IndexLookup<T: Token> {
    #[serde(flatten)]
    pub(crate) base: Base,
    #[serde(default)]
    pub(crate) max_tokens: Option<usize>,
    #[serde(default = "one")]
    pub(crate) num_oov_indices: usize,
    #[serde(default = "none")]
    pub(crate) mask_token: Option<T>,
    #[serde(default = "T::oov")]
    pub(crate) oov_token: T,
    #[serde(default = "none")]
    pub(crate) vocabulary: Option<Vec<T>>,
    #[serde(default)]
    pub(crate) idf_weights: Option<Vec<f64>>,
    #[serde(default)]
    pub(crate) invert: bool,
    #[serde(default = "int")]
    pub(crate) output_mode: String,
    #[serde(default)]
    pub(crate) pad_to_max_tokens: bool,
    #[serde(default = "floormod")]
    pub(crate) oov_method: String,
    #[serde(default)]
    pub(crate) salt: Option<Salt>,
    /// Whether the vocabulary was taken from data.
    #[serde(skip)]
    pub(crate) adapted: bool,
    #[serde(skip)]
    pub(crate) checked: OnceLock<Arc<Vocabulary<T>>>,
}

/// Indices of texts in a vocabulary.
///
/// See [`IndexLookup`]. Keras:
/// <https://keras.io/api/layers/preprocessing_layers/categorical/string_lookup/>
pub type StringLookup = IndexLookup<String>;

object!(StringLookup);
host!(StringLookup);

/// The key of a hash: two numbers, or one for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Salt(pub [i64; 2]);

impl From<i64> for Salt {
    fn from(both: i64) -> Self {
        Self([both; 2])
    }
}

impl From<[i64; 2]> for Salt {
    fn from(key: [i64; 2]) -> Self {
        Self(key)
    }
}

impl<'de> Deserialize<'de> for Salt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            One(i64),
            Two([i64; 2]),
        }
        match Form::deserialize(deserializer) {
            Ok(Form::One(both)) => Ok(both.into()),
            Ok(Form::Two(key)) => Ok(key.into()),
            Err(_) => Err(serde::de::Error::custom("expected a whole number or a list of two")),
        }
    }
}

/// The bucket of a text: its hash modulo the number of buckets, FarmHash64, or with a salt
/// SipHash-2-4.
pub(crate) fn bucket(text: &str, salt: Option<Salt>, buckets: u64) -> i64 {
    let hash = match salt {
        None => fingerprint64(text.as_bytes()),
        Some(Salt([first, second])) => {
            let hasher = siphasher::sip::SipHasher24::new_with_keys(first as u64, second as u64);
            hasher.hash(text.as_bytes())
        }
    };
    (hash % buckets.max(1)) as i64
}

fn one() -> usize {
    1
}

fn none<T>() -> Option<T> {
    None
}

fn int() -> String {
    "int".to_owned()
}

fn floormod() -> String {
    "floormod".to_owned()
}

/// The most indices for unknown tokens: as many as `f32` can tell apart.
const MOST_OOV_INDICES: usize = 1 << f32::MANTISSA_DIGITS;

const MODES: [Mode; 5] = [Mode::Int, Mode::OneHot, Mode::MultiHot, Mode::Count, Mode::TfIdf];

impl<T: Token> Default for IndexLookup<T> {
    fn default() -> Self {
        Self {
            base: Base::default(),
            max_tokens: None,
            num_oov_indices: 1,
            mask_token: None,
            oov_token: T::oov(),
            vocabulary: None,
            idf_weights: None,
            invert: false,
            output_mode: int(),
            pad_to_max_tokens: false,
            oov_method: floormod(),
            salt: None,
            adapted: false,
            checked: OnceLock::new(),
        }
    }
}

impl<T: Token> IndexLookup<T> {
    /// A lookup whose vocabulary is to be set.
    pub fn new() -> Self {
        Self::default()
    }

    fresh_setters! {
        /// The most tokens of a vocabulary, the special ones included; no limit by default.
        max_tokens: opt usize,
        /// How many indices there are for unknown tokens; 1 by default, 0 makes them an error.
        num_oov_indices: usize,
        /// The token that stands for nothing; none by default.
        mask_token: some T,
        /// The token of unknown indices with `invert`; `"[UNK]"` or −1 by default.
        oov_token: into T,
        /// The weight of each token in the mode `"tf_idf"`.
        idf_weights: some Vec<f64>,
        /// Whether indices become tokens; false by default.
        invert: bool,
        /// `"int"`, the default, `"one_hot"`, `"multi_hot"`, `"count"` or `"tf_idf"`.
        output_mode: into String,
        /// Whether vectors have `max_tokens` elements, however many tokens there are; false by
        /// default.
        pad_to_max_tokens: bool,
        /// How unknown numbers are distributed over several indices: `"floormod"`, the default, or
        /// `"farmhash"`.
        oov_method: into String,
        /// The key of the hash that distributes unknown tokens over several indices; none by
        /// default.
        salt: some Salt,
    }

    /// The vocabulary. It may begin with the special tokens, all of them in the order of their
    /// indices.
    #[must_use]
    pub fn vocabulary(mut self, tokens: impl IntoIterator<Item = impl Into<T>>) -> Self {
        self.vocabulary = Some(tokens.into_iter().map(Into::into).collect());
        (self.adapted, self.checked) = (false, OnceLock::new());
        self
    }

    /// The vocabulary in a file, a token a line, without special tokens.
    ///
    /// # Errors
    /// If the file cannot be read, or a line is no token.
    pub fn vocabulary_file(self, path: impl AsRef<Path>) -> Result<Self, NnError> {
        let path = path.as_ref();
        let io = |source| NnError::Io { path: path.to_owned(), source };
        let text = brolga_memory::read(path).map_err(io)?;
        let file = |message: String, help: &'static str| NnError::File {
            path: path.to_owned(),
            message,
            help,
        };
        let text = String::from_utf8(text).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            file(format!("byte {at} is not UTF-8"), "save the vocabulary as UTF-8")
        })?;
        let parsed = text.lines().enumerate().map(|(number, line)| {
            T::parse(line).ok_or_else(|| {
                let message = format!("line {}: {line:?} is no whole number", number + 1);
                file(message, "each line holds one token of the vocabulary")
            })
        });
        let tokens = parsed.collect::<Result<Vec<T>, _>>()?;
        Ok(self.vocabulary(tokens))
    }

    /// Takes another vocabulary, in the mode `"tf_idf"` with weights.
    ///
    /// # Errors
    /// If the tokens or the weights do not fit the arguments; the vocabulary stays as it was.
    pub fn set_vocabulary(
        &mut self,
        tokens: impl IntoIterator<Item = impl Into<T>>,
        idf_weights: Option<Vec<f64>>,
    ) -> Result<(), NnError> {
        let mut next = self.clone().vocabulary(tokens);
        next.idf_weights = idf_weights;
        next.ready()?;
        *self = next;
        Ok(())
    }

    /// Takes the vocabulary from data: tokens by how often they occur, the most frequent first,
    /// equally frequent ones in descending order; in the mode `"tf_idf"` with the weights
    /// `ln(1 + documents / (1 + documents with the token))`. A document is a place on the first
    /// axis.
    ///
    /// # Errors
    /// If a vocabulary was given, or arguments do not fit together.
    pub fn adapt<'a>(self, data: impl IntoKeys<'a, T>) -> Result<Self, NnError> {
        let keys: Keys<'_, T> = data.into_keys();
        let mut counter = Counter::default();
        keys.rows().for_each(|row| counter.add(row.iter().map(Cow::as_ref)));
        self.learn(counter)
    }

    /// As [`IndexLookup::adapt`], of data that come batch by batch; a batch of one axis is one
    /// document.
    ///
    /// # Errors
    /// As [`IndexLookup::adapt`].
    pub fn adapt_batches<B>(self, batches: impl IntoIterator<Item = B>) -> Result<Self, NnError>
    where
        for<'a> &'a B: IntoKeys<'a, T>,
    {
        let mut counter = Counter::default();
        for batch in batches {
            let keys: Keys<'_, T> = (&batch).into_keys();
            if keys.shape.len() < 2 {
                counter.add(keys.elements.iter().map(Cow::as_ref));
            } else {
                keys.rows().for_each(|row| counter.add(row.iter().map(Cow::as_ref)));
            }
        }
        self.learn(counter)
    }

    /// The same with the vocabulary of these counts.
    pub(crate) fn learn(mut self, counter: Counter<T>) -> Result<Self, NnError> {
        let mode = self.check_arguments()?;
        if self.vocabulary.is_some() && !self.adapted {
            let message = format!("{}: adapt: a vocabulary was given", T::CLASS);
            return Err(Mistake::new(message)
                .help("leave either out: a vocabulary is given, or taken from data")
                .into());
        }
        let special = self.mask_token.iter().chain([&self.oov_token]);
        let most = self.max_tokens.map(|most| most.saturating_sub(self.first_token(mode)));
        let learned = counter.vocabulary(special, most.unwrap_or(usize::MAX));
        let Some((tokens, weights)) = learned else {
            let message = format!("{}: adapt: the data hold no token", T::CLASS);
            return Err(Mistake::new(message).help("give data with tokens in them").into());
        };
        self.vocabulary = Some(tokens);
        self.idf_weights = (mode == Mode::TfIdf).then_some(weights);
        (self.adapted, self.checked) = (true, OnceLock::new());
        self.ready()?;
        Ok(self)
    }

    /// The mode, if the arguments fit together.
    fn check_arguments(&self) -> Result<Mode, Mistake> {
        let class = T::CLASS;
        let mode = Mode::of(class, &self.output_mode, &MODES)?;
        if self.max_tokens.is_some_and(|most| most < 2) {
            let message = format!("{class}: max_tokens is {}", self.max_tokens.unwrap_or(0));
            return Err(Mistake::new(message).help("it must be a whole number from 2 on"));
        }
        if self.num_oov_indices > MOST_OOV_INDICES {
            let message = format!("{class}: num_oov_indices is {}", self.num_oov_indices);
            let help = format!("it must be a whole number up to {MOST_OOV_INDICES}");
            return Err(Mistake::new(message).help(help));
        }
        if self.pad_to_max_tokens && self.max_tokens.is_none() {
            let message = format!("{class}: pad_to_max_tokens without max_tokens");
            return Err(
                Mistake::new(message).help("say how many elements vectors have: max_tokens")
            );
        }
        if self.invert && mode != Mode::Int {
            let message = format!("{class}: invert with output_mode \"{}\"", mode.name());
            return Err(Mistake::new(message).help("indices become tokens: output_mode is \"int\""));
        }
        if self.idf_weights.is_some() && mode != Mode::TfIdf {
            let message = format!("{class}: idf_weights with output_mode \"{}\"", mode.name());
            return Err(Mistake::new(message).help("weights belong to output_mode \"tf_idf\""));
        }
        match self.oov_method.as_str() {
            "floormod" if self.salt.is_some() && T::NUMBERS => {
                let message = format!("{class}: salt with oov_method \"floormod\"");
                Err(Mistake::new(message)
                    .help("remainders have no salt: oov_method is \"farmhash\""))
            }
            "floormod" | "farmhash" => Ok(mode),
            other => Err(Mistake::new(format!("{class}: there is no oov_method `{other}`"))
                .help("there are floormod, farmhash")),
        }
    }

    /// The mode and the vocabulary, if the arguments fit together.
    pub(crate) fn ready(&self) -> Result<(Mode, &Vocabulary<T>), Mistake> {
        let mode = self.check_arguments()?;
        if self.checked.get().is_none() {
            let vocabulary = Arc::new(self.check_vocabulary(mode)?);
            // Another thread may have been quicker; both have checked the same.
            let _ = self.checked.set(vocabulary);
        }
        let vocabulary = self.checked.get().map(Arc::as_ref);
        Ok((mode, vocabulary.expect("a vocabulary that was just set")))
    }

    /// The tokens by their indices; without the special ones, if they are not asked for.
    ///
    /// # Errors
    /// If there is no vocabulary, or the arguments do not fit it.
    pub fn get_vocabulary(&self, include_special_tokens: bool) -> Result<Vec<T>, NnError> {
        let (mode, vocabulary) = self.ready()?;
        let special = if include_special_tokens { self.special_tokens(mode) } else { vec![] };
        Ok(special.into_iter().chain(vocabulary.tokens.iter().cloned()).collect())
    }

    /// The number of tokens, the special ones included.
    ///
    /// # Errors
    /// If there is no vocabulary, or the arguments do not fit it.
    pub fn vocabulary_size(&self) -> Result<usize, NnError> {
        let (mode, vocabulary) = self.ready()?;
        Ok(self.first_token(mode) + vocabulary.tokens.len())
    }

    /// What an array of tokens is encoded as; element types are `i64`, `i32` and `f32`.
    ///
    /// # Errors
    /// If there is no vocabulary, arguments do not fit together, a token is not in the vocabulary
    /// and there is no index for unknown ones, or the element type does not hold a result.
    pub fn apply<'a, E: Code>(&self, x: impl IntoKeys<'a, T>) -> Result<ArrayD<E>, NnError> {
        let keys: Keys<'_, T> = x.into_keys();
        let (mode, _) = self.ready()?;
        if self.invert {
            let message = format!("{}: tokens were given, invert takes indices", T::CLASS);
            return Err(Mistake::new(message).help("call `tokens`, or leave invert out").into());
        }
        let numbers = keys.elements.iter().enumerate().map(|(element, key)| {
            self.number(mode, key)
                .map_err(|mistake| self.unknown(mistake, key, &keys.place(element)))
        });
        let elements = numbers.collect::<Result<_, _>>()?;
        Ok(self.encode(Numbers { shape: keys.shape, elements })?)
    }

    /// The array of these indices.
    pub(crate) fn encode<E: Code>(&self, numbers: Numbers) -> Result<ArrayD<E>, Mistake> {
        let (mode, vocabulary) = self.ready()?;
        let depth = match self.max_tokens {
            Some(most) if self.pad_to_max_tokens => most,
            _ => self.first_token(mode) + vocabulary.tokens.len(),
        };
        Encoding { class: T::CLASS, mode, depth, weights: &vocabulary.weights }.of(numbers)
    }

    /// The index of a token; none if it counts nowhere.
    ///
    /// # Errors
    /// If it is unknown, and there is no index for it.
    pub(crate) fn number(&self, mode: Mode, key: &T::Key) -> Result<Option<i64>, Unknown> {
        if self.mask_token.as_ref().is_some_and(|mask| mask.borrow() == key) {
            return Ok((mode == Mode::Int).then_some(0));
        }
        let known = self.checked.get().and_then(|vocabulary| vocabulary.indices.get(key));
        if let Some(&index) = known {
            return Ok(Some(index as i64));
        }
        let first = self.first_oov(mode) as i64;
        let bucket = match (self.num_oov_indices, T::number(key)) {
            (0, _) => return Err(Unknown),
            (1, _) => 0,
            (count, Some(number)) if self.oov_method == "floormod" => {
                number.rem_euclid(i64::try_from(count).unwrap_or(i64::MAX))
            }
            (count, _) => bucket(&T::text(key), self.salt, count as u64),
        };
        Ok(Some(first + bucket))
    }

    fn unknown(&self, _: Unknown, key: &T::Key, place: &str) -> Mistake {
        let tokens = self.checked.get().map_or(0, |vocabulary| vocabulary.tokens.len());
        let message =
            format!("{}: {key:?} at {place} is not in the vocabulary of {tokens} tokens", T::CLASS);
        Mistake::new(message).help(
            "with num_oov_indices 0 each token must be in the vocabulary: add it, or set \
             num_oov_indices to 1",
        )
    }

    /// The token of each index, with `invert`; an index that is not in the vocabulary has
    /// `oov_token`.
    ///
    /// # Errors
    /// If `invert` is not set, there is no vocabulary, or arguments do not fit together.
    pub fn tokens<'a>(&self, indices: impl IntoData<'a>) -> Result<ArrayD<T>, NnError> {
        let (mode, vocabulary) = self.ready()?;
        if !self.invert {
            let message = format!("{}: tokens: invert is not set", T::CLASS);
            return Err(Mistake::new(message).help("set it: .invert(true)").into());
        }
        let data = indices.into_data();
        data.check_copied("the indices")?;
        let first = self.first_token(mode);
        let mut wrong = None;
        let mut tokens = Vec::new();
        data.each(|element, index| {
            if index.fract() != 0.0 {
                wrong = wrong.or(Some((element, index)));
            }
            let index = index as i64;
            let known = usize::try_from(index).ok().and_then(|index| index.checked_sub(first));
            let token = known.and_then(|index| vocabulary.tokens.get(index));
            let mask = self.mask_token.as_ref().filter(|_| index == 0);
            tokens.push(mask.or(token).unwrap_or(&self.oov_token).clone());
        });
        if let Some((element, index)) = wrong {
            let place = place(data.shape(), element);
            let message = format!("{}: tokens: {index} at {place} is no index", T::CLASS);
            return Err(Mistake::new(message).help("give whole numbers").into());
        }
        let array = ArrayD::from_shape_vec(data.shape(), tokens);
        Ok(array.expect("as many tokens as there are indices"))
    }
}

/// A token is not in the vocabulary, and there is no index for it.
#[derive(Debug)]
pub(crate) struct Unknown;
