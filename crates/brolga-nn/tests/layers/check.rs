//! The checks of one layer.

use std::fmt;
use std::sync::Arc;

use brolga_autodiff::gradients;
use brolga_codegen::compile;
use brolga_ir::{DType, Data, Graph, Shape, Tensor, Tracer, Type, Var, interpret};
use brolga_nn::keywords::Keywords;
use brolga_nn::layers::{Layer, WeightSpec};
use brolga_nn::trace::{Call, Context, Weights};
use brolga_passes::{PassManager, optimize, passes_by_name};
use brolga_runtime::{Executable, Options, State, StateLayout};

/// A layer and the shapes of its inputs.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) layer: Arc<dyn Layer>,
    inputs: Vec<Shape>,
    /// Inputs are whole numbers below this one, by which nothing is differentiated.
    whole: Option<usize>,
    /// The layer computes with `f32` alone, so that differences tell nothing.
    of_f32: bool,
    /// Inputs have masks, some of whose steps do not count.
    masked: bool,
    /// What the call is given besides its inputs.
    keywords: Keywords,
}

/// A layer's graph: a loss, its gradients by what is differentiated, and everything else that the
/// layer computes.
struct Traced {
    graph: Graph,
    /// The types of the graph's inputs, and which of them are differentiated.
    inputs: Vec<(Type, bool)>,
}

/// The step of a difference. The error of the formula with four points is of order `STEP⁴`, that of
/// rounding ε / `STEP`.
const STEP: f64 = 1.0 / 16_384.0;

/// The largest difference to be blamed on them, in units of the sum that is compared.
const TOLERANCE: f64 = 1e-9;

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {:?}", self.layer, self.inputs)
    }
}

impl Case {
    /// A layer with inputs of these shapes, the batch included.
    pub(crate) fn new(layer: impl Layer + 'static, inputs: &[&[usize]]) -> Self {
        let inputs = inputs.iter().map(|&shape| shape.into()).collect();
        let (whole, of_f32, masked, keywords) = (None, false, false, Keywords::default());
        Self { layer: Arc::new(layer), inputs, whole, of_f32, masked, keywords }
    }

    /// The same with inputs of whole numbers.
    pub(crate) fn whole(self, below: usize) -> Self {
        Self { whole: Some(below), ..self }
    }

    /// The same for a layer that adds to the loss, which is `f32`: it is not differentiated.
    pub(crate) fn of_f32(self) -> Self {
        Self { of_f32: true, ..self }
    }

    /// The same with masks.
    pub(crate) fn masked(self) -> Self {
        Self { masked: true, ..self }
    }

    /// The same with an argument of the call.
    pub(crate) fn with(self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        Self { keywords: self.keywords.with(name, value), ..self }
    }

    /// Fails unless the gradients agree with central differences.
    pub(crate) fn differentiate(&self, training: bool) -> Result<(), String> {
        if self.of_f32 {
            return Ok(());
        }
        let Traced { graph, inputs } = self.trace(DType::F64, training)?;
        let at = |moved: f64, seed: usize| {
            let tensor = |(place, (ty, differentiated)): (usize, &(Type, bool))| {
                let mut values = self.values(place, ty);
                if *differentiated {
                    let direction = numbers(ty.shape.elements(), 31 * seed + place + 7);
                    values.iter_mut().zip(direction).for_each(|(x, d)| *x += moved * d);
                }
                tensor(ty, &values)
            };
            let tensors: Vec<Tensor> = inputs.iter().enumerate().map(tensor).collect();
            interpret(&graph, &tensors).map_err(|error| format!("{self}: {error}"))
        };
        for seed in 0..2 {
            let loss =
                |moved: f64| Ok::<f64, String>(at(moved * STEP, seed)?[0].data().to_f64()[0]);
            let near = loss(1.0)? - loss(-1.0)?;
            let far = loss(2.0)? - loss(-2.0)?;
            let expected = (8.0 * near - far) / (12.0 * STEP);
            let outputs = at(0.0, seed)?;
            let differentiated = inputs.iter().enumerate().filter(|(_, (_, wanted))| *wanted);
            let products: Vec<f64> = differentiated
                .zip(&outputs[1..])
                .flat_map(|((place, (ty, _)), gradient)| {
                    let direction = numbers(ty.shape.elements(), 31 * seed + place + 7);
                    gradient.data().to_f64().into_iter().zip(direction).map(|(g, d)| g * d)
                })
                .collect();
            let given: f64 = products.iter().sum();
            let scale = 1.0 + products.iter().map(|product| product.abs()).sum::<f64>();
            // NaN is no agreement.
            let agree = (given - expected).abs() <= TOLERANCE * scale;
            if !agree {
                return Err(format!(
                    "{self}, training: {training}\nthe gradient says {given:e}, differences {expected:e}"
                ));
            }
        }
        Ok(())
    }

