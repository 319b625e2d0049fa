use std::io::Read;
use std::process::{Command, Stdio};

use insta::assert_snapshot;

use crate::{brolga, stderr_of, stdout_of};

#[test]
fn wrong_usage_exits_with_two() {
    for arguments in [
        &[][..],
        &["frobnicate"],
        &["dump"],
        &["dump", "mlp", "--stage", "llvm"],
        &["run", "-", "--input", "x"],
    ] {
        let ran = brolga(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(
            ran.stderr.contains("Usage: brolga") || ran.stderr.contains("error: "),
            "{}",
            ran.stderr
        );
    }
    assert_snapshot!(stderr_of(2, &["dump", "mlp", "--role", "sideways"], ""), @"
    error: invalid value 'sideways' for '--role <forward|backward|update>': the roles are forward, backward, update

    For more information, try '--help'.
    ");
}

#[test]
fn help_is_a_result() {
    let help = stdout_of(&["--help"], "");
    for command in ["dump", "opt", "run", "test", "verify"] {
        assert!(help.contains(&format!("\n  {command}")), "{help}");
        assert!(stdout_of(&[command, "--help"], "").contains("--json"));
    }
    assert!(stdout_of(&["--version"], "").starts_with("brolga "));
}

#[test]
fn who_stops_reading_makes_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_brolga"))
        .args(["dump", "mlp", "--stage", "grad", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let status = child.wait().unwrap();
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((status.code(), stderr.as_str()), (Some(0), ""));
}
