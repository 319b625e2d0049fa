//! The commands that show, compare and question programs.

use std::fs;
use std::path::Path;
use std::process::Command;

use insta::assert_snapshot;
use serde_json::Value;

use crate::{DENSE, brolga, brolga_with, stderr_of, stdout_of};

/// The commands that there are, by the help.
fn commands() -> Vec<String> {
    let help = stdout_of(&["--help"], "");
    let listed = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = listed.lines().filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn every_command_has_an_example() {
    let commands = commands();
    assert!(commands.len() >= 18, "{commands:?}");
    for command in commands {
        let help = stdout_of(&[&command, "--help"], "");
        assert!(help.contains("Example"), "{command}: {help}");
        assert!(help.contains(&format!("brolga {command} ")), "{command}: {help}");
    }
}

#[test]
fn shells_and_man_know_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = stdout_of(&["completions", shell], "");
        for command in commands() {
            assert!(script.contains(&command), "{shell}: {command}");
        }
    }
    let page = stdout_of(&["manual"], "");
    assert!(page.starts_with(".ie") || page.contains(".TH brolga 1"), "{page}");
    for command in commands() {
        assert!(stdout_of(&["manual", &command], "").contains(".SH"), "{command}");
    }
    assert!(stderr_of(1, &["manual", "frobnicate"], "").contains("help: there are asm, assert, "));
}

#[test]
fn documents_have_a_schema() {
    let folder = tempfile::tempdir().unwrap();
    let record = path(folder.path(), "run.brolga");
    let file = path(folder.path(), "dense.ir");
    fs::write(&file, DENSE).unwrap();
    for (arguments, name) in [
        (&["record", "tiny", "--output", &record][..], "record"),
        (&["log", &record], "log"),
        (&["show", &record], "show"),
        (&["show", &record, "--stage", "kernels"], "show"),
        (&["show", &record, "--stage", "clif"], "show"),
        (&["show", &record, "--stage", "plan"], "show"),
        (&["show", &record, "--stage", "sizes"], "show"),
        (&["show", &record, "--stages"], "show"),
        (&["diff", &record, &file], "diff"),
        (&["blame", &file, "%0"], "blame"),
        (&["why-fused", &file, "%0", "%1"], "why-fused"),
        (&["assert", &file, "kernels > 0"], "assert"),
        (&["bisect", &file], "bisect"),
        (&["bisect", &file, "--against", &file], "bisect"),
        (&["reduce", &file, "--command", "exit 7"], "reduce"),
        (&["verify", &file], "verify"),
        (&["opt", &file], "opt"),
        (&["run", &file], "run"),
        (&["dump", &file], "dump"),
        (&["completions", "bash"], "completions"),
        (&["manual"], "manual"),
    ] {
        let ran = brolga(&[arguments, &["--json"]].concat());
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.stderr);
        let document: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(document["schema"], format!("brolga.{name}/1"), "{arguments:?}");
    }
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

