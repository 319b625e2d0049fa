use insta::assert_snapshot;
use serde_json::Value;

use crate::{DENSE, stderr_of, stdout_of};

#[cfg(target_arch = "x86_64")]
#[test]
fn code_stands_beside_its_source() {
    let arguments = ["asm", "-", "dense", "--isa", "avx2"];
    let text = stdout_of(&arguments, DENSE);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    // The stage around the tile is compiled for the host.
    let (_, tile) = text.split_once("\ntile ").unwrap();
    assert_snapshot!("asm_dense_avx2", tile);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn instructions_have_the_nodes_that_they_compute() {
    for isa in ["scalar", "128", "avx2", "avx512"] {
        let text = stdout_of(&["asm", "-", "matmul_add_relu", "--isa", isa, "--json"], DENSE);
        let document: Value = serde_json::from_str(&text).unwrap();
        let kernel = &document["graphs"][0]["kernels"][0];
        let ops: Vec<(&str, &str)> = (kernel["nodes"].as_array().unwrap().iter())
            .map(|node| (node["id"].as_str().unwrap(), node["op"].as_str().unwrap()))
            .collect();
        let functions = kernel["functions"].as_array().unwrap();
        let of = |op: &str| -> Vec<&str> {
            let (id, _) = ops.iter().find(|(_, known)| *known == op).unwrap();
            let lines = functions.iter().flat_map(|each| each["instructions"].as_array().unwrap());
            let own = lines.filter(|line| line["node"] == *id);
            own.map(|line| line["text"].as_str().unwrap()).collect()
        };
        assert!(
            of("add").iter().any(|text| text.contains("adds") || text.contains("addps")),
            "{isa}: {:?}",
            of("add")
        );
        assert!(!of("relu").is_empty(), "{isa}");
        if isa != "128" {
            assert!(
                of("matmul").iter().any(|text| text.contains("fmadd") || text.contains("call")),
                "{isa}: {:?}",
                of("matmul")
            );
        }
    }
}

#[test]
fn kernels_are_named_in_several_ways() {
    for name in ["dense", "dense.forward", "matmul_add_relu", "%0"] {
        let text = stdout_of(&["asm", "-", name], DENSE);
        assert!(text.starts_with("kernel matmul_add_relu of dense"), "{name}: {text}");
    }
    assert_snapshot!(stderr_of(1, &["asm", "-", "conv"], DENSE), @"
    error: there is no kernel `conv`
      help: there are matmul_add_relu (dense.forward), reduce_sum (loss.forward)
    ");
}

#[cfg(unix)]
#[test]
fn profilers_know_layers_and_roles() {
    use std::process::{Command, Stdio};
    let child = Command::new(env!("CARGO_BIN_EXE_brolga"))
        .args(["run", "tiny", "--native", "--threads", "1"])
        .env("BROLGA_PERF_MAP", "1")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let path = format!("/tmp/perf-{}.map", child.id());
    assert!(child.wait_with_output().unwrap().status.success());
    let map = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(map.contains(" dense.forward ") && map.contains(".backward "), "{map}");
    for line in map.lines() {
        let mut words = line.splitn(3, ' ');
        let numbers = [words.next(), words.next()];
        let numbers = numbers.map(|word| u64::from_str_radix(word.unwrap(), 16).unwrap());
        assert!(numbers.iter().all(|&number| number > 0) && words.next().is_some(), "{line}");
    }
}
