//! Names of a file as the text form of graphs has them.

use std::collections::HashMap;

use brolga_ir::text::is_name;

/// Names of inputs as the text form has them, each once.
#[derive(Debug, Default)]
pub(crate) struct Words(HashMap<String, usize>);

impl Words {
    /// A word for this name: other characters become underscores, and a number tells words that
    /// would be the same apart.
    pub(crate) fn word(&mut self, name: &str) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_./-".contains(c);
        let mut word: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
        word = word.replace("//", "/_");
        if !is_name(&word) {
            word.insert(0, '_');
        }
        // Where a word stands already, numbers are tried from the last one on.
        let mut unique = word.clone();
        while self.0.contains_key(&unique) {
            let number = self.0.entry(word.clone()).or_insert(1);
            *number += 1;
            unique = format!("{word}_{number}");
        }
        self.0.insert(unique.clone(), 1);
        unique
    }
}
