//! Data sets of folders of files, which are read batch by batch.

use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{Error, Result};
use crate::folder::Search;
use crate::label_mode::LabelMode;
use crate::shuffle;

/// A part of the files of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subset {
    /// All files but the last `validation_split` of them.
    Training,
    /// The last `validation_split` of the files.
    Validation,
}

impl Subset {
    fn name(self) -> &'static str {
        match self {
            Subset::Training => "training",
            Subset::Validation => "validation",
        }
    }
}

/// What folders of texts and of sounds have in common.
#[derive(Clone, Debug)]
pub(crate) struct FolderOptions {
    pub(crate) labels: Option<Vec<i32>>,
    pub(crate) class_names: Option<Vec<String>>,
    pub(crate) batch_size: usize,
    pub(crate) shuffle: bool,
    pub(crate) seed: u32,
    pub(crate) validation_split: Option<f64>,
    pub(crate) subset: Option<Subset>,
    pub(crate) follow_links: bool,
}

impl Default for FolderOptions {
    fn default() -> FolderOptions {
        FolderOptions {
            labels: None,
            class_names: None,
            batch_size: 32,
            shuffle: true,
            seed: 0,
            validation_split: None,
            subset: None,
            follow_links: false,
        }
    }
}

/// The methods of options with a field `folder` that set what folders of files have in common.
macro_rules! folder_setters {
    () => {
        /// A label for each file, in the order of the paths of the files: all files of the folder
        /// and of those below it are read, and folders are no classes. Without it, each folder is
        /// the class of its files.
        pub fn labels(mut self, labels: impl IntoIterator<Item = i32>) -> Self {
            self.folder.labels = Some(labels.into_iter().collect());
            self
        }

        /// The folders that are read, in the order of their labels. Without it, all are read in the
        /// order of their names.
        pub fn class_names<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
            self.folder.class_names = Some(names.into_iter().map(Into::into).collect());
            self
        }

        /// The files of a batch; 32 by default. The last batch of a pass may be smaller.
        pub fn batch_size(mut self, batch_size: usize) -> Self {
            self.folder.batch_size = batch_size;
            self
        }

        /// Whether files come in another order in each pass; true by default.
        pub fn shuffle(mut self, shuffle: bool) -> Self {
            self.folder.shuffle = shuffle;
            self
        }

        /// From what orders are drawn; 0 by default. The parts for training and for validation are
        /// those that Keras makes with the same seed.
        pub fn seed(mut self, seed: u32) -> Self {
            self.folder.seed = seed;
            self
        }

        /// The share of the files that are for validation, between 0 and 1.
        pub fn validation_split(mut self, validation_split: f64) -> Self {
            self.folder.validation_split = Some(validation_split);
            self
        }

        /// The part of the files that is read, with `validation_split`.
        pub fn subset(mut self, subset: $crate::directory::Subset) -> Self {
            self.folder.subset = Some(subset);
            self
        }

        /// Whether links to folders are followed; false by default.
        pub fn follow_links(mut self, follow_links: bool) -> Self {
            self.folder.follow_links = follow_links;
            self
        }
    };
}
pub(crate) use folder_setters;

/// Reads files of one kind.
pub trait FileReader {
    /// What a batch of files is read into.
    type Batch;

    /// The content of files.
    ///
    /// # Errors
    /// If one of them cannot be read, or they do not fit together.
    fn read(&self, paths: &[&Path]) -> Result<Self::Batch>;
}

/// Files with labels, which are read batch by batch.
///
/// Each call of [`batches`](Self::batches) is a pass over all of them.
#[derive(Debug)]
pub struct FolderDataset<R, M> {
    /// The names of the classes, in the order of the labels; none without labels.
    pub class_names: Vec<String>,
    /// The files.
    pub file_paths: Vec<PathBuf>,
    /// The label of each file; empty without labels.
    pub labels: Vec<i32>,
    pub(crate) reader: R,
    batch_size: usize,
    /// The seed of the orders, if files are shuffled.
    seed: Option<u32>,
    passes: AtomicU32,
    mode: PhantomData<M>,
}

/// The files of a folder before they are divided.
struct Files {
    class_names: Vec<String>,
    files: Vec<(i32, PathBuf)>,
}

