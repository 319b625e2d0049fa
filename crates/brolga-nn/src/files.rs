//! Files that are replaced as a whole: a crash leaves the old one or the new one.
//!
//! The new content is written beside the file, made durable, and renamed. The new file has one name
//! for each target, so that a process that was killed leaves at most one such file, which the next
//! save takes over. Processes and threads that save to the same path take turns: who writes holds a
//! lock on that file.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use brolga_ir::Mistake;

use crate::error::NnError;

/// How long a save waits for another one to the same path.
const PATIENCE: Duration = Duration::from_secs(30);

/// Replaces a file by this content.
///
/// A symbolic link stays, and the file that it leads to is replaced. A file that was there keeps
/// its permissions; a new one has those that the process gives to files.
///
/// # Errors
/// If the path leads to something that is no file, or the system cannot write; then the old file is
/// still there.
pub fn replace(path: &Path, content: &[u8]) -> Result<(), NnError> {
    replace_by(path, |file| file.write_all(content))
}

/// As [`replace`], with what `write` writes.
///
/// # Errors
/// As [`replace`].
pub fn replace_by(
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), NnError> {
    let old = check_regular(path)?;
    let failed = |source| NnError::Io { path: path.to_owned(), source };
    let target = resolve(path).map_err(failed)?;
    let beside = beside(&target);
    let replaced = locked(&beside).and_then(|mut file| {
        let written = write_durably(&mut file, old.as_ref(), write);
        // Nobody else renames or removes the file while it is locked.
        written
            .and_then(|()| fs::rename(&beside, &target))
            .inspect_err(|_| drop(fs::remove_file(&beside)))
    });
    replaced.map_err(failed)?;
    // The new name is durable when the folder is; systems on which folders cannot be opened have no
    // need for it.
    let folder = target.parent().unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).or(Ok(()))
}

/// The metadata of the file that a path leads to; `None` if there is none.
///
/// # Errors
/// If it is a folder, a device or a pipe, or the system does not tell.
pub fn check_regular(path: &Path) -> Result<Option<Metadata>, NnError> {
    if path.as_os_str().is_empty() {
        return Err(Mistake::new("the path of a file is empty").help("give it a name").into());
    }
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(NnError::Io { path: path.to_owned(), source }),
    };
    if metadata.is_file() {
        return Ok(Some(metadata));
    }
    let what = if metadata.is_dir() { "a folder" } else { "a device or a pipe" };
    Err(NnError::File {
        path: path.to_owned(),
        message: format!("this is {what}, not a file"),
        help: "give the path of a file",
    })
}

/// The target of symbolic links, also where the last one leads to nothing yet.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    if let Ok(path) = fs::canonicalize(path) {
        return Ok(path);
    }
    let folder = |path: &Path| match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut path = path.to_owned();
    // As many links as Linux follows.
    for _ in 0..40 {
        let Ok(link) = fs::read_link(&path) else { break };
        path = folder(&path).join(link);
    }
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    Ok(fs::canonicalize(folder(&path))?.join(name))
}

/// Where the new content of a file is written: `.NAME.tmp` in the same folder, or a digest for
/// names that leave no room.
fn beside(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default();
    if name.len() > 240 {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        return target.with_file_name(format!(".{:016x}.tmp", hasher.finish()));
    }
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".tmp");
    target.with_file_name(hidden)
}

/// Opens a file, or makes it, and locks it.
fn locked(path: &Path) -> io::Result<File> {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
            return Err(io::Error::other(format!("`{}` is in the way", path.display())));
        }
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(10)),
            // File systems without locks are written without.
            Ok(()) | Err(TryLockError::Error(_)) if is_at(&file, path) => return Ok(file),
            // It was renamed in between: it is the file that another process has saved.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "another process is writing this file"))
}

/// Whether a path still leads to an open file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let identity = |metadata: Metadata| (metadata.dev(), metadata.ino());
    let (open, found) = (file.metadata().map(identity), fs::symlink_metadata(path).map(identity));
    matches!((open, found), (Ok(open), Ok(found)) if open == found)
}

/// Open files are not renamed there.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

