//! The vocabulary of a lookup: which token has which index.

use std::collections::{BTreeSet, HashMap};

use brolga_ir::Mistake;

use super::encode::Mode;
use super::index_lookup::IndexLookup;
use super::keys::Token;

/// A vocabulary that has been checked.
#[derive(Debug)]
pub(crate) struct Vocabulary<T> {
    /// The tokens behind the special ones.
    pub(crate) tokens: Vec<T>,
    /// The index of each token.
    pub(crate) indices: HashMap<T, usize>,
    /// The weight of each index, in the mode `tf_idf`.
    pub(crate) weights: Vec<f32>,
}

impl<T: Token> IndexLookup<T> {
    /// The index of unknown tokens, the first of them: behind that of the mask.
    pub(crate) fn first_oov(&self, mode: Mode) -> usize {
        usize::from(self.mask_token.is_some() && mode == Mode::Int)
    }

    /// The index of the first token of the vocabulary.
    pub(crate) fn first_token(&self, mode: Mode) -> usize {
        self.first_oov(mode).saturating_add(self.num_oov_indices)
    }

    /// The special tokens, which a list of tokens may begin with.
    pub(crate) fn special_tokens(&self, mode: Mode) -> Vec<T> {
        let mask = self.mask_token.iter().take(self.first_oov(mode)).cloned();
        mask.chain(std::iter::repeat_n(self.oov_token.clone(), self.num_oov_indices)).collect()
    }

    /// Whether a list of tokens begins with the special ones.
    fn begins_with_special_tokens(&self, given: &[T], mode: Mode) -> bool {
        let (mask, oov) = (self.first_oov(mode), self.first_token(mode));
        let is_mask = |token: &T| self.mask_token.as_ref() == Some(token);
        given.len() >= oov
            && given[..mask].iter().all(is_mask)
            && given[mask..oov].iter().all(|token| *token == self.oov_token)
    }

    /// The vocabulary of the tokens that were given.
    ///
    /// # Errors
    /// If there are none, one is repeated or special, or there are too many.
    pub(crate) fn check_vocabulary(&self, mode: Mode) -> Result<Vocabulary<T>, Mistake> {
        let given = self.vocabulary.as_deref().unwrap_or_default();
        if given.is_empty() {
            let message = format!("{}: there is no vocabulary", T::CLASS);
            return Err(Mistake::new(message)
                .help("give one, .vocabulary([..]), or take it from data, .adapt(&data)?"));
        }
        let first = self.first_token(mode);
        let begins = self.begins_with_special_tokens(given, mode);
        let tokens = &given[if begins { first } else { 0 }..];
        self.check_tokens(tokens, mode)?;
        let size = first + tokens.len();
        if let Some(most) = self.max_tokens.filter(|&most| size > most) {
            let message = format!(
                "{}: the vocabulary has {size} tokens, the special ones included, max_tokens is {most}",
                T::CLASS
            );
            return Err(
                Mistake::new(message).help("shorten the vocabulary, or leave max_tokens out")
            );
        }
        let weights = match mode {
            Mode::TfIdf => self.check_weights(given.len(), if begins { 0 } else { first })?,
            _ => vec![],
        };
        let indices = tokens.iter().cloned().zip(first..).collect();
        Ok(Vocabulary { tokens: tokens.to_vec(), indices, weights })
    }

    fn check_tokens(&self, tokens: &[T], mode: Mode) -> Result<(), Mistake> {
        let mut known = BTreeSet::new();
        let repeated: BTreeSet<&T> = tokens.iter().filter(|token| !known.insert(*token)).collect();
        if !repeated.is_empty() {
            let listed: Vec<String> =
                repeated.iter().take(5).map(|token| format!("{token:?}")).collect();
            let more = if repeated.len() > 5 { ", .." } else { "" };
            let message =
                format!("{}: the vocabulary repeats {}{more}", T::CLASS, listed.join(", "));
            return Err(Mistake::new(message).help("give each token once"));
        }
        let reserved = [
            ("mask_token", self.mask_token.as_ref()),
            ("oov_token", Some(&self.oov_token).filter(|_| self.invert)),
        ];
        for (argument, token) in reserved {
            let found = token.and_then(|token| tokens.iter().position(|given| given == token));
            if let Some((token, at)) = token.zip(found) {
                let message = format!(
                    "{}: the {argument} {token:?} is the token {at} of the vocabulary",
                    T::CLASS
                );
                let special = self.special_tokens(mode);
                return Err(Mistake::new(message).help(format!(
                    "leave the special tokens out, or let the vocabulary begin with all of them: {special:?}"
                )));
            }
        }
        Ok(())
    }

    /// The weights of all indices, of those that were given for `count` tokens. The special tokens
    /// in front that were not among them have the mean weight.
    fn check_weights(&self, count: usize, in_front: usize) -> Result<Vec<f32>, Mistake> {
        let Some(given) = &self.idf_weights else {
            let message = format!("{}: output_mode \"tf_idf\" needs idf_weights", T::CLASS);
            return Err(Mistake::new(message)
                .help("give a weight for each token, .idf_weights([..]), or take both from data, .adapt(&data)?"));
        };
        if given.len() != count {
            let message = format!(
                "{}: the vocabulary has {count} tokens, idf_weights has {} numbers",
                T::CLASS,
                given.len()
            );
            return Err(Mistake::new(message).help("give a weight for each token"));
        }
        let mean = given.iter().sum::<f64>() / given.len() as f64;
        let weights = std::iter::repeat_n(mean, in_front).chain(given.iter().copied());
        Ok(weights.map(|weight| weight as f32).collect())
    }
}
