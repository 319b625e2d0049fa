//! Processes that are killed while they save: the file is whole each time, and what they leave is
//! taken over by the next save.

#![cfg(unix)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use brolga_nn::prelude::*;
use brolga_runtime::Backend;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The variable that tells a process to save without end, and where to.
const PATH: &str = "BROLGA_SAVES_TO";

/// Some 3 MB of weights.
fn model() -> Result<Sequential> {
    let mut model = Sequential::new();
    model.add(Input::new([900]));
    model.add(Dense::new(900));
    model.compile(Compile::new().loss("mse").backend(Backend::Interpreter))?;
    Ok(model)
}

/// How long a saver may take until its first save on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts this test anew, which then saves without end.
fn saver(path: &Path) -> Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--exact", NAME]).env(PATH, path);
    Ok(command.stdout(std::process::Stdio::null()).spawn()?)
}

fn names(folder: &Path) -> Result<BTreeSet<String>> {
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    Ok(fs::read_dir(folder)?.map(|entry| entry.map(name)).collect::<std::io::Result<_>>()?)
}

/// Kills two savers of one file after the first save of this round: at some time, and in every
/// other round while one of them writes.
fn kill_while_saving(path: &Path, round: u32) -> Result {
    let before = fs::metadata(path)?.modified()?;
    let mut savers = [saver(path)?, saver(path)?];
    let begin = Instant::now();
    while fs::metadata(path)?.modified()? == before {
        assert!(begin.elapsed() < PATIENCE, "nothing is saved");
        thread::sleep(Duration::from_millis(1));
    }
    if round.is_multiple_of(2) {
        let folder = path.parent().ok_or("no folder")?;
        while names(folder)?.len() == 1 && begin.elapsed() < PATIENCE {
            thread::yield_now();
        }
    } else {
        thread::sleep(Duration::from_micros(u64::from(round) * 1370 % 20_000));
    }
    savers.iter_mut().try_for_each(Child::kill)?;
    savers.iter_mut().try_for_each(|saver| saver.wait().map(drop))?;
    Ok(())
}

const NAME: &str = "the_file_is_whole_and_nothing_stays_longer_than_to_the_next_save";

#[test]
fn the_file_is_whole_and_nothing_stays_longer_than_to_the_next_save() -> Result {
    let mut model = model()?;
    if let Some(path) = std::env::var_os(PATH) {
        loop {
            model.save_state(&path)?;
        }
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("state.safetensors");
    model.save_state(&path)?;
    let mut left_over = 0;
    for round in 0..50 {
        kill_while_saving(&path, round)?;
        model.load_state(&path)?;
        let names = names(folder.path())?;
        left_over += names.len() - 1;
        assert!(names.len() <= 2, "{names:?}");
        if round >= 9 && left_over >= 3 {
            break;
        }
    }
    assert!(left_over >= 3, "no process was killed while it wrote");
    model.save_state(&path)?;
    assert_eq!(names(folder.path())?, BTreeSet::from(["state.safetensors".to_owned()]));
    Ok(())
}