#[test]
fn a_record_stands_for_its_model() {
    let folder = tempfile::tempdir().unwrap();
    let record = path(folder.path(), "run.brolga");
    stdout_of(&["record", "mlp", "--batch", "8", "-o", &record], "");
    for rest in [
        &["log", "--no-time", "--all"][..],
        &["show", "--stage", "fuse_updates", "--ids"],
        &["show", "--stages"],
        &["dump", "--stage", "traced"],
        &["dump", "--stage", "grad"],
        &["dump"],
        &["blame", "%0", "--stage", "grad"],
        &["why-fused", "%0", "%1"],
        &["assert", "kernels > 3", "fused(dense, relu)"],
    ] {
        let with = |subject: &[&str]| {
            let ran = brolga(&[&rest[..1], subject, &rest[1..]].concat());
            (ran.code, ran.stdout, ran.stderr)
        };
        assert_eq!(with(&[&record]), with(&["mlp", "--batch", "8"]), "{rest:?}");
    }
    let same = stdout_of(&["diff", &record, "mlp", "--batch", "8", "--exit-code"], "");
    assert!(same.contains("the same"), "{same}");
    assert_snapshot!(stderr_of(1, &["show", &record, "--batch", "9"], "").replace(&record, "run.brolga"), @"
    error: the record `run.brolga` has no such program
      help: it has train_step for a batch of 8
    ");
    let anew = stderr_of(1, &["dump", &record, "--stage", "clif"], "");
    assert!(anew.contains("brolga show has the kernels"), "{anew}");
}

#[test]
fn files_that_are_no_records_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let record = path(folder.path(), "run.brolga");
    let error = |bytes: &[u8]| {
        fs::write(&record, bytes).unwrap();
        stderr_of(1, &["log", &record], "").replace(&record, "run.brolga")
    };
    assert_snapshot!(error(DENSE.as_bytes()), @"
    error: `run.brolga` is no record of Brolga
      help: BROLGA_RECORD=run.brolga makes a program write one
    ");
    assert_snapshot!(error(b"\x89BROLGA\n\x01\0\0\0"), @"error: the record `run.brolga` is damaged: it has no section `MACH`");
    assert!(stderr_of(1, &["log", "none.brolga"], "").contains("`none.brolga`: "));
    assert_snapshot!(stderr_of(1, &["record", "tiny", "-o", "run.txt"], ""), @"
    error: `run.txt` does not end in .brolga
      help: that ending tells records from texts
    ");
}

#[test]
fn differences_are_small_where_little_changes() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = ("a.ir", "b.ir");
    fs::write(folder.path().join(a), DENSE).unwrap();
    // A further node in front of another: only what reads it changes.
    let more = DENSE.replace(
        "  %2: f32[2,5] = relu %1   @activation\n",
        "  %9: f32[2,5] = tanh %1   @activation\n  %2: f32[2,5] = relu %9   @activation\n",
    );
    fs::write(folder.path().join(b), more).unwrap();
    let diff = |arguments: &[&str]| {
        let ran = Command::new(env!("CARGO_BIN_EXE_brolga"))
            .arg("diff")
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        format!("{}{}{}", text(ran.stderr), text(ran.stdout), ran.status.code().unwrap())
    };
    let at = |file: &str| format!("{file}@traced");
    assert_snapshot!("diff_insert", diff(&[&at(a), &at(b), "--exit-code"]));
    assert_snapshot!("diff_insert_optimized", diff(&[a, b]));
    assert_snapshot!("diff_colours", diff(&[&at(a), &at(b), "--color", "always"]));
    assert_snapshot!("diff_pass", diff(&[&format!("{a}@fuse_matmul")]));
    assert_snapshot!("diff_same", diff(&[a, a, "--exit-code"]));
    let unknown = diff(&[&format!("{a}@llvm"), b]);
    assert!(
        unknown
            .starts_with("error: `predict` has no stage `llvm`\n  help: its stages are traced, ")
    );
    assert!(diff(&[a]).contains("nothing to be compared with"));
    assert!(diff(&[&at(a)]).contains("`traced` is the first stage"));
}

#[test]
fn the_life_of_a_node() {
    let text = "graph f(%x: f32[4]) {
  %0: f32[] = constant {value=1}   @scale
  %1: f32[4] = mul %x, %0   @scale
  %2: f32[4] = exp %1   @a
  %3: f32[4] = exp %1   @b
  %4: f32[4] = add %2, %3   @sum
  return %4
}
";
    let blame = |value: &str| stdout_of(&["blame", "-", value, "--stage", "traced"], text);
    assert_snapshot!("blame_removed", blame("%1"));
    assert_snapshot!("blame_shared", blame("%3"));
    assert_snapshot!("blame_fused", blame("%4"));
    assert_snapshot!("blame_kernel", stdout_of(&["blame", "-", "%0"], text));
    let unknown = stderr_of(1, &["blame", "-", "%9"], text);
    assert!(unknown.contains("`f` has no value `%9` at the stage `optimized`"), "{unknown}");
    let unknown = stderr_of(1, &["blame", "-", "n99"], text);
    assert!(unknown.contains("no stage of `f` has a node `n99`"), "{unknown}");
}

#[test]
fn why_and_why_not() {
    let text = "graph f(%x: f32[4,6], %w: f32[6,3], %s: f32[4,1]) {
  %0: f32[4,3] = matmul %x, %w   @dense
  %1: f32[4,3] = mul %0, %s   @scale
  %2: f32[4,3] = exp %1   @scale
  return %0, %2
}
";
    assert_snapshot!("why_fused", stdout_of(&["why-fused", "-", "%1", "%2"], text));
    assert_snapshot!("why_not_fused", stdout_of(&["why-not-fused", "-", "%0", "%1"], text));
    assert_snapshot!("why_not_connected", stdout_of(&["why-not-fused", "-", "%0", "%2"], text));
    // The question is wrong: the answer stands all the same.
    let ran = brolga_with(&["why-fused", "-", "%0", "%1"], text);
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("are not in one kernel"), "{}", ran.stdout);
    assert_eq!(brolga_with(&["why-not-fused", "-", "%1", "%2"], text).code, 1);
}

