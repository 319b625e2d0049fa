//! Where a data set lies on a machine.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Where a data set is looked for.
pub(crate) struct Whereabouts {
    /// The name of the data set.
    pub(crate) name: &'static str,
    /// The environment variable that names its folder. Where it is set, no other folder is looked
    /// at.
    pub(crate) variable: &'static str,
    /// Its folder in Keras's cache, if it has one.
    pub(crate) keras: Option<&'static str>,
    /// The folder of Debian's package, if there is one.
    pub(crate) debian: Option<&'static str>,
    /// How to get it.
    pub(crate) help: &'static str,
}

impl Whereabouts {
    /// The first folder that lacks nothing.
    pub(crate) fn find(&self, lack: impl Fn(&Path) -> Option<String>) -> Result<PathBuf> {
        let debian = self.debian.map(Path::new);
        self.find_on(|name| env::var_os(name), env::home_dir(), debian, lack)
    }

    /// The same, given the environment.
    pub(crate) fn find_on(
        &self,
        variable: impl Fn(&str) -> Option<OsString>,
        home: Option<PathBuf>,
        debian: Option<&Path>,
        lack: impl Fn(&Path) -> Option<String>,
    ) -> Result<PathBuf> {
        let variable = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(dir) = variable(self.variable) {
            return Ok(dir);
        }
        let cache = variable("KERAS_HOME").or_else(|| Some(home?.join(".keras")));
        let cache = cache.zip(self.keras).map(|(cache, dir)| cache.join("datasets").join(dir));
        let mut looked_in = Vec::new();
        for dir in cache.into_iter().chain(debian.map(PathBuf::from)) {
            let lack = if dir.is_dir() { lack(&dir) } else { Some("no such folder".to_owned()) };
            match lack {
                None => return Ok(dir),
                Some(lack) => looked_in.push((dir.display().to_string(), lack)),
            }
        }
        Err(Error::DataNotFound { name: self.name, looked_in, help: self.help })
    }
}
