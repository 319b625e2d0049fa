use insta::assert_snapshot;
use serde_json::Value;

use crate::{DENSE, brolga_with};

fn json(code: i32, arguments: &[&str], stdin: &str) -> Value {
    let ran = brolga_with(&[arguments, &["--json"]].concat(), stdin);
    assert_eq!(ran.code, code, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

#[test]
fn wrong_usage_is_a_document_too() {
    let document = json(2, &["run", "-", "--threads", "many"], DENSE);
    assert_snapshot!(format!("{document:#}"), @r#"
    {
      "error": {
        "message": "invalid value 'many' for '--threads <N>': invalid digit found in string\n\nFor more information, try '--help'.",
        "mistakes": []
      }
    }
    "#);
    let nothing = json(2, &[], "");
    assert!(
        nothing["error"]["message"].as_str().is_some_and(|text| text.contains("Usage: brolga"))
    );
}

#[test]
fn verify() {
    assert_snapshot!(json(0, &["verify", "-"], DENSE), @r#"{"graphs":["predict"],"ok":true,"schema":"brolga.verify/1"}"#);
    let wrong = "graph f(%x: f32[2]) {\n  return %y\n}\n";
    assert_snapshot!(format!("{:#}", json(1, &["verify", "-"], wrong)), @r#"
    {
      "error": {
        "message": "<stdin>:2:10: error: `%y` is not defined\n  2 |   return %y\n    |          ^~",
        "mistakes": [
          {
            "column": 10,
            "file": "<stdin>",
            "help": null,
            "length": 2,
            "line": 2,
            "message": "`%y` is not defined",
            "text": "  return %y"
          }
        ]
      },
      "schema": "brolga.verify/1"
    }
    "#);
    assert_snapshot!(json(1, &["verify", "nowhere"], ""), @r#"{"error":{"message":"there is no model and no file `nowhere`\n  help: the models are mnist_cnn, mlp, tiny; a file is an IR text, a model that ends in .onnx, .keras or .h5, or a record that ends in .brolga, and - is standard input","mistakes":[]},"schema":"brolga.verify/1"}"#);
}

#[test]
fn opt() {
    let document = json(0, &["opt", "-", "--print-changed"], DENSE);
    let graph = &document["graphs"][0];
    assert_eq!(graph["text"], brolga_with(&["opt", "-"], DENSE).stdout);
    let passes = graph["passes"].as_array().unwrap();
    let last = passes.last().unwrap();
    assert_eq!(last["name"], "outline");
    assert!(last["microseconds"].is_number());
    let changed = |pass: &&Value| pass["changed"] == true;
    assert_eq!(graph["changed"].as_array().unwrap().len(), passes.iter().filter(changed).count());
    assert!(
        graph["rewrites"].as_array().unwrap().iter().all(|rewrite| rewrite["reason"].is_string())
    );
}

#[test]
fn run() {
    let text = "graph f(%x: f32[2], state %n: i32[]) {\n  return %x, %n => %n\n}\n";
    let arguments = ["run", "-", "--input", "x=[1.5,nan]", "--input", "n=3", "--check"];
    assert_snapshot!(format!("{:#}", json(0, &arguments, text)), @r#"
    {
      "graphs": [
        {
          "backend": "interpreter",
          "differences": [],
          "name": "f",
          "outputs": [
            {
              "checksum": "784d0620ce71b3e5",
              "name": "%x",
              "replaces": null,
              "type": "f32[2]",
              "values": [
                1.5,
                "nan"
              ]
            },
            {
              "checksum": "f54f26b79b09df86",
              "name": "%n",
              "replaces": "%n",
              "type": "i32[]",
              "values": [
                3
              ]
            }
          ]
        }
      ],
      "schema": "brolga.run/1"
    }
    "#);
    let large = "graph f(%x: f32[1001]) {\n  return %x\n}\n";
    assert!(json(0, &["run", "-"], large)["graphs"][0]["outputs"][0]["values"].is_null());
}

#[test]
fn dump() {
    let document = json(0, &["dump", "-", "--stage", "traced", "--layer", "activation"], DENSE);
    assert_snapshot!(format!("{document:#}"), @r#"
    {
      "graphs": [
        {
          "name": "predict",
          "nodes": [
            {
              "layer": "activation",
              "op": "relu",
              "operands": [
                "%1"
              ],
              "results": [
                {
                  "name": "%2",
                  "type": "f32[2,5]"
                }
              ],
              "role": "forward",
              "text": "%2: f32[2,5] = relu %1   @activation"
            }
          ],
          "text": "// graph predict, a filtered view: 1 of 4 nodes (layer activation)\n%2: f32[2,5] = relu %1   @activation\n"
        }
      ],
      "schema": "brolga.dump/1",
      "stage": "traced"
    }
    "#);
    let kernels = json(0, &["dump", "-", "--stage", "kernels"], DENSE);
    let kernel = &kernels["graphs"][0]["kernels"][0];
    assert_eq!(kernel["kind"], "contraction");
    assert_eq!(kernel["operands"][0]["type"], "f32[2,3]");
    assert!(kernel["nests"][0].is_string() && kernel["tiles"][0].is_string());
    let asm = json(0, &["dump", "-", "--stage", "asm"], DENSE);
    assert!(asm["graphs"][0]["kernels"][0]["assembly"][0].is_string());
}