    /// Fails unless native code, fused and unfused, gives the interpreter's bits.
    pub(crate) fn compile(&self, training: bool) -> Result<(), String> {
        let Traced { graph, inputs } = self.trace(DType::F32, training)?;
        let values = inputs.iter().enumerate();
        let values: Vec<Tensor> =
            values.map(|(place, (ty, _))| tensor(ty, &self.values(place, ty))).collect();
        let error = |error: &dyn fmt::Display| format!("{self}: {error}");
        let expected = interpret(&graph, &values).map_err(|e| error(&e))?;
        let mut unfused = graph.clone();
        let outline = passes_by_name("outline").map_err(|e| error(&e))?;
        PassManager::new(outline).run(&mut unfused).map_err(|e| error(&e))?;
        let mut fused = graph;
        optimize(&mut fused).map_err(|e| error(&e))?;
        for (graph, way) in [(&unfused, "unfused"), (&fused, "fused")] {
            for threads in [1, 3] {
                let given = native(graph, &values, threads).map_err(|e| error(&e))?;
                if given != expected {
                    return Err(format!(
                        "{self}, training: {training}\n{way} on {threads} threads gives other bits"
                    ));
                }
            }
        }
        Ok(())
    }

    /// The layer's graph with elements of this type.
    fn trace(&self, dtype: DType, training: bool) -> Result<Traced, String> {
        let tracer = Tracer::new("layer");
        let error = |error: &dyn fmt::Display| format!("{self}: {error}");
        let types: Vec<Type> = self.inputs.iter().map(|shape| Type::f32(shape.clone())).collect();
        let specs = self.layer.build(&types).map_err(|e| error(&e))?;
        let mut inputs = vec![];
        let mut input = |ty: Type, differentiated: bool| {
            let var = tracer.input(&format!("i{}", inputs.len()), ty.clone());
            inputs.push((ty, differentiated));
            var
        };
        let of = |ty: &Type| Type::new(dtype, ty.shape.clone());
        let x: Vec<Var> = types.iter().map(|ty| input(of(ty), self.whole.is_none())).collect();
        let w: Vec<Var> = specs.iter().map(|spec| input(of(&spec.ty), spec.trainable)).collect();
        let (seed, step) =
            (input(Type::new(DType::I32, [2]), false), input(Type::scalar(DType::I32), false));
        let mut context = match training {
            true => Context::training(&tracer, &seed, &step),
            false => Context::inference(&tracer),
        };
        let named = specs
            .iter()
            .zip(&w)
            .map(|(s, w): (&WeightSpec, &Var)| (&*s.name, w.clone(), s.trainable));
        let mut weights = Weights::new(named);
        let given: Vec<Var> = x.iter().map(|x| self.with_mask(&mut context, x)).collect();
        let mut call = Call::new(&mut context, &mut weights).with(self.keywords.clone());
        let outputs = self.layer.call(&mut call, &given);
        let added = context.losses().iter().cloned();
        let loss = outputs.iter().map(weighted).chain(added).reduce(|a, b| a + b);
        let loss = loss.ok_or_else(|| format!("{self}: no output"))?;
        if let Some(mistake) = tracer.error() {
            return Err(error(&mistake));
        }
        let differentiated =
            inputs.iter().zip(x.iter().chain(&w)).filter(|((_, wanted), _)| *wanted);
        let wrt: Vec<Var> = differentiated.map(|(_, var)| var.clone()).collect();
        let gradients = gradients(&tracer, &loss, &wrt).map_err(|e| error(&e))?;
        tracer.output(&loss);
        gradients.iter().chain(&outputs).for_each(|var| tracer.output(var));
        weights.updates().for_each(|(_, next)| tracer.output(next));
        let graph = tracer.finish().map_err(|e| error(&e))?;
        Ok(Traced { graph, inputs })
    }

