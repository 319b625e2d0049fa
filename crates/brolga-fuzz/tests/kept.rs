//! Graphs that once failed, by all comparisons.

use std::fs;
use std::path::Path;

use brolga_fuzz::compare::examine;
use brolga_fuzz::plan::Plan;
use brolga_ir::parse_module;

#[test]
fn graphs_that_failed_once_do_not_fail_again() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kept");
    let mut count = 0;
    for entry in fs::read_dir(directory).expect("the directory is there") {
        let path = entry.expect("the directory can be read").path();
        let text = fs::read_to_string(&path).expect("the file can be read");
        let name = path.display().to_string();
        let module = parse_module(&text, &name).unwrap_or_else(|errors| panic!("{errors}"));
        for graph in &module.graphs {
            count += 1;
            examine(graph, &Plan::all(), 0).unwrap_or_else(|failure| panic!("{name}: {failure}"));
        }
    }
    assert!(count > 0, "there are kept graphs");
}
