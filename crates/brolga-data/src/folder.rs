//! Which files of a folder belong to which class.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// What a folder is searched for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search {
    /// The word for its files in messages.
    pub(crate) what: &'static str,
    /// The ends of their names, in small letters.
    pub(crate) extensions: &'static [&'static str],
    /// Whether links to folders are followed.
    pub(crate) follow_links: bool,
}

impl Search {
    /// The names of the classes: those that are wanted, or all in the order of their names.
    pub(crate) fn classes(
        self,
        directory: &Path,
        wanted: Option<Vec<String>>,
    ) -> Result<Vec<String>> {
        let mut found = Vec::new();
        let mut files = 0;
        for path in entries(directory)? {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            match name {
                Some(name) if path.is_dir() && !name.starts_with('.') => found.push(name),
                _ => files += usize::from(path.is_file()),
            }
        }
        if found.is_empty() {
            let folder = directory.display().to_string();
            return Err(Error::NoClasses { folder, what: self.what, files });
        }
        let Some(wanted) = wanted else { return Ok(found) };
        for name in &wanted {
            let Some(at) = found.iter().position(|class| class == name) else {
                let folder = directory.display().to_string();
                return Err(Error::UnknownClass { folder, given: name.clone(), classes: found });
            };
            found.remove(at);
        }
        Ok(wanted)
    }

    /// The files of all classes, each with its label, in the order of the labels and then of the
    /// files, if there is one.
    pub(crate) fn files_of(
        self,
        directory: &Path,
        classes: &[String],
    ) -> Result<Vec<(i32, PathBuf)>> {
        let mut all = Vec::new();
        for (label, class) in (0..).zip(classes) {
            let files = self.files(&directory.join(class))?;
            all.extend(files.into_iter().map(|path| (label, path)));
        }
        if all.is_empty() {
            return Err(self.none(directory, Some(classes)));
        }
        Ok(all)
    }

    /// The error of a folder without a file.
    pub(crate) fn none(self, directory: &Path, classes: Option<&[String]>) -> Error {
        Error::NoFiles {
            folder: directory.display().to_string(),
            what: self.what,
            extensions: self.extensions,
            classes: classes.map(<[String]>::to_vec),
        }
    }

    /// The files of a folder and of those below it: folders in the order of their paths, files in
    /// that of their names.
    pub(crate) fn files(self, folder: &Path) -> Result<Vec<PathBuf>> {
        let mut folders = Vec::new();
        self.collect(folder, &mut HashSet::new(), &mut folders)?;
        folders.sort_by(|(a, _), (b, _)| a.as_os_str().cmp(b.as_os_str()));
        Ok(folders.into_iter().flat_map(|(_, files)| files).collect())
    }

    /// Adds a folder with its files, and those below it. A link that leads back to a folder in
    /// which it lies is not followed.
    fn collect(
        self,
        folder: &Path,
        above: &mut HashSet<PathBuf>,
        folders: &mut Vec<(PathBuf, Vec<PathBuf>)>,
    ) -> Result<()> {
        let real = fs::canonicalize(folder).map_err(|error| Error::io(folder.display(), error))?;
        if !above.insert(real.clone()) {
            return Ok(());
        }
        let (below, files): (Vec<PathBuf>, Vec<PathBuf>) =
            entries(folder)?.into_iter().partition(|path| path.is_dir());
        folders
            .push((folder.to_owned(), files.into_iter().filter(|path| self.fits(path)).collect()));
        for folder in below.iter().filter(|folder| self.follow_links || !folder.is_symlink()) {
            self.collect(folder, above, folders)?;
        }
        above.remove(&real);
        Ok(())
    }

    fn fits(self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        self.extensions.iter().any(|extension| name.ends_with(extension))
    }
}

/// What is in a folder, in the order of the names.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let io = |error| Error::io(folder.display(), error);
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        paths.push(entry.map_err(io)?.path());
    }
    paths.sort();
    Ok(paths)
}
