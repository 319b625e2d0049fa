//! What holds for all texts, numbers and vocabularies.

use std::collections::BTreeSet;

use brolga_nn::layers::{Discretization, IntegerLookup};
use brolga_nn::prelude::*;
use ndarray::Array1;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use crate::models::computed;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Tokens become indices, and indices the same tokens.
    #[test]
    fn indices_become_their_tokens(
        tokens in btree_set("[a-zé ]{1,5}", 1..20), masked in any::<bool>(), oov in 1_usize..4,
    ) {
        let tokens: Vec<String> = tokens.into_iter().collect();
        let lookup = StringLookup::new().vocabulary(tokens.clone()).num_oov_indices(oov);
        let lookup = if masked { lookup.mask_token("") } else { lookup };
        let indices = lookup.apply::<i64>(&tokens).expect("a vocabulary");
        let distinct: BTreeSet<i64> = indices.iter().copied().collect();
        prop_assert_eq!(distinct.len(), tokens.len());
        let back = lookup.clone().invert(true).tokens(&indices).expect("a vocabulary");
        prop_assert_eq!(back, Array1::from(tokens.clone()).into_dyn());
        let unknown = lookup.apply::<i64>(&["no such token"]).expect("an index for unknown ones");
        let first = i64::from(masked);
        prop_assert!((first..first + oov as i64).contains(&unknown[0]));
        prop_assert_eq!(lookup.vocabulary_size().expect("a vocabulary"), tokens.len() + oov + usize::from(masked));
    }

    /// A vocabulary that is learned is sorted by counts, and has no token twice.
    #[test]
    fn frequent_tokens_come_first(texts in vec(vec("[a-d]{1,2}", 0..6), 1..8), most in 3_usize..9) {
        let lines: Vec<String> = texts.iter().map(|words| words.join(" ")).collect();
        let count = |token: &str| texts.iter().flatten().filter(|word| *word == token).count();
        let layer = TextVectorization::new().max_tokens(most);
        let Ok(layer) = layer.adapt(&lines) else {
            prop_assert!(texts.iter().all(Vec::is_empty));
            return Ok(());
        };
        let tokens = layer.get_vocabulary(false).expect("a vocabulary");
        let pairs = tokens.windows(2);
        prop_assert!(pairs.clone().all(|pair| (count(&pair[0]), &pair[0]) > (count(&pair[1]), &pair[1])));
        let all: BTreeSet<&String> = texts.iter().flatten().collect();
        prop_assert_eq!(tokens.len(), all.len().min(most - 2));
        let x = layer.apply::<i64>(&lines).expect("texts");
        for (words, row) in texts.iter().zip(x.outer_iter()) {
            for (at, &index) in row.iter().enumerate() {
                match words.get(at) {
                    None => prop_assert_eq!(index, 0),
                    Some(word) if index == 1 => prop_assert!(!tokens.contains(word)),
                    Some(word) => prop_assert_eq!(&tokens[index as usize - 2], word),
                }
            }
        }
    }

    /// Hashes are bins, and depend on nothing but the element.
    #[test]
    fn hashes_are_bins(texts in vec(any::<String>(), 1..30), bins in 1_usize..50, salt in any::<Option<i64>>()) {
        let layer = Hashing::new(bins);
        let layer = match salt {
            Some(salt) => layer.salt(salt),
            None => layer,
        };
        let all = layer.apply::<i64, _>(&texts).expect("texts");
        for (text, &bin) in texts.iter().zip(&all) {
            prop_assert!((0..bins as i64).contains(&bin));
            prop_assert_eq!(layer.apply::<i64, _>(&[text.as_str()]).expect("a text")[0], bin);
        }
    }

    /// The layer of a model and the function of arrays agree.
    #[test]
    fn layers_and_functions_agree(
        vocabulary in btree_set(-1000_i64..1000, 1..40), x in vec(-1000_i64..1000, 2..30), oov in 1_usize..4,
        mask in any::<Option<i8>>(), boundaries in btree_set(-1000_i64..1000, 0..20),
    ) {
        let mut tokens: Vec<i64> = vocabulary.into_iter().collect();
        tokens.retain(|&token| mask != i8::try_from(token).ok() || mask.is_none());
        prop_assume!(!tokens.is_empty());
        tokens.reverse();
        let lookup = IntegerLookup::new().vocabulary(tokens).num_oov_indices(oov);
        let lookup = match mask {
            Some(mask) => lookup.mask_token(i64::from(mask)),
            None => lookup,
        };
        let floats = Array1::from_iter(x.iter().map(|&x| x as f32)).into_dyn();
        for mode in ["int", "one_hot"] {
            let lookup = lookup.clone().output_mode(mode);
            let row = floats.clone().insert_axis(ndarray::Axis(0));
            let of_layer = computed(&lookup, &row).expect("a layer");
            let of_array = lookup.apply::<f32>(&x).expect("numbers");
            prop_assert_eq!(of_layer, of_array.insert_axis(ndarray::Axis(0)));
        }
        let boundaries: Vec<f64> = boundaries.into_iter().map(|x| x as f64).collect();
        let bins = Discretization::new().bin_boundaries(boundaries.clone());
        let of_array = bins.apply::<f32>(&floats).expect("numbers");
        prop_assert_eq!(&computed(&bins, &floats).expect("a layer"), &of_array);
        for (x, bin) in x.iter().zip(of_array) {
            prop_assert_eq!(boundaries.iter().filter(|&&b| b <= *x as f64).count(), bin as usize);
        }
    }
}
