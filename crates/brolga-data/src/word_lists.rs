//! Word lists of six languages: Debian's packages `wamerican`, `wfrench`, `wngerman`, `wspanish`,
//! `witalian` and `wdutch`. Each has a licence of its own.

use std::path::Path;

use ndarray::Array1;

use crate::error::{Error, Result};
use crate::whereabouts::Whereabouts;

/// What the labels 0 to 5 stand for.
pub const CLASS_NAMES: [&str; 6] = ["English", "French", "German", "Spanish", "Italian", "Dutch"];

/// The files of the languages.
const FILES: [&str; 6] = ["american-english", "french", "ngerman", "spanish", "italian", "dutch"];

const WHEREABOUTS: Whereabouts = Whereabouts {
    name: "a word list of each of six languages",
    variable: "BROLGA_WORD_LISTS",
    keras: None,
    debian: Some("/usr/share/dict"),
    help: "do one of\n    \
           apt install wamerican wfrench wngerman wspanish witalian wdutch    (Debian, Ubuntu)\n    \
           put lists of words, one a line, as american-english, french, ngerman, spanish, italian and dutch\n    \
           into a folder, and give it to `load_data_from` or in the variable BROLGA_WORD_LISTS",
};

/// Returns the words of six languages, and the language of each as an index into [`CLASS_NAMES`].
///
/// The folder is the one that the environment variable `BROLGA_WORD_LISTS` names; where it is not
/// set, `/usr/share/dict`, where Debian's packages put them.
///
/// ```no_run
/// let (words, language) = brolga_data::word_lists::load_data()?;
/// # let _ = (words, language);
/// # Ok::<(), brolga_data::Error>(())
/// ```
///
/// # Errors
///
/// A list is missing; the message says how to get it. Or as for [`load_data_from`].
pub fn load_data() -> Result<(Vec<String>, Array1<i32>)> {
    load_data_from(WHEREABOUTS.find(lack)?)
}

/// Reads the word lists of a folder: `american-english`, `french`, `ngerman`, `spanish`, `italian`
/// and `dutch`, each with a word a line. The words of a language come in the order of its list,
/// without those that are in the list of another language too.
///
/// # Errors
///
/// A list cannot be read, or is not UTF-8.
pub fn load_data_from(dir: impl AsRef<Path>) -> Result<(Vec<String>, Array1<i32>)> {
    let dir = dir.as_ref();
    let lists = FILES.iter().map(|file| list(&dir.join(file))).collect::<Result<Vec<String>>>()?;
    let mut language_of = std::collections::HashMap::new();
    for (language, list) in lists.iter().enumerate() {
        for word in words(list) {
            let known = language_of.entry(word).or_insert(Some(language));
            if *known != Some(language) {
                *known = None;
            }
        }
    }
    let (mut all, mut labels) = (Vec::new(), Vec::new());
    for (language, list) in lists.iter().enumerate() {
        for word in words(list).filter(|word| language_of.get(word) == Some(&Some(language))) {
            all.push(word.to_owned());
            labels.push(language as i32);
        }
    }
    Ok((all, labels.into()))
}

fn words(list: &str) -> impl Iterator<Item = &str> {
    list.lines().map(str::trim).filter(|word| !word.is_empty())
}

fn list(path: &Path) -> Result<String> {
    let bytes = brolga_memory::read(path).map_err(|error| Error::io(path.display(), error))?;
    String::from_utf8(bytes).map_err(|error| Error::NotUtf8 {
        file: path.display().to_string(),
        valid: error.utf8_error().valid_up_to(),
    })
}

/// What a folder lacks to be the data set's.
fn lack(dir: &Path) -> Option<String> {
    let missing: Vec<&str> = FILES.into_iter().filter(|file| !dir.join(file).is_file()).collect();
    (!missing.is_empty()).then(|| format!("has no {}", missing.join(", ")))
}
