//! Records are read as they were written, and damaged ones are errors.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use brolga_codegen::compile_described;
use brolga_ir::{Graph, TextOptions, Tracer, Type, Var};
use brolga_record::{Program, Record, RecordError, Recorder, Sink, VERSION};
use brolga_runtime::{Options, Planned, StateLayout};
use proptest::prelude::*;

const IDS: TextOptions = TextOptions { locations: true, ids: true };

/// The loss of a dense layer, and its weights.
fn loss(t: &Tracer) -> (Var, [Var; 2]) {
    let x = t.input("x", Type::f32([4, 3]));
    let (w, b) = (t.state("w", Type::f32([3, 5])), t.state("b", Type::f32([5])));
    let _layer = t.enter("dense");
    let loss = (x.matmul(&w) + &b).relu().reduce_sum(&[0, 1], false);
    t.output(&loss);
    (loss, [w, b])
}

/// The loss, and a step of gradient descent.
fn step() -> (Graph, Graph) {
    let traced = Tracer::new("loss");
    drop(loss(&traced));
    let t = Tracer::new("train_step");
    {
        let (loss, weights) = loss(&t);
        let gradients = brolga_autodiff::gradients(&t, &loss, &weights).unwrap();
        for (weight, gradient) in weights.iter().zip(&gradients) {
            t.update(weight, &(weight - gradient * 0.5));
        }
    }
    (traced.finish().unwrap(), t.finish().unwrap())
}

