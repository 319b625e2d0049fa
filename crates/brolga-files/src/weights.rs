//! Weights of a file for a model: which tensor is which weight.

use std::collections::HashSet;

use brolga_ir::Mistake;

use crate::array::{Array, Info, shape_text};
use crate::error::Content;
use crate::hdf5::Hdf5;
use crate::mismatch::{Mismatch, Mismatches};

/// A file with arrays of a name each.
pub(crate) trait Source {
    /// All names, in the order of the file or sorted.
    fn all(&self) -> Vec<String>;

    /// Element type and shape of the array of this name, if there is one.
    fn about(&self, name: &str) -> Content<Option<Info>>;

    /// The array of this name.
    fn array(&self, name: &str) -> Content<Array>;
}

impl Source for Hdf5 {
    fn all(&self) -> Vec<String> {
        self.names().map(str::to_owned).collect()
    }

    fn about(&self, name: &str) -> Content<Option<Info>> {
        self.info(name)
    }

    fn array(&self, name: &str) -> Content<Array> {
        self.read(name)
    }
}

/// A weight that is looked for.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// The path in the model.
    pub(crate) weight: String,
    pub(crate) shape: Vec<usize>,
    /// The names under which it may be; the first is the one that messages show.
    pub(crate) paths: Vec<String>,
}

/// How weights of a file are taken over.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Fitting {
    /// Whether weights that the file does not have keep their values.
    pub(crate) by_name: bool,
    /// Whether weights of another shape keep their values.
    pub(crate) skip_mismatch: bool,
}

/// A mistake of the file, or weights that do not fit.
pub(crate) enum Unfit {
    Mistake(Mistake),
    Mismatch(Mismatches),
}

impl From<Mistake> for Unfit {
    fn from(mistake: Mistake) -> Self {
        Self::Mistake(mistake)
    }
}

impl From<Unfit> for crate::keras::archive::Unread {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Mistake(mistake) => Self::Mistake(mistake),
            Unfit::Mismatch(mismatches) => Self::Mismatch(mismatches),
        }
    }
}

impl Fitting {
    /// The weights that a file has, each with the name of its array. `foreign` tells which arrays
    /// must belong to a weight.
    pub(crate) fn find<'w>(
        &self,
        wanted: &'w [Wanted],
        file: &dyn Source,
        foreign: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<(&'w Wanted, String)>, Unfit> {
        let (mut found, mut rows) = (vec![], vec![]);
        let mut used = HashSet::new();
        for wanted in wanted {
            let mut there = None;
            for path in &wanted.paths {
                if let Some(info) = file.about(path)? {
                    there = Some((path, info));
                    break;
                }
            }
            let ty = format!("float32{}", shape_text(&wanted.shape));
            let row = |path: &str, found| Mismatch {
                path: path.to_owned(),
                found,
                weight: Some((wanted.weight.clone(), ty.clone())),
                nearest: None,
            };
            match there {
                Some((path, info)) => {
                    used.insert(path.clone());
                    if info.shape == wanted.shape {
                        found.push((wanted, path.clone()));
                    } else if !self.skip_mismatch {
                        rows.push(row(path, Some(info.to_string())));
                    }
                }
                None if self.by_name => {}
                None => rows.push(row(wanted.paths.first().map_or("", String::as_str), None)),
            }
        }
        let mut unused = vec![];
        for name in file.all().into_iter().filter(|name| !used.contains(name)) {
            if !foreign(&name) {
                continue;
            }
            if let Some(info) = file.about(&name)? {
                unused.push((name, info.to_string()));
            }
        }
        if rows.is_empty() && (unused.is_empty() || self.by_name) {
            return Ok(found);
        }
        let foreign = unused.iter().map(|(path, found)| Mismatch {
            path: path.clone(),
            found: Some(found.clone()),
            weight: None,
            nearest: None,
        });
        rows.extend(foreign);
        let mut mismatches = Mismatches { rows };
        mismatches.match_up(&unused);
        Err(Unfit::Mismatch(mismatches))
    }
}
