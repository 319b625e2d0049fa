//! `docs/ir.md` lists all ops with their attributes.

use std::collections::BTreeMap;
use std::path::Path;

use brolga_ir::{Op, parse_graph, parse_module};

const IR: &str = include_str!("../../../../docs/ir.md");

/// The rows of the tables of ops: the link and the attributes of each op.
fn rows() -> BTreeMap<&'static str, (&'static str, Vec<&'static str>)> {
    let row = |line: &'static str| {
        let (name, rest) = line.strip_prefix("| [`")?.split_once("`](")?;
        let (link, rest) = rest.split_once(')')?;
        let cell = rest.split('|').nth(2)?;
        let attributes = cell.split(',').map(|name| name.trim_matches(['`', ' ']));
        Some((name, (link, attributes.filter(|name| !name.is_empty()).collect())))
    };
    IR.lines().filter_map(row).collect()
}

/// The attributes of an op, from the parser's message about an unknown one.
fn attributes(op: &str) -> Vec<String> {
    let body = if op == "kernel" { " k() { return }" } else { "" };
    let text = format!("graph f() {{\n  %0: f32[] = {op} {{zzzzzzzz=0}}{body}\n  return\n}}");
    let errors = parse_module(&text, "<input>").expect_err("no op has this attribute");
    let help = errors.errors()[0].help.clone().unwrap_or_default();
    let Some(list) = help.strip_prefix("the attributes are ") else { return Vec::new() };
    let mut list: Vec<String> = list.split(", ").map(str::to_owned).collect();
    list.sort();
    list
}

#[test]
fn every_op_has_its_row() {
    let rows = rows();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for name in Op::NAMES {
        let (link, given) =
            rows.get(name).unwrap_or_else(|| panic!("docs/ir.md has no row for `{name}`"));
        assert!(directory.join(link).is_file(), "`{name}`: {link} is no file");
        assert!(link.ends_with(&format!("/{name}.rs")), "`{name}`: {link}");
        match *name {
            "parameter" => assert!(given.is_empty()),
            "constant" => assert_eq!(*given, ["value"]),
            "kernel" => assert_eq!(*given, ["kind"]),
            name => assert_eq!(*given, attributes(name), "the attributes of `{name}`"),
        }
    }
    assert_eq!(rows.len(), Op::NAMES.len(), "there are rows of ops that do not exist");
}

#[test]
fn examples_are_printed_as_they_stand() {
    let blocks: Vec<&str> =
        IR.split("```ir\n").skip(1).filter_map(|b| b.split("```").next()).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        let graph = parse_graph(block, "docs/ir.md").unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(graph.to_string(), block);
    }
}

#[test]
fn the_mistake_shown_is_the_one_given() {
    let text =
        "graph f(%x: f32[2]) {\n  %0: f32[2] = relu %x\n  %1: f32[2] = rleu %0\n  return %1\n}";
    let errors = parse_graph(text, "model.ir").expect_err("there is no such op").to_string();
    assert!(IR.contains(&errors), "{errors}");
}
