//! Gradients and updates of a drawn graph.

use brolga_autodiff::{GradError, gradients};
use brolga_ir::draw::Pen;
use brolga_ir::op::Named;
use brolga_ir::ops::WhileLoop;
use brolga_ir::{DType, Role, Type, Var};

/// A parameter with its gradient.
pub(crate) type Gradient = (Var, Var);

/// Differentiates a float of the graph by some of its inputs and states, sometimes twice.
///
/// # Errors
/// The error of differentiation, unless it is a missing path.
pub(crate) fn differentiate(pen: &mut Pen) -> Result<Vec<Gradient>, String> {
    let floats: Vec<Var> = pen.values().iter().filter(|v| v.dtype().is_float()).cloned().collect();
    let Some(last) = floats.len().checked_sub(1) else { return Ok(vec![]) };
    let value = floats[last.saturating_sub(pen.rng.below(3))].clone();
    let loss = scalar(pen, &value);
    let parameters: Vec<Var> = pen.states().iter().chain(pen.inputs()).cloned().collect();
    let mut parameters: Vec<Var> =
        parameters.into_iter().filter(|p| p.dtype().is_float()).collect();
    parameters.truncate(pen.rng.between(1, 4));
    let first = by_all(pen, &loss, &parameters)?;
    let Some((_, gradient)) = first.last().cloned().filter(|_| pen.rng.one_in(6)) else {
        return Ok(first);
    };
    let loss = scalar(pen, &gradient);
    let second = by_all(pen, &loss, &parameters)?;
    Ok(first.into_iter().chain(second).collect())
}

/// One float that depends on all elements.
fn scalar(pen: &mut Pen, value: &Var) -> Var {
    let axes: Vec<usize> = (0..value.shape().rank()).collect();
    let loss = match pen.rng.below(4) {
        0 => value.reduce_sum(&axes, false),
        1 => (value * value).reduce_sum(&axes, false),
        2 => (value * value).reduce_mean(&axes, false),
        _ => value.reduce_mean(&axes, false),
    };
    pen.offer(&loss);
    loss
}

fn by_all(pen: &mut Pen, loss: &Var, parameters: &[Var]) -> Result<Vec<Gradient>, String> {
    let found = match gradients(pen.tracer(), loss, parameters) {
        Ok(gradients) => parameters.iter().cloned().zip(gradients).collect(),
        Err(GradError::NoPath { .. }) => one_by_one(pen, loss, parameters)?,
        Err(error) if is_forward_only(&error) => vec![],
        Err(error) => return Err(error.to_string()),
    };
    for (parameter, gradient) in &found {
        if parameter.ty() != gradient.ty() {
            return Err(format!("the gradient of {} is {}", parameter.ty(), gradient.ty()));
        }
    }
    Ok(found)
}

/// Whether the path leads through a loop that has no gradient, itself or in a body.
fn is_forward_only(error: &GradError) -> bool {
    let GradError::NoRule { mistake, .. } = error else { return false };
    mistake.message.contains(&format!("`{}` is forward only", WhileLoop::NAME))
}

fn one_by_one(pen: &mut Pen, loss: &Var, parameters: &[Var]) -> Result<Vec<Gradient>, String> {
    let mut found = vec![];
    for parameter in parameters {
        match gradients(pen.tracer(), loss, std::slice::from_ref(parameter)) {
            Ok(mut gradients) => found.push((parameter.clone(), gradients.remove(0))),
            Err(GradError::NoPath { .. }) => {}
            Err(error) if is_forward_only(&error) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(found)
}

/// Replaces states: those with a gradient by a step of one optimizer, others by values of their
/// type.
pub(crate) fn update(pen: &mut Pen, gradients: &[Gradient]) {
    let optimizer = pen.rng.below(5);
    let _role = pen.tracer().role(Role::Update);
    for state in pen.states().to_vec() {
        let of_state = |(parameter, _): &&Gradient| parameter.value() == state.value();
        match gradients.iter().find(of_state) {
            Some((_, gradient)) => step(pen, optimizer, &state, gradient),
            None if pen.rng.one_in(2) => {
                let next = next(pen, &state);
                pen.tracer().update(&state, &next);
            }
            None => {}
        }
    }
}

/// The update of one parameter.
fn step(pen: &mut Pen, optimizer: usize, w: &Var, gradient: &Var) {
    let t = pen.tracer().clone();
    let rate = match pen.rng.one_in(3) {
        true => pen.value(w.dtype(), []),
        false => w.constant_like(0.01),
    };
    let slot = || {
        let name = format!("slot{}", t.with_graph(|graph| graph.inputs().len()));
        t.state(&name, w.ty().clone())
    };
    match optimizer {
        0 => t.update(w, &(w - gradient * &rate)),
        1 => {
            let m = slot();
            let next = &m * 0.9 + gradient;
            t.update(w, &(w - &next * &rate));
            t.update(&m, &next.flush());
        }
        2 => {
            let (m, v) = (slot(), slot());
            let first = &m + (gradient - &m) * 0.1;
            let second = &v + (gradient * gradient - &v) * 0.001;
            t.update(w, &(w - &first * &rate / (second.sqrt() + 1e-3)));
            t.update(&m, &first);
            t.update(&v, &second);
        }
        3 => {
            let axes: Vec<usize> = (0..w.shape().rank()).collect();
            let norm = (gradient * gradient).reduce_sum(&axes, false).sqrt();
            let one = norm.constant_like(1.0);
            let clipped = gradient / norm.maximum(&one);
            t.update(w, &(w * 0.99 - clipped * &rate));
        }
        _ => t.update(w, gradient),
    }
}

/// Another value of the state's type.
fn next(pen: &mut Pen, state: &Var) -> Var {
    let same = |v: &&Var| v.ty() == state.ty();
    let candidates: Vec<Var> = pen.values().iter().filter(same).cloned().collect();
    let other = pen.rng.pick(&candidates);
    if state.dtype() == DType::Bool || pen.rng.one_in(2) {
        return other;
    }
    match pen.rng.below(3) {
        0 => state + 1.0,
        1 => state + &other,
        _ => {
            let fresh = pen.input(Type::clone(state.ty()));
            &other - fresh * state
        }
    }
}
