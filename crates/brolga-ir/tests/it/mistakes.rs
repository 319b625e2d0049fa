//! The messages for mistakes in texts, by kind of mistake.

mod attributes;
mod bodies;
mod characters;
mod constants;
mod functions;
mod graphs;
mod outputs;
mod reports;
mod statements;
mod types;

use brolga_ir::parse_module;

/// The rendered errors of a text.
fn errors(text: &str) -> String {
    match parse_module(text, "<input>") {
        Ok(module) => panic!("there is no mistake:\n{module}"),
        Err(errors) => errors.to_string(),
    }
}

/// The rendered errors of a graph with this body.
fn body(body: &str) -> String {
    let inputs = "%x: f32[2], %n: i32[2], %m: f32[2,3], %i: f32[1,2,2,1], state %s: f32[3]";
    errors(&format!("graph f({inputs}) {{\n  {body}\n}}\n"))
}

/// The rendered errors of a statement.
fn statement(statement: &str) -> String {
    body(&format!("{statement}\n  return %x"))
}

/// The rendered errors of `return` with these values.
fn returned(values: &str) -> String {
    body(&format!("return {values}"))
}
