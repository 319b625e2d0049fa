use std::ffi::OsString;
use std::fs;

use insta::assert_snapshot;
use tempfile::{TempDir, tempdir};

use super::*;

/// A folder that stands for the root of the file system.
struct Machine {
    root: TempDir,
}

impl Machine {
    /// A machine with these files, which may be empty: `find` does not read them.
    fn with(files: &[String]) -> Machine {
        let root = tempdir().expect("the system has a folder for temporary files");
        for file in files {
            let path = root.path().join(file);
            let folder = path.parent().expect("the file is inside the root");
            fs::create_dir_all(folder).expect("the root can be written to");
            fs::write(path, []).expect("the root can be written to");
        }
        Machine { root }
    }

    /// What `find` says, with these environment variables; the root is called `/`.
    fn find(&self, variables: &[(&str, &str)]) -> String {
        let root = self.root.path();
        let variable = |name: &str| {
            let (_, value) = variables.iter().find(|(known, _)| *known == name)?;
            Some(if value.is_empty() { OsString::new() } else { root.join(value).into() })
        };
        let debian = root.join("debian");
        let found = WHEREABOUTS.find_on(variable, Some(root.join("home")), Some(&debian), lack);
        let text = found.map_or_else(|error| error.to_string(), |dir| dir.display().to_string());
        text.replace(&format!("{}/", root.display()), "/")
    }
}

/// The data set in a folder, compressed or not.
fn files(folder: &str, suffix: &str) -> Vec<String> {
    FILES.iter().map(|file| format!("{folder}/{file}{suffix}")).collect()
}

const CACHE: &str = "home/.keras/datasets/fashion-mnist";

#[test]
fn the_variable_decides_even_where_the_data_is_elsewhere() {
    let machine = Machine::with(&files(CACHE, ".gz"));
    assert_eq!(machine.find(&[(WHEREABOUTS.variable, "mine")]), "/mine");
    assert_eq!(machine.find(&[(WHEREABOUTS.variable, "")]), format!("/{CACHE}"));
}

#[test]
fn the_first_complete_place_is_taken() {
    let debian = files("debian", ".gz");
    let cache = files(CACHE, "");
    let other = files("other/datasets/fashion-mnist", ".gz");
    assert_eq!(Machine::with(&debian).find(&[]), "/debian");
    assert_eq!(
        Machine::with(&[debian.clone(), cache.clone()].concat()).find(&[]),
        format!("/{CACHE}")
    );
    assert_eq!(Machine::with(&[&debian[..], &cache[..3]].concat()).find(&[]), "/debian");
    assert_eq!(
        Machine::with(&[debian, cache, other].concat()).find(&[("KERAS_HOME", "other")]),
        "/other/datasets/fashion-mnist"
    );
}

#[test]
fn nowhere() {
    assert_snapshot!(Machine::with(&[]).find(&[]), @r"
    Fashion-MNIST is not on this machine
      looked in: /home/.keras/datasets/fashion-mnist (no such folder)
      looked in: /debian (no such folder)
      help: do one of
        apt install dataset-fashion-mnist    (Debian, Ubuntu)
        python -c 'import keras; keras.datasets.fashion_mnist.load_data()'
        fetch the four .gz files from https://github.com/zalandoresearch/fashion-mnist (data/fashion),
        and give their folder to `load_data_from` or in the variable BROLGA_FASHION_MNIST
    ");
    let incomplete = Machine::with(&files(CACHE, "")[..3]).find(&[]);
    let looked_in: Vec<&str> = incomplete.lines().filter(|line| line.contains("looked")).collect();
    assert_snapshot!(looked_in.join("\n"), @r"
    looked in: /home/.keras/datasets/fashion-mnist (has no t10k-labels-idx1-ubyte or t10k-labels-idx1-ubyte.gz)
    looked in: /debian (no such folder)
    ");
}
