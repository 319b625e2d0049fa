//! What can go wrong while data is read.

use std::fmt::Display;
use std::io;

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why data could not be read. The message says which file or which value is meant, what was
/// expected there, what was given, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system, or a compressed stream, refuses to give the file's bytes.
    #[error("cannot read {file}: {error}")]
    Io {
        /// The file or folder.
        file: String,
        /// What the system says.
        error: io::Error,
    },

    /// The file is in some other format.
    #[error(
        "{file} is not an IDX file\n  \
         expected: it begins with 00 00, a dtype code and the number of dimensions\n  \
         given: {}\n  \
         help: give an IDX file, plain or compressed with gzip",
        begins_with(given)
    )]
    NotIdx {
        /// The file.
        file: String,
        /// Its first bytes, at most four.
        given: Vec<u8>,
    },

    /// The file is an IDX file of a dtype that the format does not define.
    #[error(
        "{file}: unknown dtype\n  \
         expected: 0x08 (u8), 0x09 (i8), 0x0b (i16), 0x0c (i32), 0x0d (f32) or 0x0e (f64) as third byte\n  \
         given: {given:#04x}\n  \
         help: the file is damaged, or not an IDX file"
    )]
    UnknownIdxDtype {
        /// The file.
        file: String,
        /// Its third byte.
        given: u8,
    },

    /// The caller asked for arrays of another dtype or rank than the file has.
    #[error(
        "{file} holds another kind of array\n  expected: {expected}\n  given: {given}\n  \
         help: ask for the dtype and the rank that the file has, or read it with `idx::read_dyn`"
    )]
    IdxKind {
        /// The file.
        file: String,
        /// What the caller asked for.
        expected: String,
        /// What the file holds.
        given: String,
    },

    /// The file ends too early: it was not fetched or written completely.
    #[error(
        "{file} is truncated\n  expected: {expected}\n  given: {given}\n  \
         help: the file was not copied completely, fetch it again"
    )]
    Truncated {
        /// The file.
        file: String,
        /// What its header announces.
        expected: String,
        /// What is there.
        given: String,
    },

    /// The file continues after its last value: it is damaged or in some other format.
    #[error(
        "{file} continues after its last value\n  expected: {expected}, then the end\n  \
         given: more bytes\n  \
         help: the file is damaged or not an IDX file, fetch it again"
    )]
    TrailingBytes {
        /// The file.
        file: String,
        /// What its header announces.
        expected: String,
    },

    /// An array would be larger than this machine can hold.
    #[error("{what} does not fit into memory\n  given: {given}\n  help: {help}")]
    TooLarge {
        /// What was to be held in memory.
        what: String,
        /// Its type and shape.
        given: String,
        /// What to do.
        help: &'static str,
    },

    /// Images and labels do not belong together.
    #[error(
        "{images_file} and {labels_file} do not belong together\n  \
         expected: one label for each image\n  \
         given: {images} images and {labels} labels\n  \
         help: take all files from one data set"
    )]
    CountMismatch {
        /// The file of the images.
        images_file: String,
        /// The number of images in it.
        images: usize,
        /// The file of the labels.
        labels_file: String,
        /// The number of labels in it.
        labels: usize,
    },

    /// The images do not have the data set's size.
    #[error(
        "{file} holds images of another size\n  expected: 28 x 28 pixels\n  given: {} x {} pixels\n  \
         help: read other IDX files with `idx::read`",
        given.0, given.1
    )]
    ImageSize {
        /// The file of the images.
        file: String,
        /// Rows and columns of each image in it.
        given: (usize, usize),
    },

    /// A label of the data set is not one of its classes.
    #[error(
        "{file} holds a label out of range\n  expected: 0 to 9\n  given: {given} in row {row}\n  \
         help: the file is damaged or of another data set; read other IDX files with `idx::read`"
    )]
    LabelOutOfRange {
        /// The file of the labels.
        file: String,
        /// The index of the first such label.
        row: usize,
        /// The label.
        given: u8,
    },

    /// A folder lacks a file of the data set.
    #[error(
        "{folder} has no file {file}\n  expected: {file} or {file}.gz\n  given: neither of them\n  \
         help: give the folder that holds all four files of the data set"
    )]
    MissingFile {
        /// The folder.
        folder: String,
        /// The file's name.
        file: String,
    },

    /// A data set is in none of the folders where it is looked for.
    #[error("{name} is not on this machine\n{}  help: {help}", folders(looked_in))]
    DataNotFound {
        /// The data set.
        name: &'static str,
        /// The folders, each with what it lacks.
        looked_in: Vec<(String, String)>,
        /// How to get it.
        help: &'static str,
    },

    /// A folder does not hold MovieLens-100k.
    #[error(
        "{folder} {lack}\n  expected: the files of MovieLens-100k, of GroupLens or of RecBole\n  \
         help: give the folder ml-100k"
    )]
    NoMovieLens {
        /// The folder.
        folder: String,
        /// What it lacks.
        lack: String,
    },

    /// A line of a table is not what the data set's lines are.
    #[error(
        "{file}, line {line}: {message}\n  expected: {expected}\n  given: {given}\n  \
             help: the file is damaged or of another data set, fetch it again"
    )]
    Line {
        /// The file.
        file: String,
        /// The number of the line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
        /// What the line should hold.
        expected: String,
        /// What it holds.
        given: String,
    },

    /// A file of R is damaged, or holds something else than texts.
    #[error(
        "{file} is no data set of texts of R: {message}\n  expected: {expected}\n  \
             help: install the package again: apt install r-cran-janeaustenr"
    )]
    R {
        /// The file.
        file: String,
        /// What is wrong.
        message: String,
        /// What is expected.
        expected: &'static str,
    },

    /// A program that speaks cannot be run, or fails.
    #[error("{program} gives no sound: {message}\n  help: {help}")]
    Program {
        /// The program.
        program: String,
        /// What the system or the program says.
        message: String,
        /// What to do.
        help: &'static str,
    },

    /// A value given to [`to_categorical`](crate::to_categorical) is no class.
    #[error(
        "to_categorical: label out of range\n  expected: 0 <= label < {num_classes}\n  \
         given: {given} at index {index}\n  \
         help: labels count from 0; give a larger `num_classes`, or `None` for the largest label + 1"
    )]
    CategoricalLabel {
        /// The number of classes.
        num_classes: usize,
        /// The index of the first such value, as ndarray writes it.
        index: String,
        /// The value.
        given: String,
    },

    /// [`to_categorical`](crate::to_categorical) cannot infer the number of classes of no labels.
    #[error(
        "to_categorical: the number of classes is unknown\n  \
         expected: at least one label, or `num_classes`\n  given: no label and no `num_classes`\n  \
         help: give `Some(number of classes)`"
    )]
    CategoricalEmpty,

    /// A folder of files by classes has no folder inside that could be a class.
    #[error(
        "{folder} has no classes\n  expected: one folder for each class, with the class's {what} in it\n  \
         given: no folder, {files} files\n  \
         help: move the {what} of each class into a folder of the class's name"
    )]
    NoClasses {
        /// The folder.
        folder: String,
        /// What its files hold.
        what: &'static str,
        /// The number of files directly in it.
        files: usize,
    },

    /// A class was asked for that has no folder.
    #[error(
        "{folder} has no class {given:?}\n  expected: {}\n  given: {given:?}\n  \
         help: `class_names` gives names of folders, each once",
        quoted(classes)
    )]
    UnknownClass {
        /// The folder.
        folder: String,
        /// The class.
        given: String,
        /// The classes that are there, and were not named before.
        classes: Vec<String>,
    },

    /// A folder has no file that could be read.
    #[error(
        "{folder} has no {what}\n  expected: {} files in {}\n  given: none\n  \
         help: other formats have to be converted",
        alternatives(extensions),
        places(classes)
    )]
    NoFiles {
        /// The folder.
        folder: String,
        /// What its files hold.
        what: &'static str,
        /// The ends of their names.
        extensions: &'static [&'static str],
        /// The classes, if files lie in folders of classes.
        classes: Option<Vec<String>>,
    },

    /// A part of the files, for training or for validation, is empty.
    #[error(
        "{folder} has no {what} for {subset}\n  expected: at least one of {files} files\n  \
         given: none, with validation_split {validation_split}\n  \
         help: give another `validation_split`, or more files"
    )]
    EmptySubset {
        /// The folder.
        folder: String,
        /// What its files hold.
        what: &'static str,
        /// The part.
        subset: &'static str,
        /// The number of files.
        files: usize,
        /// The share of the validation.
        validation_split: f64,
    },

    /// A text file is not UTF-8.
    #[error(
        "{file} is not UTF-8\n  expected: a text in UTF-8\n  given: other bytes from byte {valid} on\n  \
         help: convert it, for example with `iconv -f latin1 -t utf-8`, or take it out of the folder"
    )]
    NotUtf8 {
        /// The file.
        file: String,
        /// The number of bytes before the first that is not UTF-8.
        valid: usize,
    },

    /// An audio file is damaged, or in a format that is not read.
    #[error(
        "{file} cannot be decoded: {message}\n  expected: WAV (PCM of 8 to 32 bits or f32) or FLAC\n  \
         help: convert the file, for example with `ffmpeg -i IN OUT.wav`, or take it out of the folder"
    )]
    Audio {
        /// The file.
        file: String,
        /// What the decoder says.
        message: String,
    },

    /// Audio files that should be samples of one data set differ in their rate or their channels.
    #[error("{file} has another {what}\n  expected: {expected}\n  given: {given}\n  help: {help}")]
    OtherAudio {
        /// The file.
        file: String,
        /// What differs.
        what: &'static str,
        /// That of the first file.
        expected: String,
        /// That of the file.
        given: String,
        /// What to do.
        help: &'static str,
    },

    /// An argument that does not fit the others or the data.
    #[error("{function}: {message}\n  expected: {expected}\n  given: {given}\n  help: {help}")]
    Argument {
        /// The function.
        function: &'static str,
        /// What is wrong.
        message: String,
        /// What it may be.
        expected: String,
        /// What it is.
        given: String,
        /// What to do.
        help: &'static str,
    },

    /// An image file is damaged, or in a format that is not read.
    #[error(
        "{file} cannot be decoded: {error}\n  expected: an image in the format BMP, GIF, JPEG or PNG\n  \
         help: convert the file, or take it out of the folder"
    )]
    Image {
        /// The file.
        file: String,
        /// What the decoder says.
        error: image::ImageError,
    },

    /// The size to which images shall be brought is nothing.
    #[error(
        "image_size has no pixels\n  expected: at least (1, 1)\n  given: ({}, {})\n  \
         help: give the height and the width in pixels",
        given.0, given.1
    )]
    EmptyImageSize {
        /// Height and width.
        given: (usize, usize),
    },
}

impl Error {
    pub(crate) fn io(file: impl Display, error: io::Error) -> Error {
        Error::Io { file: file.to_string(), error }
    }
}

fn begins_with(bytes: &[u8]) -> String {
    match bytes {
        [] => "an empty file".to_owned(),
        _ => bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" "),
    }
}

/// `.jpg or .png`.
fn alternatives(names: &[&str]) -> String {
    match names {
        [names @ .., last] if !names.is_empty() => format!("{} or {last}", names.join(", ")),
        _ => names.join(", "),
    }
}

fn places(classes: &Option<Vec<String>>) -> String {
    match classes {
        Some(classes) => format!("the classes: {}", quoted(classes)),
        None => "it or in the folders below".to_owned(),
    }
}

fn quoted(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        _ => names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", "),
    }
}

/// A line for each folder, with what it lacks.
fn folders(looked_in: &[(String, String)]) -> String {
    looked_in.iter().map(|(folder, lack)| format!("  looked in: {folder} ({lack})\n")).collect()
}