#[test]
fn assertions_say_why() {
    let checks =
        ["fused(matmul, relu)", "kernels == 2", "nodes(backward) < 1", "not fused(dense, loss)"];
    let ran = brolga_with(&[&["assert", "-"], &checks[..]].concat(), DENSE);
    assert_snapshot!("assert", format!("{}{}{}", ran.stdout, ran.stderr, ran.code));
    let failed =
        ["fused(matmul, reduce_sum)", "kernels > 9", "flops(matmul) >= 1M", "states < 1KiB"];
    let ran = brolga_with(&[&["assert", "-", "--threads", "1"], &failed[..]].concat(), DENSE);
    assert_snapshot!("assert_failed", format!("{}{}{}", ran.stdout, ran.stderr, ran.code));
    let unknown = stderr_of(1, &["assert", "-", "fused(conv9, relu)"], DENSE);
    assert!(unknown.contains("has no op and no layer `conv9`"), "{unknown}");
}

#[test]
fn checks_have_names_relations_and_units() {
    for check in [
        "peak < 4MiB",
        " nodes(forward)<=40 ",
        "flops(dense) >= 0.05 k",
        "not flops(dense) >= 1.5 G",
        "states == 128 B",
        "not not kernels != 3",
        "fused( dense , relu )",
        "rewrites(fuse_matmul) == 1",
        "code > 0",
    ] {
        let ran = brolga_with(&["assert", "-", check], DENSE);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
    }
    let wrong = [
        "node < 4",
        "nodes ~ 4",
        "nodes < many",
        "fused(a,",
        "peak(dense) < 4",
        "kernels == 9 x",
        "",
    ];
    let errors = wrong.map(|check| stderr_of(1, &["assert", "-", check], DENSE));
    assert_snapshot!("assert_wrong", errors.concat());
}

#[test]
fn lines_fit_a_terminal() {
    for arguments in [
        &["log", "mnist_cnn"][..],
        &["diff", "mnist_cnn@grad", "mnist_cnn"],
        &["blame", "mnist_cnn", "%0"],
        &["why-not-fused", "mnist_cnn", "%0", "%9"],
        &["show", "mnist_cnn", "--stages"],
        &["show", "mnist_cnn", "--stage", "sizes"],
    ] {
        let text = stdout_of(arguments, "");
        let long = text.lines().find(|line| line.chars().count() > 80);
        assert_eq!(long, None, "{arguments:?}");
        assert!(!text.contains('\u{1b}'), "{arguments:?}");
    }
}

#[test]
fn versions_are_bisected_by_their_rewrites() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (path(folder.path(), "a.ir"), path(folder.path(), "b.ir"));
    fs::write(&a, DENSE).unwrap();
    fs::write(&b, DENSE.replace("relu %1", "cumsum %1 {axis=0, exclusive=false, reverse=false}"))
        .unwrap();
    let ran = brolga(&["bisect", &a, "--against", &b]);
    assert_snapshot!("bisect_against", format!("{}{}{}", ran.stdout, ran.stderr, ran.code));
    assert_snapshot!(stdout_of(&["bisect", &a, "--against", &a], ""), @"predict: both versions make the same 2 rewrites");
    assert_snapshot!(stdout_of(&["bisect", &a], ""), @"predict: all rewrites keep the bits of all outputs");
}

#[test]
fn graphs_are_reduced_by_a_command() {
    let command = "grep -q 'relu' && exit 3 || exit 0";
    let ran = brolga_with(&["reduce", "-", "--command", command], DENSE);
    assert_snapshot!("reduce", format!("{}{}{}", ran.stdout, ran.stderr, ran.code));
    for check in ["passes", "native"] {
        let right = stderr_of(1, &["reduce", "-", "--check", check], DENSE);
        assert!(right.contains("graph `predict` does not fail"), "{right}");
    }
}
