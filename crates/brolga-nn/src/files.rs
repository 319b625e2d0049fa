//! Files that are replaced as a whole: a crash leaves the old one or the new one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use tempfile::Builder;

/// Replaces a file by this content: written beside it, made durable, renamed.
///
/// A file that was there keeps its permissions; a new one has those that the process gives to files.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    replace_by(path, |file| file.write_all(content))
}

/// As [`replace`], with what `write` writes.
fn replace_by(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut file = beside().tempfile_in(folder)?;
    write(file.as_file_mut())?;
    if let Ok(old) = fs::metadata(path) {
        file.as_file().set_permissions(old.permissions())?;
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    // The new name is durable when the folder is; systems on which folders cannot be opened have no need for it.
    File::open(folder).and_then(|folder| folder.sync_all()).or(Ok(()))
}

/// Makes files that others may read as far as the umask lets them; temporary files are private otherwise.
fn beside() -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("weights");
        let names = || fs::read_dir(folder.path()).expect("the folder").count();
        let fails = |file: &mut File| {
            file.write_all(b"half of the ne")?;
            Err(io::Error::other("the disk is full"))
        };
        replace_by(&path, fails).expect_err("an error");
        assert_eq!(names(), 0);

        replace(&path, b"old").expect("a folder that can be written");
        assert_eq!(replace_by(&path, fails).expect_err("an error").to_string(), "the disk is full");
        assert_eq!((fs::read(&path).expect("the old file"), names()), (b"old".to_vec(), 1));

        let occupied = folder.path().join("folder");
        fs::create_dir_all(occupied.join("inside")).expect("a folder");
        replace(&occupied, b"new").expect_err("a folder cannot be replaced by a file");
        assert_eq!(names(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_those_of_other_files() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().expect("a folder");
        let [path, ordinary] = ["weights", "ordinary"].map(|name| folder.path().join(name));
        let mode = |path: &Path| fs::metadata(path).expect("a file").permissions().mode() & 0o777;
        fs::write(&ordinary, b"").expect("a folder that can be written");
        replace(&path, b"new").expect("a folder that can be written");
        assert_eq!(mode(&path), mode(&ordinary));

        fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).expect("the own file");
        replace(&path, b"newer").expect("a folder that can be written");
        assert_eq!(mode(&path), 0o640);
    }
}
