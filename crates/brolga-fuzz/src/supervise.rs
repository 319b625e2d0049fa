//! The process that starts workers, and finds the case that killed one.

use std::io::{self, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::target::Target;
use crate::worker::{HANGS, Journal, Task, report, say};

/// The arguments that start this program as a worker.
pub trait Worker: Sync {
    /// The arguments of a worker for these cases that keeps this journal.
    fn arguments(&self, task: &Task, journal: &str) -> Vec<String>;

    /// The arguments of a process that tries one case.
    fn only(&self, case: u64) -> Vec<String>;
}

/// Lets workers try the cases; returns whether all succeed.
///
/// # Errors
/// If this program cannot be started again.
pub fn supervise(target: &dyn Target, worker: &dyn Worker, mut task: Task) -> io::Result<bool> {
    let path = std::env::temp_dir().join(format!("brolga-fuzz-{}", std::process::id()));
    let journal = path.display().to_string();
    let mut well = true;
    while task.skipped.len() < task.most_failures {
        let status = command(target, &worker.arguments(&task, &journal))?.status()?;
        if let Some(code @ (0 | 1)) = status.code() {
            well &= code == 0;
            break;
        }
        let cases = Journal::read(&path)?;
        let Some(&first) = cases.iter().min() else {
            say(&format!("FAILED: the process {} between cases", end(Some(status))));
            well = false;
            break;
        };
        let mut alone = true;
        for &case in &cases {
            let status = command(target, &worker.only(case))?.status()?;
            if status.code() != Some(0) {
                alone = false;
            }
            if !matches!(status.code(), Some(0 | 1)) {
                report(target, case, &Failure::new("process", end(Some(status))), true);
            }
        }
        // A case that ends when it is alone was slow because the machine was busy.
        if alone && status.code() != Some(HANGS) {
            let how = end(Some(status));
            say(&format!(
                "FAILED: the process {how} in one of {cases:?}, none of which does alone"
            ));
        }
        well &= alone && status.code() == Some(HANGS);
        task.skipped.extend(cases);
        task.cases.start = first;
    }
    // If this fails, the system clears its temporary directory.
    let _ = std::fs::remove_file(&path);
    Ok(well && task.skipped.len() < task.most_failures)
}

/// How a process ended.
pub fn end(status: Option<ExitStatus>) -> String {
    match status {
        None => "does not end".to_owned(),
        Some(status) if status.code() == Some(HANGS) => "does not end".to_owned(),
        Some(status) => format!("dies: {status}"),
    }
}

/// This program with these arguments, under the target's limit of memory.
fn command(target: &dyn Target, arguments: &[String]) -> io::Result<Command> {
    let program = std::env::current_exe()?;
    let mut command = match target.memory() {
        None => Command::new(program),
        Some(bytes) => {
            let mut shell = Command::new("sh");
            let script = format!("ulimit -v {} && exec \"$0\" \"$@\"", bytes / 1024);
            shell.arg("-c").arg(script).arg(program);
            shell
        }
    };
    command.args(arguments);
    Ok(command)
}

/// Runs this program with these arguments on a text; `None` if it does not end.
///
/// # Errors
/// If it cannot be started.
pub fn on_text(
    arguments: &[String],
    text: &str,
    patience: Duration,
) -> io::Result<Option<ExitStatus>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // Writing fails if the process dies before it has read the text.
        let _ = stdin.write_all(text.as_bytes());
    }
    until(child, patience)
}

fn until(mut child: Child, patience: Duration) -> io::Result<Option<ExitStatus>> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() > patience + Duration::from_secs(2) {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(1));
    }
}
