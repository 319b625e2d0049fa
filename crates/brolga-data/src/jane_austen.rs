//! The six finished novels of Jane Austen, from Debian's package `r-cran-janeaustenr`: texts of
//! Project Gutenberg, which are in the public domain.

mod r;

use std::path::Path;

use crate::error::{Error, Result};
use crate::whereabouts::Whereabouts;

/// The novels in the order in which they were published: the names of the package, and the titles.
const NOVELS: [(&str, &str); 6] = [
    ("sensesensibility", "Sense and Sensibility"),
    ("prideprejudice", "Pride and Prejudice"),
    ("mansfieldpark", "Mansfield Park"),
    ("emma", "Emma"),
    ("northangerabbey", "Northanger Abbey"),
    ("persuasion", "Persuasion"),
];

const WHEREABOUTS: Whereabouts = Whereabouts {
    name: "the R package janeaustenr",
    variable: "BROLGA_JANE_AUSTEN",
    keras: None,
    debian: Some("/usr/lib/R/site-library/janeaustenr/data"),
    help: "do one of\n    \
           apt install --no-install-recommends r-cran-janeaustenr    (Debian, Ubuntu)\n    \
           apt download r-cran-janeaustenr, dpkg -x r-cran-janeaustenr_*.deb DIR, and give the folder\n    \
           DIR/usr/lib/R/site-library/janeaustenr/data to `load_data_from` or in the variable BROLGA_JANE_AUSTEN\n    \
           read other texts with `text_dataset_from_directory`",
};

/// A novel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Novel {
    /// The title.
    pub title: &'static str,
    /// The text, with the lines of the book.
    pub text: String,
}

/// Returns the novels in the order in which they were published; the last one is *Persuasion*.
///
/// The folder is the one that the environment variable `BROLGA_JANE_AUSTEN` names; where it is not
/// set, `/usr/lib/R/site-library/janeaustenr/data`, where Debian's package puts them. R is not
/// needed.
///
/// ```no_run
/// let novels = brolga_data::jane_austen::load_data()?;
/// assert_eq!(novels[3].title, "Emma");
/// # Ok::<(), brolga_data::Error>(())
/// ```
///
/// # Errors
///
/// The package is not installed; the message says how to get it. Or as for [`load_data_from`].
pub fn load_data() -> Result<Vec<Novel>> {
    load_data_from(WHEREABOUTS.find(lack)?)
}

/// Reads the novels from a folder with the files `Rdata.rdx` and `Rdata.rdb` of the package.
///
/// # Errors
///
/// A file is missing or damaged, or lacks a novel.
pub fn load_data_from(dir: impl AsRef<Path>) -> Result<Vec<Novel>> {
    let database = r::Database::open(dir.as_ref())?;
    let novel = |(name, title): (&str, &'static str)| {
        let lines = database.texts(name)?;
        Ok(Novel { title, text: lines.join("\n") })
    };
    NOVELS.into_iter().map(novel).collect()
}

/// What a folder lacks to be the package's.
fn lack(dir: &Path) -> Option<String> {
    let missing = ["Rdata.rdx", "Rdata.rdb"].into_iter().find(|file| !dir.join(file).is_file())?;
    Some(format!("has no {missing}"))
}

/// The content of a file.
fn read(path: &Path) -> Result<Vec<u8>> {
    brolga_memory::read(path).map_err(|error| Error::io(path.display(), error))
}
