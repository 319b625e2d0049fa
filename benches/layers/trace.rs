//! The graph of a layer and its gradients.

use std::error::Error;

use brolga::autodiff::gradients;
use brolga::ir::{DType, Graph, Tracer, Type, Var};
use brolga::nn::trace::{Call, Context, Weights};

use super::cases::SizedLayer;

/// Bytes that a layer cannot avoid.
#[derive(Debug, Clone, Copy)]
pub(super) struct Traffic {
    pub(super) read: usize,
    pub(super) written: usize,
}

/// A layer's outputs, and the gradients of its inputs and weights for given cotangents of them.
pub(super) struct Traced {
    pub(super) graph: Graph,
    pub(super) forward: Traffic,
    pub(super) backward: Traffic,
}

fn size(vars: &[Var]) -> usize {
    vars.iter().map(|var| var.ty().bytes()).sum()
}

/// In training.
pub(super) fn graph(sized: &SizedLayer) -> Result<Traced, Box<dyn Error>> {
    let tracer = Tracer::new("layer");
    let inputs = sized.inputs();
    let specs = sized.layer.build(&inputs)?;
    let named = |(place, ty): (usize, &Type)| tracer.input(&format!("x{place}"), ty.clone());
    let x: Vec<Var> = inputs.iter().enumerate().map(named).collect();
    let w: Vec<Var> = specs.iter().map(|spec| tracer.input(&spec.name, spec.ty.clone())).collect();
    let seed = tracer.input("seed", Type::new(DType::I32, [2]));
    let step = tracer.input("step", Type::scalar(DType::I32));
    let mut context = Context::training(&tracer, &seed, &step);
    let specs_and_weights = specs.iter().zip(&w);
    let mut weights =
        Weights::new(specs_and_weights.map(|(s, w)| (&*s.name, w.clone(), s.trainable)));
    let outputs = sized.layer.call(&mut Call::new(&mut context, &mut weights), &x);
    let cotangent = |(place, y): (usize, &Var)| tracer.input(&format!("dy{place}"), y.ty().clone());
    let cotangents: Vec<Var> = outputs.iter().enumerate().map(cotangent).collect();
    let products = outputs.iter().zip(&cotangents).map(|(y, dy)| {
        let axes: Vec<usize> = (0..y.shape().rank()).collect();
        (y * dy).reduce_sum(&axes, false)
    });
    let loss = products.reduce(|a, b| a + b).ok_or("the layer has no output")?;
    let floats = |vars: &[Var], trainable: &dyn Fn(usize) -> bool| -> Vec<Var> {
        let wanted = |&(place, var): &(usize, &Var)| var.ty().dtype.is_float() && trainable(place);
        vars.iter().enumerate().filter(wanted).map(|(_, var)| var.clone()).collect()
    };
    let mut wrt = if sized.whole { vec![] } else { floats(&x, &|_| true) };
    wrt.extend(floats(&w, &|place| specs[place].trainable));
    let gradients = gradients(&tracer, &loss, &wrt)?;
    outputs.iter().chain(&gradients).for_each(|var| tracer.output(var));
    weights.updates().for_each(|(_, next)| tracer.output(next));
    let forward = Traffic { read: size(&x) + size(&w), written: size(&outputs) };
    let read = forward.read + size(&cotangents);
    let backward = Traffic { read, written: size(&gradients) };
    Ok(Traced { graph: tracer.finish()?, forward, backward })
}
