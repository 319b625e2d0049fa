use std::collections::HashSet;

use insta::assert_snapshot;
use serde_json::Value;

use crate::{DENSE, stderr_of, stdout_of};

#[test]
fn a_box_is_a_kernel_or_a_layer() {
    assert_snapshot!(
        "dot_kernels",
        stdout_of(&["dump", "-", "--stage", "dot", "--wrt", "x"], DENSE)
    );
    let layers = stdout_of(&["dump", "-", "--stage", "dot", "--of", "grad"], DENSE);
    assert_snapshot!("dot_layers", layers);
}

#[test]
fn boxes_are_opened() {
    let open = |name: &str| {
        let arguments = ["dump", "-", "--stage", "dot", "--of", "grad", "--expand", name];
        stdout_of(&arguments, DENSE)
    };
    let dense = open("dense");
    assert_eq!(dense.matches("subgraph cluster_").count(), 2, "{dense}");
    assert_eq!(open("dense.backward").matches("subgraph cluster_").count(), 1);
    let kernel = stdout_of(&["dump", "-", "--stage", "dot", "--expand", "matmul_add_relu"], DENSE);
    assert!(kernel.contains("relu\\nf32[2,5]"), "{kernel}");
    let arguments = ["dump", "-", "--stage", "dot", "--of", "traced", "--expand", "conv2d"];
    assert_snapshot!(stderr_of(1, &arguments, DENSE), @"
    error: no box of `predict` is named `conv2d`
      help: there are activation.forward, dense.forward, loss.forward
    ");
    assert_snapshot!(stderr_of(1, &["dump", "-", "--expand", "dense"], DENSE), @"
    error: --expand is for --stage dot without --detailed
      help: use it with that stage
    ");
}

#[test]
fn edges_lead_from_box_to_box() {
    let picture = stdout_of(&["dump", "mlp", "--stage", "dot"], "");
    let declared: HashSet<&str> = (picture.lines())
        .filter(|line| line.contains("[label="))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    for line in picture.lines().filter(|line| line.contains(" -> ")) {
        let (from, to) = line.trim().split_once(" -> ").unwrap();
        let to = to.split(' ').next().unwrap();
        assert!(declared.contains(from) && declared.contains(to), "{line}");
    }
}

#[test]
fn model_explorer_reads_the_graph() {
    let arguments = ["dump", "-", "--stage", "model-explorer", "--wrt", "x"];
    let document: Value = serde_json::from_str(&stdout_of(&arguments, DENSE)).unwrap();
    let nodes = document[0]["graphs"][0]["nodes"].as_array().unwrap();
    let ids: HashSet<&str> = nodes.iter().map(|node| node["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), nodes.len(), "identities are unique");
    for edge in nodes.iter().flat_map(|node| node["incomingEdges"].as_array().unwrap()) {
        assert!(ids.contains(edge["sourceNodeId"].as_str().unwrap()), "{edge}");
    }
    assert!(nodes.iter().any(|node| node["namespace"] == "forward/dense"));
    assert_snapshot!(
        "model_explorer",
        stdout_of(&["dump", "-", "--stage", "model-explorer", "--of", "traced"], DENSE)
    );
}