    /// An input with the mask that it has: in each sample, a step or more counts.
    fn with_mask(&self, context: &mut Context, x: &Var) -> Var {
        if !self.masked {
            return x.clone();
        }
        let shape = &x.shape()[..2];
        let counts = (0..shape.iter().product()).map(|step| (step % shape[1]) % 3 != 1).collect();
        let mask = Tensor::new(shape, Data::Bool(counts)).expect("as many as the shape has");
        let mask = x.tracer().constant(mask);
        context.with_mask(x, Some(&mask))
    }

    /// The values of an input. Variances among the weights are positive, as they have to be.
    fn values(&self, place: usize, ty: &Type) -> Vec<f64> {
        let count = ty.shape.elements();
        match self.whole {
            _ if ty.dtype == DType::I32 => (0..count).map(|i| (3 * i + 5) as f64).collect(),
            Some(below) if place < self.inputs.len() => {
                (0..count).map(|i| (i * i + 2 * i + 1) % below).map(|i| i as f64).collect()
            }
            _ if place < self.inputs.len() => numbers(count, place),
            _ => numbers(count, place).into_iter().map(|x| 0.75 + 0.5 * x).collect(),
        }
    }
}

/// `Σ c ⊙ y` with fixed numbers `c`, so that each element of a gradient counts.
fn weighted(y: &Var) -> Var {
    let factors = tensor(y.ty(), &numbers(y.shape().elements(), 3));
    (y * y.tracer().constant(factors)).reduce_sum(&(0..y.shape().rank()).collect::<Vec<_>>(), false)
}

fn tensor(ty: &Type, values: &[f64]) -> Tensor {
    let data = Data::from_f64(ty.dtype, values);
    Tensor::new(ty.shape.clone(), data).expect("as many values as the shape has")
}

/// Numbers from −1.5 to 1.5 in a random order, as far apart from each other and from 0 as they can
/// be: steps of differences lead across no kink.
fn numbers(count: usize, seed: usize) -> Vec<f64> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut state = seed as u64 + 1;
    for last in (1..count).rev() {
        // A linear congruential generator (Knuth, MMIX).
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        order.swap(last, (state >> 33) as usize % (last + 1));
    }
    let offset = 0.37 + 0.05 * (seed % 6) as f64;
    let place = |place: usize| (place as f64 + offset) / count as f64;
    order.into_iter().map(|number| 3.0 * place(number) - 1.5).collect()
}

fn native(
    graph: &Graph,
    inputs: &[Tensor],
    threads: usize,
) -> Result<Vec<Tensor>, Box<dyn std::error::Error>> {
    let layout = StateLayout::of_graphs([graph])?;
    let options = Options { threads, oversubscribe: true, ..Options::default() };
    let mut program = Executable::new(graph, &layout, &options, compile)?;
    for (place, input) in inputs.iter().enumerate() {
        program.set_input(place, input)?;
    }
    program.run(&mut State::zeros(&layout)?)?;
    let outputs = (0..graph.outputs().len()).map(|place| program.output_tensor(place));
    Ok(outputs.collect::<Result<_, _>>()?)
}
