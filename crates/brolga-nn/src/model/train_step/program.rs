//! The programs of a step: one for the shapes of its inputs, all with the same states.

use std::collections::HashMap;
use std::fmt;

use brolga_ir::{DType, Graph, Mistake, Tracer, Type, Var};
use brolga_runtime::{Executable, Feed, Options, State, StateLayout};
use ndarray::{ArrayD, IxDyn};

use super::super::record::make_traced;
use super::super::step::{First, StateSpec};
use super::models::parts::OfModel;
use super::models::{OfStep, Trainee};
use super::trace::StepTrace;
use crate::arrays::Arrays;
use crate::data::Data;
use crate::error::NnError;

/// The function of a step over all of its inputs.
pub(super) type Whole = Box<dyn Fn(&mut StepTrace<'_>, &[Var]) -> Vec<Var> + Send>;

/// A function, its programs, and what lives between their runs.
pub(super) struct Programs {
    name: &'static str,
    inputs: usize,
    function: Whole,
    options: Options,
    compiled: HashMap<Vec<Type>, Executable>,
    kept: Option<Kept>,
}

/// What the first trace has found, which is the same in all of them.
struct Kept {
    models: Vec<OfStep>,
    specs: Vec<StateSpec>,
    state: State,
}

impl fmt::Debug for Programs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Programs").field("shapes", &self.compiled.keys()).finish_non_exhaustive()
    }
}

impl Programs {
    pub(super) fn new(name: &'static str, inputs: usize, function: Whole) -> Self {
        let (options, compiled) = (Options::default(), HashMap::new());
        Self { name, inputs, function, options, compiled, kept: None }
    }

    pub(super) fn set_options(&mut self, options: Options) {
        self.options = options;
        self.compiled.clear();
    }

    pub(super) fn state(&self) -> Option<&State> {
        self.kept.as_ref().map(|kept| &kept.state)
    }

    pub(super) fn state_mut(&mut self) -> Option<&mut State> {
        self.kept.as_mut().map(|kept| &mut kept.state)
    }

    /// Runs the program for these arrays on the states of the models.
    pub(super) fn run(
        &mut self,
        models: &mut [&mut dyn Trainee],
        arrays: Arrays<'_>,
    ) -> Result<Vec<ArrayD<f32>>, NnError> {
        let arrays = self.check_arrays(&arrays)?;
        let types: Vec<Type> = arrays.iter().map(|array| input_type(array)).collect();
        let mut models: Vec<OfModel<'_>> =
            models.iter_mut().map(|model| model.parts()).collect::<Result<_, _>>()?;
        let known = OfStep::all(&models);
        if self.kept.as_ref().is_some_and(|kept| kept.models != known) {
            let message = "run: the models have other weights than in the first run of this step";
            let help = "make a new TrainStep after a change of layers or of `trainable`";
            return Err(Mistake::new(message).help(help).into());
        }
        if !self.compiled.contains_key(&types) {
            let executable = self.compile(&models, known, &types)?;
            self.compiled.insert(types.clone(), executable);
        }
        let (Some(program), Some(kept)) = (self.compiled.get_mut(&types), &mut self.kept) else {
            return Ok(vec![]);
        };
        for (model, known) in models.iter_mut().zip(&kept.models) {
            known.copy(model.session.state_mut()?, &mut kept.state, false)?;
        }
        let rows: Vec<Vec<usize>> = arrays.iter().map(|x| (0..x.samples()).collect()).collect();
        let feeds = arrays.iter().zip(&rows).enumerate();
        let feeds: Vec<Feed<'_>> = feeds
            .map(|(input, (x, rows))| Feed { input: input.into(), array: x.array(), rows })
            .collect();
        program.run_fed(&feeds, &mut kept.state)?;
        for (model, known) in models.iter_mut().zip(&kept.models) {
            known.copy(model.session.state_mut()?, &mut kept.state, true)?;
            model.session.changed = true;
        }
        outputs(program)
    }

