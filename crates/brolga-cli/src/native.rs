//! Graphs as machine code, run once or many times.

use brolga_codegen::compile;
use brolga_ir::{Graph, Tensor};
use brolga_passes::{check_kernels, optimize};
use brolga_runtime::{Event, Executable, Options, Profile, StageInfo, State, StateLayout};

use crate::error::CliError;

/// The most events of a thread that a trace has.
const EVENTS: usize = 1 << 20;

/// The graph of kernels that a graph becomes; itself if it is one.
pub(crate) fn kernels(graph: &Graph) -> Result<Graph, CliError> {
    let mut kernels = graph.clone();
    if check_kernels(&kernels).is_err() {
        optimize(&mut kernels)?;
    }
    Ok(kernels)
}

/// A linked program and its state, both filled with the values of the graph's inputs in the order
/// of its signature.
pub(crate) fn program(
    kernels: &Graph,
    inputs: &[Tensor],
    options: &Options,
) -> Result<(Executable, State), CliError> {
    let layout = StateLayout::of_graphs([kernels])?;
    let mut executable = Executable::new(kernels, &layout, options, compile)?;
    let mut state = State::zeros(&layout)?;
    let parameters = kernels.inputs().iter().filter_map(|&id| kernels.parameter(id));
    for (parameter, tensor) in parameters.zip(inputs) {
        if layout.ty(&parameter.name).is_some() {
            state.set(&parameter.name, tensor)?;
        } else {
            executable.set_input(parameter.name.as_str(), tensor)?;
        }
    }
    Ok((executable, state))
}

/// The outputs of a graph, those that replace states included, as machine code computes them.
pub(crate) fn native(
    graph: &Graph,
    inputs: &[Tensor],
    options: &Options,
) -> Result<Vec<Tensor>, CliError> {
    native_outputs(graph, &kernels(graph)?, inputs, options)
}

/// The outputs of a graph, those that replace states included, as the machine code of its kernels
/// computes them.
pub(crate) fn native_outputs(
    graph: &Graph,
    kernels: &Graph,
    inputs: &[Tensor],
    options: &Options,
) -> Result<Vec<Tensor>, CliError> {
    let (mut executable, mut state) = program(kernels, inputs, options)?;
    executable.run(&mut state)?;
    let mut returned = 0..;
    let outputs = graph.outputs().iter().map(|output| {
        let replaced = output.replaces.and_then(|id| graph.parameter(id));
        Ok(match replaced {
            Some(parameter) => state.get(&parameter.name)?,
            None => executable.output_tensor(returned.next().unwrap_or_default())?,
        })
    });
    outputs.collect()
}

/// A program that is measured.
pub(crate) struct Run {
    executable: Executable,
    state: State,
    pub(crate) profile: Profile,
    pub(crate) events: Vec<Event>,
    pub(crate) stages: Vec<StageInfo>,
}

impl Run {
    /// A program of kernels, with memory for the events of so many steps if they are wanted.
    pub(crate) fn new(
        kernels: &Graph,
        inputs: &[Tensor],
        options: &Options,
        events: bool,
        steps: u32,
    ) -> Result<Self, CliError> {
        let mut options = Options { profile: true, ..options.clone() };
        if events {
            // A long stage is cut into up to 16 chunks, and each stage has one for each lane.
            let kernels = kernels.len().saturating_mul(16 * (steps as usize).saturating_add(1));
            options.events = kernels.saturating_mul(2).min(EVENTS);
        }
        let (executable, state) = program(kernels, inputs, &options)?;
        let stages = executable.schedule().to_vec();
        let profile = executable.profile();
        let profile = profile.unwrap_or_else(|| Profile {
            graph: kernels.name().to_owned(),
            threads: options.threads,
            steps: 0,
            time_ns: 0,
            waiting_ns: 0,
            kernels: vec![],
        });
        Ok(Self { executable, state, profile, events: vec![], stages })
    }

    /// Runs some steps, and then those that are measured.
    pub(crate) fn steps(&mut self, warm_up: u32, steps: u32) -> Result<(), CliError> {
        for _ in 0..warm_up {
            self.executable.run(&mut self.state)?;
        }
        self.executable.reset_profile();
        for _ in 0..steps {
            self.executable.run(&mut self.state)?;
        }
        self.events = self.executable.events();
        if let Some(profile) = self.executable.profile() {
            self.profile = profile;
        }
        Ok(())
    }
}