fn record() -> (Record, Vec<(&'static str, Graph)>) {
    let (traced, mut graph) = step();
    let mut recorder = Recorder::new("train_step", Some(4));
    recorder.stage("traced", &traced);
    recorder.stage("grad", &graph);
    let mut graphs = vec![("traced", traced), ("grad", graph.clone())];
    recorder.optimize(&mut graph).unwrap();
    let layout = StateLayout::of_graphs([&graph]).unwrap();
    let options = Options { threads: 2, ..Options::default() };
    let planned = Planned::new(&graph, &layout, &options, |graph, options| {
        let described = compile_described(graph, options)?;
        recorder.code(graph, &described, options.isa()?.name());
        Ok(described.compiled)
    });
    recorder.plan(planned.unwrap().plan());
    graphs.push(("optimized", graph));
    (Record::of(vec![recorder.finish()]), graphs)
}

fn error(bytes: &[u8]) -> RecordError {
    Record::from_bytes(bytes, "run.brolga").unwrap_err()
}

#[test]
fn what_was_written_is_read() {
    let (record, graphs) = record();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.brolga");
    record.write(&path).unwrap();
    let again = Record::read(&path).unwrap();
    assert_eq!(again, record);
    let program = &again.programs[0];
    for (stage, graph) in graphs {
        let read = program.graph(stage).unwrap().unwrap();
        assert_eq!(read.to_text(&IDS), graph.to_text(&IDS), "{stage}");
    }
    let sizes = program.sizes();
    let distinct: usize = program.functions.iter().map(|function| function.code.len()).sum();
    assert_eq!((sizes.kernels, sizes.code), (program.kernels.len(), distinct));
    let memory = program.plan.as_ref().unwrap().memory();
    assert_eq!((sizes.arena, sizes.states), (memory.arena, memory.states));
    assert!(sizes.kernels > 0 && sizes.code > 0 && sizes.arena > 0 && sizes.states >= 4 * 20);
}

/// If this fails after a change, older records can no longer be read: then [`VERSION`] has to
/// change, and the file to be recorded again, by `brolga record tiny --program predict --isa 128
/// --threads 1`.
#[test]
fn records_of_this_version_stay_readable() {
    let kept = include_bytes!("files/version_1.brolga");
    let record = Record::from_bytes(kept, "version_1.brolga").unwrap();
    assert_eq!(VERSION, 1);
    let program = &record.programs[0];
    assert_eq!((program.name.as_str(), program.batch), ("predict", Some(32)));
    for stage in program.stage_names() {
        program.graph(&stage).unwrap().unwrap();
    }
    assert_eq!((program.kernels.len(), program.isa.as_deref()), (2, Some("128")));
    assert!(program.plan.is_some() && program.functions.iter().all(|f| !f.code.is_empty()));
}

#[test]
fn every_pass_has_its_graph() {
    let (record, _) = record();
    let program = &record.programs[0];
    let names: Vec<String> = program.stage_names().collect();
    assert_eq!(names[..3], ["traced", "grad", "inline_calls"]);
    assert!(names.contains(&"trim_loops#2".to_owned()), "{names:?}");
    for name in &names {
        program.graph(name).unwrap().unwrap();
    }
    // What a pass says that it left is what it left.
    for pass in &program.passes {
        let graph = program.graph(&pass.stage()).unwrap().unwrap();
        assert_eq!(graph.len(), pass.nodes_after, "{}", pass.name);
    }
    let rewrites: usize = program.passes.iter().map(|pass| pass.rewrites.len()).sum();
    assert_eq!(rewrites, program.rewrites.len());
    let refusals: usize = program.passes.iter().map(|pass| pass.refusals.len()).sum();
    assert_eq!(refusals, program.refusals.len());
    for pass in &program.passes {
        let own = program.rewrites[pass.rewrites.clone()].iter().map(|rewrite| &rewrite.pass);
        assert!(own.into_iter().all(|name| *name == pass.name), "{}", pass.name);
    }
}

#[test]
fn nodes_that_stay_are_written_once() {
    let (record, _) = record();
    let graphs = &record.programs[0].graphs;
    let all: usize = graphs.graphs.iter().map(|graph| graph.nodes.len()).sum();
    assert!(2 * graphs.nodes.len() < all, "{} of {all}", graphs.nodes.len());
}

#[test]
fn programs_are_appended() {
    let (record, _) = record();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.brolga");
    std::fs::write(&path, "an old file").unwrap();
    let sink = Sink::new(&path);
    for count in 1..3 {
        sink.append(&record.programs[0]).unwrap();
        let read = Record::read(&path).unwrap();
        assert_eq!(read.programs, vec![record.programs[0].clone(); count]);
    }
    let missing = Sink::new(folder.path().join("none/run.brolga"));
    let error = missing.append(&Program::default()).unwrap_err();
    assert!(matches!(error, RecordError::Io { .. }), "{error}");
}

#[test]
fn foreign_files_are_told_from_damaged_ones() {
    insta::assert_snapshot!(error(b"graph f() {}"), @"
    `run.brolga` is no record of Brolga
      help: BROLGA_RECORD=run.brolga makes a program write one
    ");
    insta::assert_snapshot!(error(b""), @"
    `run.brolga` is no record of Brolga
      help: BROLGA_RECORD=run.brolga makes a program write one
    ");
    insta::assert_snapshot!(error(b"\x89BROLGA"), @"the record `run.brolga` is damaged: it is cut off in its header");
    let mut later = b"\x89BROLGA\n".to_vec();
    later.extend((VERSION + 1).to_le_bytes());
    insta::assert_snapshot!(error(&later), @"
    `run.brolga` is a record of version 2, version 1 is read here
      help: read it with the Brolga that wrote it, or record the program again
    ");
    let bytes = record().0.to_bytes().unwrap();
    insta::assert_snapshot!(error(&bytes[..bytes.len() - 1]).to_string().split("byte").next().unwrap(), @"the record `run.brolga` is damaged: it is cut off in the section at ");
    let mut lying = bytes.clone();
    // The length of the first section's content.
    lying[24..32].copy_from_slice(&u64::MAX.to_le_bytes());
    insta::assert_snapshot!(error(&lying), @"the record `run.brolga` is damaged: the section `MACH` at byte 12 cannot become 18446744073709551615 bytes");
    // A record of no program ends where the first program begins.
    let first = bytes.windows(4).position(|window| window == b"PROG").unwrap();
    for length in (0..bytes.len().min(1000)).filter(|length| *length != first) {
        error(&bytes[..length]);
    }
    assert_eq!(Record::from_bytes(&bytes[..first], "").unwrap().programs, []);
}

#[test]
fn parts_that_are_not_there_are_errors() {
    let damaged = |change: &dyn Fn(&mut Program)| {
        let (mut record, _) = record();
        change(&mut record.programs[0]);
        let message = error(&record.to_bytes().unwrap()).to_string();
        message.rsplit_once("byte ").unwrap().1.split_once(": ").unwrap().1.to_owned()
    };
    insta::assert_snapshot!(damaged(&|p| p.stages[0].graph = 999), @"there is no graph 999");
    insta::assert_snapshot!(damaged(&|p| p.graphs.nodes[3].op = 999), @"there is no op 999");
    insta::assert_snapshot!(damaged(&|p| p.graphs.nodes[3].origin = 999), @"there is no origin 999");
    insta::assert_snapshot!(damaged(&|p| p.graphs.nodes[3].types[0] = 999), @"there is no type 999");
    insta::assert_snapshot!(damaged(&|p| p.graphs.graphs[0].nodes[0] = 999), @"there is no node 999");
    insta::assert_snapshot!(damaged(&|p| p.graphs.nodes[0].bodies = vec![0]), @"graph 0 comes before its body 0");
    insta::assert_snapshot!(damaged(&|p| p.passes[0].rewrites = 0..9999), @"pass `inline_calls` has rewrites that are not there");
    insta::assert_snapshot!(damaged(&|p| p.kernels[0].lowering = 999), @"kernel `matmul_add_relu` has no lowering");
    insta::assert_snapshot!(damaged(&|p| p.lowerings[0].functions = vec![999]), @"there is no function 999");
}

#[test]
fn graphs_that_are_not_valid_are_errors() {
    let (record, _) = record();
    let mut program = record.programs[0].clone();
    let traced = program.stage("traced").unwrap() as usize;
    program.graphs.graphs[traced].nodes.reverse();
    assert!(program.graph("traced").unwrap_err().contains("before it has it"));
    let mut program = record.programs[0].clone();
    let repeated = program.graphs.graphs[traced].nodes[0];
    program.graphs.graphs[traced].nodes.push(repeated);
    insta::assert_snapshot!(program.graph("traced").unwrap_err(), @"node n0: the input `%x` is declared twice");
    let mut program = record.programs[0].clone();
    program.graphs.graphs[traced].outputs[0].value.1 = 7;
    insta::assert_snapshot!(program.graph("traced").unwrap_err(), @"node n6 has no such result");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn damaged_records_are_errors_or_records(offset: usize, byte: u8) {
        static BYTES: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let mut bytes = BYTES.get_or_init(|| record().0.to_bytes().unwrap()).clone();
        let offset = offset % bytes.len();
        bytes[offset] = byte;
        if let Ok(record) = Record::from_bytes(&bytes, "run.brolga") {
            for program in &record.programs {
                for stage in program.stage_names() {
                    let _ = program.graph(&stage);
                }
            }
        }
    }
}
