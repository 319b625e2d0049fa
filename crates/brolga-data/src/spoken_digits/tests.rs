use std::fs;
use std::os::unix::fs::PermissionsExt;

use insta::assert_snapshot;
use tempfile::{TempDir, tempdir};

use super::*;

/// A folder with a program of these lines.
fn program(lines: &str) -> TempDir {
    let dir = tempdir().expect("the system has a folder for temporary files");
    let path = dir.path().join("speaker");
    fs::write(&path, format!("#!/bin/sh\n{lines}\n")).expect("the folder can be written to");
    let permissions = fs::Permissions::from_mode(0o755);
    fs::set_permissions(path, permissions).expect("the file is the test's own");
    dir
}

/// What the program gives, or its message, with the test's own folder called DIR.
fn spoken(dir: &TempDir) -> std::result::Result<Audio, String> {
    let program = dir.path().join("speaker").display().to_string();
    let audio = speak_with(&program, "one", &Voice::new("en+f1").speed(120).pitch(60));
    audio.map_err(|error| error.to_string().replace(&dir.path().display().to_string(), "DIR"))
}

#[test]
fn sounds_come_through_a_pipe() {
    let head = "RIFF\\0\\360\\377\\177WAVEfmt \\20\\0\\0\\0\\1\\0\\1\\0\\42\\126\\0\\0\\104\\254\\0\\0\\2\\0\\20\\0data\\0\\360\\377\\177";
    let given = spoken(&program(&format!("printf '{head}\\0\\100\\0\\300'"))).expect("two samples");
    assert_eq!(given.sampling_rate, 22_050);
    assert_eq!(given.samples, ndarray::arr2(&[[0.5], [-0.5]]));
    let arguments = spoken(&program("echo \"$@\" >&2")).expect_err("no sound");
    assert!(arguments.contains("--stdout -v en+f1 -s 120 -p 60 -- one"), "{arguments}");
}

#[test]
fn programs_that_fail() {
    let missing = tempdir().expect("the system has a folder for temporary files");
    assert_snapshot!(spoken(&missing).expect_err("no program"), @r"
    DIR/speaker gives no sound: No such file or directory (os error 2)
      help: install it: apt install espeak-ng    (Debian, Ubuntu)
    ");
    let failing = program("echo 'the specified voice does not exist' >&2; exit 1");
    assert_snapshot!(spoken(&failing).expect_err("no voice"), @r"
    DIR/speaker gives no sound: the specified voice does not exist
      help: `espeak-ng --voices` lists the voices
    ");
    assert_snapshot!(spoken(&program("exit 3")).expect_err("nothing"), @r"
    DIR/speaker gives no sound: exit status: 3
      help: `espeak-ng --voices` lists the voices
    ");
    let other = program("head -c 100 /dev/zero");
    assert_snapshot!(spoken(&other).expect_err("no sound"), @r"
    DIR/speaker gives no sound: its output is no WAV file
      help: install espeak-ng from 1.50 on
    ");
}
