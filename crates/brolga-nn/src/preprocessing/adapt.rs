//! How often tokens occur in data.

use std::collections::{HashMap, HashSet};

use super::keys::Token;

/// How often each token occurs, and in how many documents.
#[derive(Debug)]
pub(crate) struct Counter<T> {
    counts: HashMap<T, Count>,
    documents: u64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    times: u64,
    documents: u64,
}

/// Tokens and the weight of each.
type Learned<T> = (Vec<T>, Vec<f64>);

impl<T> Default for Counter<T> {
    fn default() -> Self {
        Self { counts: HashMap::new(), documents: 0 }
    }
}

impl<T: Token> Counter<T> {
    /// Counts the tokens of a document.
    pub(crate) fn add<'k>(&mut self, document: impl Iterator<Item = &'k T::Key>) {
        self.documents += 1;
        let mut seen = HashSet::new();
        for key in document {
            let first = u64::from(seen.insert(key));
            if !self.counts.contains_key(key) {
                self.counts.insert(key.to_owned(), Count::default());
            }
            if let Some(count) = self.counts.get_mut(key) {
                count.times += 1;
                count.documents += first;
            }
        }
    }

    /// The most frequent tokens without the special ones, and their weights
    /// `ln(1 + documents / (1 + documents with the token))`; none if there are no tokens.
    pub(crate) fn vocabulary<'t>(
        mut self,
        special: impl Iterator<Item = &'t T>,
        most: usize,
    ) -> Option<Learned<T>>
    where
        T: 't,
    {
        for token in special {
            self.counts.remove(token.borrow());
        }
        let mut counts: Vec<(T, Count)> = self.counts.into_iter().collect();
        counts.sort_unstable_by(|(a, one), (b, other)| (other.times, b).cmp(&(one.times, a)));
        counts.truncate(most);
        let all = self.documents as f64;
        let weight = |count: Count| (1.0 + all / (1.0 + count.documents as f64)).ln();
        let learned = counts.into_iter().map(|(token, count)| (token, weight(count)));
        let (tokens, weights): Learned<T> = learned.unzip();
        (!tokens.is_empty()).then_some((tokens, weights))
    }
}
