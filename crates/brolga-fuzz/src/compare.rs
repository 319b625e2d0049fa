//! Comparisons with the interpreter, by every path to a graph's outputs.

use brolga_ir::draw::Rng;
use brolga_ir::ops::ParameterKind;
use brolga_ir::{Graph, Tensor, TextOptions, interpret, parse_graph, verify};
use brolga_passes::passes::InlineCalls;
use brolga_passes::{Dump, Pass, PassManager, all_passes, pipeline};

use crate::failure::{Failure, same_bits};
use crate::native;
use crate::plan::{Partial, Plan};
use crate::values::Values;

/// Some steps of a graph: inputs, and the interpreter's outputs.
#[derive(Debug)]
pub struct Steps {
    /// For each step the inputs, states included.
    pub inputs: Vec<Vec<Tensor>>,
    /// For each step the outputs.
    pub outputs: Vec<Vec<Tensor>>,
}

impl Steps {
    /// Two steps with drawn values; the second begins with the states that the first leaves.
    ///
    /// # Errors
    /// If the interpreter fails.
    pub fn of(graph: &Graph, values: Values, seed: u64) -> Result<Self, Failure> {
        let mut rng = Rng::new(seed, values as u64);
        let mut steps = Self { inputs: vec![], outputs: vec![] };
        for _ in 0..2 {
            let last = steps.inputs.last().zip(steps.outputs.last());
            let inputs: Vec<Tensor> = (graph.inputs().iter().enumerate())
                .map(|(index, &id)| {
                    let state = graph.parameter(id).is_some_and(|p| p.kind == ParameterKind::State);
                    match last {
                        Some((inputs, outputs)) if state => {
                            let next = graph.outputs().iter().position(|o| o.replaces == Some(id));
                            next.map_or_else(|| inputs[index].clone(), |next| outputs[next].clone())
                        }
                        _ => values.tensor(graph.ty(id.into()), &mut rng),
                    }
                })
                .collect();
            let outputs = interpret(graph, &inputs);
            let outputs = outputs.map_err(|error| Failure::new("interpreter", error))?;
            steps.inputs.push(inputs);
            steps.outputs.push(outputs);
        }
        Ok(steps)
    }

    /// Fails unless the interpreter gives the same bits for another form of the graph.
    fn same(&self, what: &str, graph: &Graph) -> Result<(), Failure> {
        let outputs = interpret(graph, &self.inputs[0]);
        let outputs = outputs.map_err(|error| Failure::new(what, error))?;
        same_bits(what, &self.outputs[0], &outputs)
    }
}

/// Makes the comparisons of a plan.
///
/// # Errors
/// The first that fails.
pub fn examine(graph: &Graph, plan: &Plan, seed: u64) -> Result<(), Failure> {
    verify(graph).map_err(|errors| Failure::new("verifier", errors))?;
    text(graph, "text")?;
    if plan.json {
        json(graph)?;
    }
    let unfused = run(graph, PassManager::new(required()), "required passes")?;
    for &values in &plan.values {
        let steps = Steps::of(graph, values, seed)?;
        let kernels = whole_pipeline(graph, &steps)?;
        if plan.alone {
            all_passes().into_iter().try_for_each(|pass| alone(graph, pass, &steps))?;
        }
        for partial in &plan.partial {
            stopped(graph, *partial, &steps)?;
        }
        for native in &plan.natives {
            native::compare(if native.fused { &kernels } else { &unfused }, native, &steps)?;
        }
    }
    Ok(())
}

/// The passes without which a graph cannot be compiled.
fn required() -> Vec<Box<dyn Pass>> {
    pipeline().into_iter().filter(|pass| pass.is_required()).collect()
}

/// Printing and parsing again gives the same graph and the same bytes.
pub(crate) fn text(graph: &Graph, what: &str) -> Result<(), Failure> {
    let options = TextOptions { locations: true, ..TextOptions::default() };
    let text = graph.to_text(&options);
    let again = parse_graph(&text, "<text>").map_err(|errors| Failure::new(what, errors))?;
    if again != *graph {
        return Err(Failure::new(what, "the graph read again is another one"));
    }
    if again.to_text(&options) != text {
        return Err(Failure::new(what, "the text printed again is another one"));
    }
    Ok(())
}

/// Writing and reading JSON gives the same graph.
pub(crate) fn json(graph: &Graph) -> Result<(), Failure> {
    let failed = |error: serde_json::Error| Failure::new("JSON", error);
    let text = serde_json::to_string(graph).map_err(failed)?;
    let again: Graph = serde_json::from_str(&text).map_err(failed)?;
    match again == *graph {
        true => Ok(()),
        false => Err(Failure::new("JSON", "the graph read again is another one")),
    }
}

fn run(graph: &Graph, mut manager: PassManager<'_>, what: &str) -> Result<Graph, Failure> {
    let mut graph = graph.clone();
    manager.run(&mut graph).map_err(|error| Failure::new(what, error))?;
    Ok(graph)
}

/// The pipeline, with the bits compared after each pass that changes the graph.
fn whole_pipeline(graph: &Graph, steps: &Steps) -> Result<Graph, Failure> {
    let mut result = Ok(());
    let mut look = |name: &str, graph: &Graph| {
        if result.is_ok() {
            result = steps.same(&format!("pass {name} in the pipeline"), graph);
        }
    };
    let manager = PassManager::new(pipeline()).dump(Dump::Changed, &mut look);
    let kernels = run(graph, manager, "pipeline");
    result?;
    let kernels = kernels?;
    steps.same("pipeline", &kernels)?;
    text(&kernels, "text of kernels")?;
    Ok(kernels)
}

fn alone(graph: &Graph, pass: Box<dyn Pass>, steps: &Steps) -> Result<(), Failure> {
    let what = format!("pass {} alone", pass.name());
    let before = graph.revision();
    // `outline` keeps its contract only if calls were inlined.
    let passes: Vec<Box<dyn Pass>> = match pass.is_required() {
        true => vec![Box::new(InlineCalls), pass],
        false => vec![pass],
    };
    let after = run(graph, PassManager::new(passes), &what)?;
    match after.revision() == before {
        true => Ok(()),
        false => steps.same(&what, &after),
    }
}

/// The pipeline without some optional passes, stopped after some rewrites.
fn stopped(graph: &Graph, partial: Partial, steps: &Steps) -> Result<(), Failure> {
    let what = format!("pipeline without some passes ({partial:?})");
    let mut manager = PassManager::new(pipeline()).stop_after(partial.stop_after);
    for (index, pass) in all_passes().iter().enumerate() {
        if !pass.is_required() && partial.skipped >> index & 1 == 1 {
            manager = manager.skip(&pass.name()).map_err(|error| Failure::new(&*what, error))?;
        }
    }
    let kernels = run(graph, manager, &what)?;
    steps.same(&what, &kernels)
}
