//! Which files belong to which class.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

const EXTENSIONS: [&str; 5] = ["bmp", "gif", "jpeg", "jpg", "png"];

/// The names of the classes: those that are wanted, or all in the order of their names.
pub(super) fn classes(directory: &Path, wanted: Option<Vec<String>>) -> Result<Vec<String>> {
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
        return Err(Error::NoClasses { folder: directory.display().to_string(), files });
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

/// All images, each with its label, in the order of the labels and then of the paths.
pub(super) fn images(directory: &Path, classes: &[String]) -> Result<Vec<(i32, PathBuf)>> {
    let mut images = Vec::new();
    for (label, class) in (0..).zip(classes) {
        let mut files = Vec::new();
        collect(&directory.join(class), &mut files)?;
        images.extend(files.into_iter().map(|path| (label, path)));
    }
    if images.is_empty() {
        let folder = directory.display().to_string();
        return Err(Error::NoImages { folder, classes: classes.to_vec() });
    }
    Ok(images)
}

/// The images of a folder, then those of the folders below. Links to folders are not followed:
/// they could lead in a circle.
fn collect(folder: &Path, images: &mut Vec<PathBuf>) -> Result<()> {
    let mut below = Vec::new();
    for path in entries(folder)? {
        if path.is_dir() {
            below.push(path);
        } else if is_image(&path) {
            images.push(path);
        }
    }
    for folder in below.iter().filter(|folder| !folder.is_symlink()) {
        collect(folder, images)?;
    }
    Ok(())
}

fn is_image(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
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