impl FolderOptions {
    /// Fails if the options do not fit together.
    fn check(&self, function: &'static str, subset: Option<&str>) -> Result<()> {
        let argument = |message: &str, expected: &str, given: String, help: &'static str| {
            let (message, expected) = (message.to_owned(), expected.to_owned());
            Err(Error::Argument { function, message, expected, given, help })
        };
        if self.batch_size == 0 {
            let help = "give the number of files of a batch";
            return argument("batch_size is too small", "at least 1", "0".to_owned(), help);
        }
        match (self.validation_split, subset) {
            (Some(split), _) if !(split > 0.0 && split < 1.0) => {
                let help = "give the share of the files that are for validation, such as 0.2";
                argument(
                    "validation_split is no share",
                    "above 0 and below 1",
                    split.to_string(),
                    help,
                )
            }
            (Some(split), None) => {
                let help = "say which part is to be read, or ask for both";
                let given = format!("validation_split {split}, no subset");
                argument("subset is not given", "subset with validation_split", given, help)
            }
            (None, Some(subset)) => {
                let help = "say how many of the files are for validation";
                let given = format!("subset {subset}, no validation_split");
                argument(
                    "validation_split is not given",
                    "validation_split with subset",
                    given,
                    help,
                )
            }
            _ if self.labels.is_some() && self.class_names.is_some() => {
                let help = "the classes are the labels that occur: leave class_names out";
                let given = "both".to_owned();
                argument("labels and class_names are given", "one of them", given, help)
            }
            _ => Ok(()),
        }
    }

    /// The files of a folder, in the order of their labels, or shuffled.
    fn files<M: LabelMode>(
        &self,
        function: &'static str,
        directory: &Path,
        search: Search,
    ) -> Result<Files> {
        let search = Search { follow_links: self.follow_links, ..search };
        let (class_names, mut files) = match &self.labels {
            None if M::LABELED => {
                let classes = search.classes(directory, self.class_names.clone())?;
                let files = search.files_of(directory, &classes)?;
                (classes, files)
            }
            labels => {
                let files = search.files(directory)?;
                if files.is_empty() {
                    return Err(search.none(directory, None));
                }
                match labels.as_ref().filter(|_| M::LABELED) {
                    None => (vec![], files.into_iter().map(|file| (0, file)).collect()),
                    Some(labels) => (
                        Self::classes(function, labels, files.len())?,
                        labels.iter().copied().zip(files).collect(),
                    ),
                }
            }
        };
        if M::BINARY && class_names.len() != 2 {
            return Err(Error::Argument {
                function,
                message: "labels are no truth values".to_owned(),
                expected: "two classes with the label mode Binary".to_owned(),
                given: format!("{}: {class_names:?}", class_names.len()),
                help: "use Int or Categorical, or give two class_names",
            });
        }
        if self.shuffle {
            shuffle::shuffle(self.seed, &mut files);
        }
        Ok(Files { class_names, files })
    }

    /// The names of the classes of labels that are given.
    fn classes(function: &'static str, labels: &[i32], files: usize) -> Result<Vec<String>> {
        let argument = |message: &str, expected: String, given: String, help| Error::Argument {
            function,
            message: message.to_owned(),
            expected,
            given,
            help,
        };
        if labels.len() != files {
            return Err(argument(
                "labels and files differ in number",
                format!("{files} labels, one for each file"),
                labels.len().to_string(),
                "give the labels in the order of the paths of the files",
            ));
        }
        let classes: BTreeSet<i32> = labels.iter().copied().collect();
        let count = classes.len();
        if let Some(wrong) = classes
            .iter()
            .find(|&&label| usize::try_from(label).is_ok_and(|label| label >= count) || label < 0)
        {
            return Err(argument(
                "a label is out of range",
                format!("0 to {}, since there are {count} different labels", count - 1),
                wrong.to_string(),
                "number the classes from 0 on",
            ));
        }
        Ok(classes.iter().map(i32::to_string).collect())
    }

    /// The part of the files that is asked for.
    fn part(
        &self,
        files: &Files,
        subset: Option<Subset>,
        directory: &Path,
        what: &'static str,
    ) -> Result<Vec<(i32, PathBuf)>> {
        let (Some(subset), Some(validation_split)) = (subset, self.validation_split) else {
            return Ok(files.files.clone());
        };
        let count = files.files.len();
        let held_out = (validation_split * count as f64) as usize;
        let (training, validation) = files.files.split_at(count - held_out);
        let part = match subset {
            Subset::Training => training,
            Subset::Validation => validation,
        };
        if part.is_empty() {
            return Err(Error::EmptySubset {
                folder: directory.display().to_string(),
                what,
                subset: subset.name(),
                files: count,
                validation_split,
            });
        }
        Ok(part.to_vec())
    }

    fn dataset<R, M: LabelMode>(
        &self,
        class_names: Vec<String>,
        files: Vec<(i32, PathBuf)>,
        shuffle: bool,
        reader: R,
    ) -> FolderDataset<R, M> {
        let (labels, file_paths): (Vec<i32>, Vec<PathBuf>) = files.into_iter().unzip();
        let labels = if class_names.is_empty() { vec![] } else { labels };
        FolderDataset {
            class_names,
            file_paths,
            labels,
            reader,
            batch_size: self.batch_size,
            seed: shuffle.then_some(self.seed),
            passes: AtomicU32::new(0),
            mode: PhantomData,
        }
    }

    /// The files of a folder, or the part of them that is asked for.
    pub(crate) fn open<R, M: LabelMode>(
        &self,
        function: &'static str,
        directory: &Path,
        search: Search,
        reader: impl FnOnce(&[&Path]) -> Result<R>,
    ) -> Result<FolderDataset<R, M>> {
        self.check(function, self.subset.map(Subset::name))?;
        let files = self.files::<M>(function, directory, search)?;
        let part = self.part(&files, self.subset, directory, search.what)?;
        let reader = reader(&paths(&part))?;
        Ok(self.dataset(files.class_names, part, self.shuffle, reader))
    }

    /// The files for training, and those for validation, which are not shuffled anew.
    pub(crate) fn open_both<R: Clone, M: LabelMode>(
        &self,
        function: &'static str,
        directory: &Path,
        search: Search,
        reader: impl FnOnce(&[&Path]) -> Result<R>,
    ) -> Result<(FolderDataset<R, M>, FolderDataset<R, M>)> {
        self.check(function, Some("both"))?;
        let files = self.files::<M>(function, directory, search)?;
        let part = |subset| self.part(&files, Some(subset), directory, search.what);
        let (training, validation) = (part(Subset::Training)?, part(Subset::Validation)?);
        let reader = reader(&paths(&training))?;
        Ok((
            self.dataset(files.class_names.clone(), training, self.shuffle, reader.clone()),
            self.dataset(files.class_names, validation, false, reader),
        ))
    }
}

