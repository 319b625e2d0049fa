//! A reader of a folder of texts.

use std::marker::PhantomData;
use std::path::Path;

use crate::directory::{FileReader, FolderDataset, FolderOptions, folder_setters};
use crate::error::{Error, Result};
use crate::folder::Search;
use crate::label_mode::{Int, LabelMode};

/// How [`text_dataset_from_directory`] reads texts. Names and defaults are those of Keras.
#[derive(Clone, Debug)]
pub struct TextOptions<M = Int> {
    folder: FolderOptions,
    max_length: Option<usize>,
    mode: PhantomData<M>,
}

/// Texts of files, with labels.
pub type TextDataset<M = Int> = FolderDataset<TextReader, M>;

/// Reads files of texts.
#[derive(Clone, Copy, Debug)]
pub struct TextReader {
    max_length: Option<usize>,
}

const SEARCH: Search = Search { what: "texts", extensions: &[".txt"], follow_links: false };

impl TextOptions {
    /// Class numbers as labels, batches of 32 files, which are shuffled.
    pub fn new() -> TextOptions {
        TextOptions { folder: FolderOptions::default(), max_length: None, mode: PhantomData }
    }
}

impl Default for TextOptions {
    fn default() -> TextOptions {
        TextOptions::new()
    }
}

impl<M: LabelMode> TextOptions<M> {
    folder_setters!();

    /// How labels are given: [`Int`], the default, [`Categorical`](crate::Categorical),
    /// [`Binary`](crate::Binary) or [`NoLabels`](crate::NoLabels).
    pub fn label_mode<N: LabelMode>(self, _: N) -> TextOptions<N> {
        TextOptions { folder: self.folder, max_length: self.max_length, mode: PhantomData }
    }

    /// The most bytes of a text; what is longer is cut off at the end of a character. No limit by
    /// default.
    pub fn max_length(mut self, max_length: usize) -> Self {
        self.max_length = Some(max_length);
        self
    }
}

/// Finds the texts of a folder with a folder for each class, as
/// `keras.utils.text_dataset_from_directory` does, and reads them batch by batch.
///
/// The classes are the folders inside `directory` in the order of their names, without those that
/// begin with a dot; the label of a text is the index of its class. The texts of a class are all
/// `.txt` files in its folder and the folders below.
///
/// ```
/// use brolga_data::{TextOptions, text_dataset_from_directory};
///
/// # let dir = tempfile::tempdir()?;
/// # for class in ["praise", "blame"] {
/// #     std::fs::create_dir(dir.path().join(class))?;
/// #     std::fs::write(dir.path().join(class).join("1.txt"), class)?;
/// # }
/// # let reviews = dir.path();
/// // reviews/blame/1.txt, reviews/praise/1.txt, ...
/// let data = text_dataset_from_directory(reviews, TextOptions::new().shuffle(false))?;
///
/// assert_eq!(data.class_names, ["blame", "praise"]);
/// for batch in data.batches() {
///     let (texts, labels) = batch?;
///     assert_eq!(texts, ["blame", "praise"]);
///     assert_eq!(labels.to_vec(), [0, 1]);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// A folder cannot be read, there is no class or no text, a name in `class_names` is none of the
/// folders, or options do not fit together. Batches are errors where a file cannot be read or is
/// not UTF-8.
pub fn text_dataset_from_directory<M: LabelMode>(
    directory: impl AsRef<Path>,
    options: TextOptions<M>,
) -> Result<TextDataset<M>> {
    let function = "text_dataset_from_directory";
    options.folder.open(function, directory.as_ref(), SEARCH, |_| Ok(options.reader()))
}

/// As [`text_dataset_from_directory`], the part for training and that for validation: `subset`
/// `"both"` of Keras. That for validation is not shuffled anew for each pass.
///
/// # Errors
///
/// As [`text_dataset_from_directory`], or one of the parts is empty.
pub fn text_datasets_from_directory<M: LabelMode>(
    directory: impl AsRef<Path>,
    options: TextOptions<M>,
) -> Result<(TextDataset<M>, TextDataset<M>)> {
    let function = "text_datasets_from_directory";
    options.folder.open_both(function, directory.as_ref(), SEARCH, |_| Ok(options.reader()))
}

impl<M> TextOptions<M> {
    fn reader(&self) -> TextReader {
        TextReader { max_length: self.max_length }
    }
}

impl FileReader for TextReader {
    type Batch = Vec<String>;

    fn read(&self, paths: &[&Path]) -> Result<Vec<String>> {
        paths.iter().map(|path| self.text(path)).collect()
    }
}

impl TextReader {
    fn text(self, path: &Path) -> Result<String> {
        let bytes = brolga_memory::read(path).map_err(|error| Error::io(path.display(), error))?;
        let mut text = String::from_utf8(bytes).map_err(|error| Error::NotUtf8 {
            file: path.display().to_string(),
            valid: error.utf8_error().valid_up_to(),
        })?;
        if let Some(most) = self.max_length {
            text.truncate(text.floor_char_boundary(most));
        }
        Ok(text)
    }
}
