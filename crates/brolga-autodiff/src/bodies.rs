//! The backward functions of bodies.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use brolga_ir::op::{Backward, DifferentiateBody};
use brolga_ir::{Graph, Mistake, Origin, Output, Role, Tracer, Value, Var};

use crate::error::GradError;
use crate::reverse::Sweep;

/// Makes the backward functions of bodies, each once: all nodes that share a body share its
/// backward function too.
///
/// The function gives the gradient by every input of floats, whichever of them a node wants: what a
/// node does not use is dead after its body is inlined. Only where this fails, because an op has no
/// rule, are the wanted ones alone differentiated.
#[derive(Debug, Default)]
pub struct Bodies {
    made: RefCell<HashMap<Request, (Arc<Graph>, Backward)>>,
}

/// The body by its address, which it keeps as long as it is held, then which results have a
/// cotangent, and which inputs gradients are wanted by.
type Request = (*const Graph, Vec<bool>, Vec<bool>);

impl DifferentiateBody for Bodies {
    fn backward(
        &self,
        body: &Arc<Graph>,
        cotangents: &[bool],
        wanted: &[bool],
    ) -> Result<Backward, Mistake> {
        let inputs = body.inputs().iter();
        let floats: Vec<bool> = inputs.map(|&id| body.ty(id.into()).dtype.is_float()).collect();
        let wanted: Vec<bool> = wanted.iter().zip(&floats).map(|(a, b)| *a && *b).collect();
        self.made(body, cotangents, &floats).or_else(|error| match wanted == floats {
            true => Err(error),
            false => self.made(body, cotangents, &wanted),
        })
    }
}

impl Bodies {
    /// The function that was made for the same request, or a new one.
    fn made(
        &self,
        body: &Arc<Graph>,
        cotangents: &[bool],
        wanted: &[bool],
    ) -> Result<Backward, Mistake> {
        let request = (Arc::as_ptr(body), cotangents.to_vec(), wanted.to_vec());
        if let Some((_, made)) = self.made.borrow().get(&request) {
            return Ok(made.clone());
        }
        let made = self.make(body, cotangents, wanted)?;
        self.made.borrow_mut().insert(request, (Arc::clone(body), made.clone()));
        Ok(made)
    }

    /// Differentiates a copy of the body, which becomes the backward function.
    fn make(
        &self,
        body: &Arc<Graph>,
        cotangents: &[bool],
        wanted: &[bool],
    ) -> Result<Backward, Mistake> {
        let tracer = Tracer::resume((**body).clone());
        let wanted = |index: usize| wanted.get(index) == Some(&true);
        let inputs: Vec<Value> = body.inputs().iter().map(|&id| id.into()).collect();
        let targets = inputs.iter().copied().enumerate().filter(|(index, _)| wanted(*index));
        let targets: Vec<Value> = targets.map(|(_, value)| value).collect();
        let mut sweep = Sweep::new(&tracer, &targets, self);
        for (index, output) in body.outputs().iter().enumerate() {
            if cotangents.get(index) == Some(&true) {
                let given = cotangent(&tracer, body, index);
                sweep.seed(output.value, |_| given);
            }
        }
        sweep.run().map_err(|error| of_body(body, error))?;
        let (mut outputs, mut gradients) = (Vec::new(), vec![None; inputs.len()]);
        for (index, &input) in inputs.iter().enumerate().filter(|(index, _)| wanted(*index)) {
            if let Some(value) = sweep.gradient(input).as_ref().and_then(Var::value) {
                gradients[index] = Some(outputs.len());
                outputs.push(Output { value, replaces: None });
            }
        }
        drop(sweep);
        let mut function = tracer.finish().map_err(|error| error.mistake)?;
        function.set_name(format!("{}.grad", body.name()));
        function.set_outputs(outputs);
        function.remove_dead();
        Ok(Backward { function: Arc::new(function), gradients })
    }
}

/// A new input for the cotangent of a result, `d0`, or with more letters where the body has such an
/// input already.
fn cotangent(tracer: &Tracer, body: &Graph, index: usize) -> Var {
    let taken = |name: &String| body.input(name).is_some();
    let mut name = format!("d{index}");
    while taken(&name) {
        name.insert(0, 'd');
    }
    let _scope = tracer.derived_scope(Origin { role: Role::Backward, ..Origin::default() });
    tracer.input(&name, body.ty(body.outputs()[index].value).clone())
}

/// Why a body cannot be differentiated.
fn of_body(body: &Graph, error: GradError) -> Mistake {
    let (what, help) = match error {
        GradError::NoRule { node, mistake } => {
            (format!("{node} has no gradient: {}", mistake.message), mistake.help)
        }
        error => (error.to_string(), None),
    };
    Mistake { message: format!("in its body `{}`, {what}", body.name()), help }
}
