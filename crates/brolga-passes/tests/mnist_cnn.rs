//! The training step of the first model.

mod common;

use brolga_passes::{PassManager, optimize, pipeline};
use common::{MNIST, TINY, train_step};

#[test]
fn scratch() {
    let mut graph = train_step(MNIST);
    println!("{graph}");
    let report = optimize(&mut graph);
    println!("{graph}");
    println!("{}", report.unwrap());
}

#[test]
fn every_pass_keeps_the_bits() {
    let mut graph = train_step(TINY);
    let report = PassManager::new(pipeline()).check_each_pass(true).run(&mut graph);
    report.unwrap();
}
