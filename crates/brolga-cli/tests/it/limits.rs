//! Inputs of any size under a limited address space: results or errors, never the end of the
//! process.

use std::fs;
use std::process::{Command, Stdio};

/// 600 MiB, of which the command itself takes some 100 with its threads.
const KIB: &str = "614400";

/// The exit code and the standard error.
fn limited(arguments: &[&str], stdin: &str) -> (i32, String) {
    let script = format!("ulimit -v {KIB}; exec \"$0\" \"$@\"");
    let mut child = Command::new("sh")
        .args(["-c", &script, env!("CARGO_BIN_EXE_brolga")])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (
        output.status.code().unwrap_or_else(|| panic!("{arguments:?}: {}: {text}", output.status)),
        text,
    )
}

/// Fails unless the command gives a result or an error about memory.
fn survives(arguments: &[&str], stdin: &str) -> bool {
    let (code, text) = limited(arguments, stdin);
    let memory = ["of memory", "no memory", "MiB", "out of memory"];
    let told = memory.iter().any(|word| text.contains(word));
    assert!(code == 0 || code == 1 && told, "{arguments:?} with {stdin}: {code}: {text}");
    code == 0
}

#[test]
fn values_of_any_size_are_results_or_errors() {
    let texts: [fn(usize) -> String; 6] = [
        |n| format!("graph f() {{ %0: f32[{n}] = constant {{value=1}} return %0 }}"),
        |n| format!("graph f() {{ %0: u8[{n}] = iota {{axis=0}} return %0 }}"),
        |n| format!("graph f(%x: f32[{n}]) {{ %0: f32[{n}] = neg %x return %0 }}"),
        |n| {
            format!(
                "graph f(%x: bool[{n}]) {{ %0: bool[{n}] = reverse %x {{axes=[0]}} return %0 }}"
            )
        },
        |n| {
            format!(
                "graph f(%x: i32[1]) {{ %0: f32[1,{n}] = one_hot %x {{depth={n}, dtype=\"f32\"}} return %0 }}"
            )
        },
        |n| {
            format!(
                "graph f(%x: f32[1], %y: f32[{n}]) {{ %0: f32[{n}] = add %x, %y %1: f32[] = reduce_sum %0 {{axes=[0], keepdims=false}} return %1 }}"
            )
        },
    ];
    for text in texts {
        let mut results = vec![];
        for n in [1 << 10, 1 << 22, 1 << 24, 1 << 25, 1 << 26, 1 << 27, 1 << 29, 1 << 36, 1 << 43] {
            results.push(survives(&["run", "-"], &text(n)));
        }
        assert!(results[0] && !results[8], "{results:?}");
        let huge = text(1 << 36);
        let unlimited = ["run", "-", "--memory-limit", "18446744073709551615"];
        assert!(!survives(&unlimited, &huge));
        if huge.contains("%x") {
            assert!(!survives(&[&unlimited[..], &["--input", "x=1"]].concat(), &huge));
        }
        assert_eq!(limited(&["verify", "-"], &huge).0, 0);
        assert_eq!(limited(&["opt", "-"], &huge).0, 0);
        survives(&["opt", "-", "--check-each-pass"], &huge);
    }
}

#[test]
fn native_code_gets_its_memory_or_an_error() {
    let text = |n: usize| format!("graph f(%x: f32[{n}]) {{ %0: f32[{n}] = neg %x return %0 }}");
    let arguments = ["run", "-", "--native", "--threads", "2"];
    assert!(survives(&arguments, &text(1 << 10)));
    for n in [1 << 22, 1 << 25, 1 << 27, 1 << 36] {
        survives(&arguments, &text(n));
    }
    let constant = "graph f() { %0: f32[1000000000000] = constant {value=1} return %0 }";
    let unlimited = [&arguments[..], &["--memory-limit", "18446744073709551615"]].concat();
    assert!(!survives(&unlimited, constant));
}

#[test]
fn files_that_claim_more_than_they_have() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("huge.npy").display().to_string();
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (250000000000,), }";
    let length = (header.len() as u16).to_le_bytes();
    fs::write(&path, [b"\x93NUMPY\x01\0".as_slice(), &length, header.as_bytes()].concat()).unwrap();
    let graph = "graph f(%x: f32[2]) { return %x }";
    let (code, text) = limited(&["run", "-", "--input", &format!("x={path}")], graph);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("float32[250000000000] takes 1000000000000 bytes, the file has 0"),
        "{text}"
    );
    // A sparse file of 1 TiB, of which no byte is on the disk.
    let sparse = folder.path().join("sparse.npy");
    fs::File::create(&sparse).unwrap().set_len(1 << 40).unwrap();
    assert!(!survives(&["run", "-", "--input", &format!("x={}", sparse.display())], graph));
    assert!(!survives(&["verify", &sparse.display().to_string()], ""));
}

#[cfg(target_os = "linux")]
#[test]
fn files_without_an_end() {
    assert!(!survives(&["verify", "/dev/zero"], ""));
    let folder = tempfile::tempdir().unwrap();
    let endless = folder.path().join("endless.npy");
    std::os::unix::fs::symlink("/dev/zero", &endless).unwrap();
    let input = format!("x={}", endless.display());
    assert!(!survives(&["run", "-", "--input", &input], "graph f(%x: f32[2]) { return %x }"));
}