    /// The arrays, as many as there are inputs.
    fn check_arrays<'s, 'a>(&self, arrays: &'s Arrays<'a>) -> Result<Vec<&'s Data<'a>>, NnError> {
        let given: Vec<&Data<'a>> = arrays.iter().collect();
        let (expected, count) = (self.inputs, given.len());
        if count != expected || arrays.has_names() {
            let s = if expected == 1 { "" } else { "s" };
            let given = match arrays.has_names() {
                true => "arrays with names were given".to_owned(),
                false if count == 1 => "1 array was given".to_owned(),
                false => format!("{count} arrays were given"),
            };
            let message = format!("run: the function has {expected} input{s}, {given}");
            let help = "give an array for each, in their order: run([..], arrays![&x, &y])";
            return Err(Mistake::new(message).help(help).into());
        }
        for (index, array) in given.iter().enumerate() {
            let what = format!("input {index}");
            array.check_copied(&what)?;
            if array.shape().contains(&0) {
                return Err(NnError::Empty { what, shape: array.shape().to_vec() });
            }
        }
        Ok(given)
    }

    /// The program for inputs of these types. The first one decides which states there are.
    fn compile(
        &mut self,
        models: &[OfModel<'_>],
        known: Vec<OfStep>,
        types: &[Type],
    ) -> Result<Executable, NnError> {
        let (graph, specs) = self.trace(models, &known, types)?;
        let first = match &self.kept {
            Some(kept) if kept.specs == specs => None,
            Some(kept) => return Err(other_states(&kept.specs, &specs)),
            None => Some(Kept { models: known, state: first_values(&specs)?, specs }),
        };
        let kept = first.as_ref().or(self.kept.as_ref());
        let layout = kept.expect("one of them is there").state.layout();
        let made = make_traced(graph, layout, &self.options)?;
        let executable = made.planned.link()?;
        self.kept = first.or_else(|| self.kept.take());
        Ok(executable)
    }

    /// The graph as traced, and its states.
    fn trace(
        &self,
        models: &[OfModel<'_>],
        known: &[OfStep],
        types: &[Type],
    ) -> Result<(Graph, Vec<StateSpec>), NnError> {
        let tracer = Tracer::new(self.name);
        let inputs = types.iter().enumerate();
        let inputs: Vec<Var> =
            inputs.map(|(index, ty)| tracer.input(&format!("x{index}"), ty.clone())).collect();
        let mut step = StepTrace::new(&tracer, models, known);
        let outputs = (self.function)(&mut step, &inputs);
        let specs = step.finish(&outputs)?;
        drop((outputs, inputs));
        Ok((tracer.finish()?, specs))
    }
}

/// The states before the first run; those of models are theirs.
fn first_values(specs: &[StateSpec]) -> Result<State, NnError> {
    let states = specs.iter().map(|spec| (spec.name.clone(), spec.ty.clone()));
    let mut state = State::zeros(&StateLayout::new(states)?)?;
    for spec in specs {
        if let First::Value(value) = spec.first {
            state.fill(&spec.name, value)?;
        }
    }
    Ok(state)
}

/// The error of a function whose states depend on the shapes of its inputs.
fn other_states(before: &[StateSpec], now: &[StateSpec]) -> NnError {
    let names = |specs: &[StateSpec]| {
        let names: Vec<String> = specs.iter().map(|spec| format!("`{}`", spec.name)).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    let (before, now) = (names(before), names(now));
    let message =
        format!("run: for these shapes the step has the states {now}; before it had {before}");
    let help =
        "the function must write down the same states, optimizers and updates for all shapes";
    Mistake::new(message).help(help).into()
}

/// The type of an input that is fed with an array.
fn input_type(array: &Data<'_>) -> Type {
    let dtype = if array.dtype().is_float() { DType::F32 } else { DType::I32 };
    Type::new(dtype, array.shape())
}

/// The outputs of a program that has run.
fn outputs(program: &Executable) -> Result<Vec<ArrayD<f32>>, NnError> {
    let output = |(index, ty): (usize, &Type)| {
        let elements = program.output::<f32>(index)?.iter().copied();
        let elements =
            brolga_memory::collected(elements).map_err(brolga_runtime::RuntimeError::from)?;
        Ok(ArrayD::from_shape_vec(IxDyn(&ty.shape), elements)
            .expect("a tensor has as many elements as its shape says"))
    };
    program.outputs().enumerate().map(output).collect()
}