fn write_durably(
    file: &mut File,
    old: Option<&Metadata>,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    // The file that a killed process has left.
    file.set_len(0)?;
    write(file)?;
    if let Some(old) = old {
        file.set_permissions(old.permissions())?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn folder() -> TempDir {
        tempfile::tempdir().expect("a folder")
    }

    /// The names in a folder, in order.
    fn names(folder: &TempDir) -> Vec<String> {
        let entries = fs::read_dir(folder.path()).expect("the folder").flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn content(path: &Path) -> String {
        fs::read_to_string(path).expect("a file")
    }

    /// The message, with the folder's path replaced.
    fn message(folder: &TempDir, result: Result<(), NnError>) -> String {
        let message = result.expect_err("an error").to_string();
        message.replace(&folder.path().display().to_string(), "DIR")
    }

    #[test]
    fn what_fails_leaves_the_old_file_and_nothing_else() {
        let folder = folder();
        let path = folder.path().join("weights");
        let fails = |file: &mut File| {
            file.write_all(b"half of the ne")?;
            Err(io::ErrorKind::StorageFull.into())
        };
        insta::assert_snapshot!(message(&folder, replace_by(&path, fails)), @"
        DIR/weights: no storage space
          help: free some space, or choose a path on another disk
        ");
        assert!(names(&folder).is_empty());

        replace(&path, b"old").expect("a folder that can be written");
        replace_by(&path, fails).expect_err("an error");
        assert_eq!((content(&path).as_str(), names(&folder)), ("old", vec!["weights".to_owned()]));
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let folder = folder();
        let occupied = folder.path().join("folder");
        fs::create_dir_all(occupied.join("inside")).expect("a folder");
        insta::assert_snapshot!(message(&folder, replace(&occupied, b"new")), @"
        DIR/folder: this is a folder, not a file
          help: give the path of a file
        ");
        let missing = folder.path().join("missing/weights");
        insta::assert_snapshot!(message(&folder, replace(&missing, b"new")), @"
        DIR/missing/weights: No such file or directory (os error 2)
          help: check the path: its folder must exist, and a file to be read too
        ");
        insta::assert_snapshot!(message(&folder, replace(Path::new(""), b"new")), @"
        the path of a file is empty
          help: give it a name
        ");
        insta::assert_snapshot!(message(&folder, replace(&occupied.join(".."), b"new")), @"
        DIR/folder/..: this is a folder, not a file
          help: give the path of a file
        ");
        let file = folder.path().join("file");
        replace(&file, b"old").expect("a folder that can be written");
        insta::assert_snapshot!(message(&folder, replace(&file.join("weights"), b"new")), @"
        DIR/file/weights: Not a directory (os error 20)
          help: check the path: a part of it is a file, not a folder
        ");
        assert_eq!(names(&folder), ["file", "folder"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn devices_stay_devices() {
        let folder = folder();
        for device in ["/dev/full", "/dev/null"] {
            replace(Path::new(device), b"new").expect_err("a device");
            assert!(!fs::metadata(device).expect("the device").is_file());
        }
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/full", &link).expect("a link");
        insta::assert_snapshot!(message(&folder, replace(&link, b"new")), @"
        DIR/link: this is a device or a pipe, not a file
          help: give the path of a file
        ");
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_and_their_target_is_written() {
        let (folder, other) = (folder(), self::folder());
        let link = folder.path().join("link");
        let target = other.path().join("target");
        let symlink = |to: &Path, at: &str| {
            std::os::unix::fs::symlink(to, folder.path().join(at)).expect("a link");
        };
        symlink(Path::new("second"), "link");
        symlink(&target, "second");
        for text in ["new", "newer"] {
            replace(&link, text.as_bytes()).expect("folders that can be written");
            assert_eq!((content(&link).as_str(), content(&target).as_str()), (text, text));
        }
        assert_eq!(
            (names(&folder), names(&other)),
            (vec!["link".into(), "second".into()], vec!["target".into()])
        );
        assert!(fs::symlink_metadata(&link).expect("the link").is_symlink());
        symlink(Path::new("circle"), "circle");
        insta::assert_snapshot!(message(&folder, replace(&folder.path().join("circle"), b"")), @"
        DIR/circle: Too many levels of symbolic links (os error 40)
          help: check the path and its disk, or choose another path
        ");
    }

    #[test]
    fn left_overs_are_taken_over() {
        let folder = folder();
        let long = "n".repeat(255);
        for name in ["weights", &long] {
            let path = folder.path().join(name);
            fs::write(beside(&path), b"half of a file that is longer than the new one")
                .expect("a file");
            replace(&path, b"new").expect("a folder that can be written");
            assert_eq!(content(&path), "new");
        }
        assert_eq!(names(&folder), [long.as_str(), "weights"]);
    }

    #[test]
    fn saves_to_one_path_take_turns() {
        let folder = folder();
        let path = folder.path().join("weights");
        thread::scope(|scope| {
            for letter in [b'a', b'b', b'c', b'd'] {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..50 {
                        replace(path, &vec![letter; 10_000]).expect("a folder that can be written");
                        let content = fs::read(path).expect("a file");
                        assert_eq!(content, vec![content[0]; 10_000]);
                    }
                });
            }
        });
        assert_eq!(names(&folder), ["weights"]);
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_those_of_other_files() {
        use std::os::unix::fs::PermissionsExt;

        let folder = folder();
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