fn paths(files: &[(i32, PathBuf)]) -> Vec<&Path> {
    files.iter().map(|(_, path)| path.as_path()).collect()
}

impl<R: FileReader, M: LabelMode> FolderDataset<R, M> {
    /// The batches of the next pass over the files: their content, and the labels.
    ///
    /// ```
    /// # fn train<R: brolga_data::FileReader>(
    /// #     data: brolga_data::FolderDataset<R, brolga_data::Int>,
    /// # ) -> brolga_data::Result<()> {
    /// for batch in data.batches() {
    ///     let (content, labels) = batch?;
    ///     # let _ = (content, labels);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn batches(&self) -> Batches<'_, R, M> {
        let pass = self.passes.fetch_add(1, Ordering::Relaxed);
        let count = self.file_paths.len();
        let order = match self.seed {
            Some(seed) => shuffle::order_of_pass(seed, pass, count),
            None => (0..count).collect(),
        };
        Batches { data: self, order, next: 0 }
    }

    /// The content of all files, and their labels, in the order of `file_paths`.
    ///
    /// # Errors
    /// If a file cannot be read, or the files do not fit together.
    pub fn read_all(&self) -> Result<(R::Batch, M::Labels)> {
        let all: Vec<usize> = (0..self.file_paths.len()).collect();
        self.read(&all)
    }

    fn read(&self, numbers: &[usize]) -> Result<(R::Batch, M::Labels)> {
        let paths: Vec<&Path> =
            numbers.iter().map(|&number| self.file_paths[number].as_path()).collect();
        let label = |&number: &usize| self.labels.get(number).copied().unwrap_or(0);
        let labels: Vec<i32> = numbers.iter().map(label).collect();
        Ok((self.reader.read(&paths)?, M::encode(&labels, self.class_names.len())))
    }
}

/// The batches of a pass over files.
#[derive(Debug)]
pub struct Batches<'a, R, M> {
    data: &'a FolderDataset<R, M>,
    order: Vec<usize>,
    /// The number of files that were read.
    next: usize,
}

impl<R: FileReader, M: LabelMode> Iterator for Batches<'_, R, M> {
    type Item = Result<(R::Batch, M::Labels)>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.order[self.next..];
        let batch = &rest[..rest.len().min(self.data.batch_size)];
        self.next += batch.len();
        (!batch.is_empty()).then(|| self.data.read(batch))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let batches = (self.order.len() - self.next).div_ceil(self.data.batch_size);
        (batches, Some(batches))
    }
}

impl<R: FileReader, M: LabelMode> ExactSizeIterator for Batches<'_, R, M> {}
