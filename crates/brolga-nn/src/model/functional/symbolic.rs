//! Tensors before they have values, and the layers that are called on them.

use std::fmt;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use brolga_ir::{Location, Mistake, Type};
use brolga_memory::NotGranted;

use super::arguments::{CallArguments, IntoArguments};
use crate::error::NnError;
use crate::initializers::Kept;
use crate::keywords::Keywords;
use crate::layers::{Input, Layer};
use crate::model::Model;
use crate::network::{Built, Network};

/// A tensor of a functional model before it has values (Keras's `KerasTensor`): a result of a call
/// of a layer.
#[derive(Debug, Clone)]
pub struct Symbolic {
    pub(super) node: Arc<Node>,
    /// Which of the results.
    pub(super) port: usize,
}

/// A call of a layer.
#[derive(Debug)]
pub(crate) struct Node {
    /// Calls that were written later have larger numbers.
    pub(super) number: u64,
    pub(super) unit: Shared,
    pub(super) inputs: Vec<Symbolic>,
    pub(super) keywords: Keywords<Symbolic>,
    pub(super) location: Option<Location>,
}

impl Node {
    /// The tensors that the call takes: the inputs, and those among the other arguments.
    pub(super) fn tensors(&self) -> impl Iterator<Item = &Symbolic> {
        self.inputs.iter().chain(self.keywords.tensors())
    }
}

/// Chains of calls may be longer than the stack is deep.
impl Drop for Node {
    fn drop(&mut self) {
        let mut tensors = std::mem::take(&mut self.inputs);
        tensors.append(&mut self.keywords.take_tensors());
        while let Some(tensor) = tensors.pop() {
            if let Some(mut node) = Arc::into_inner(tensor.node) {
                tensors.append(&mut node.inputs);
                tensors.append(&mut node.keywords.take_tensors());
            }
        }
    }
}

static CALLS: AtomicU64 = AtomicU64::new(0);

impl Symbolic {
    pub(super) fn of(node: &Arc<Node>, port: usize) -> Self {
        Self { node: Arc::clone(node), port }
    }

    /// A call of a layer with these arguments; all of its results are of this node.
    #[track_caller]
    pub(super) fn call(unit: Shared, arguments: CallArguments) -> Arc<Node> {
        let caller = panic::Location::caller();
        let location = Location { file: caller.file().into(), line: caller.line() };
        Self::call_at(unit, arguments, Some(location))
    }

    /// As [`Symbolic::call`], written there.
    pub(super) fn call_at(
        unit: Shared,
        CallArguments { inputs, keywords }: CallArguments,
        location: Option<Location>,
    ) -> Arc<Node> {
        let number = CALLS.fetch_add(1, Ordering::Relaxed);
        Arc::new(Node { number, unit, inputs, keywords, location })
    }
}

/// The layer that gives the tensor, and where in the user's source it was called.
impl fmt::Display for Symbolic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.node.unit.0 {
            Unit::Layer(layer) => {
                write!(f, "{}", layer.class_name())?;
                layer.base().name.as_ref().map_or(Ok(()), |name| write!(f, " `{name}`"))?;
            }
            Unit::Network(nested) => write!(f, "model `{}`", nested.network.name())?,
        }
        match &self.node.location {
            Some(at) => write!(f, " of {}:{}", at.file, at.line),
            None => Ok(()),
        }
    }
}

/// A layer or a model that can be called several times. All calls have the same weights.
///
/// ```
/// use brolga_nn::prelude::*;
///
/// let [left, right] = [(); 2].map(|()| Input::new([8]).tensor());
/// let encoder = Dense::new(4).shared();
/// let model = Model::new([&left, &right], [&encoder.on(&left), &encoder.on(&right)])?;
/// # Ok::<(), NnError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Shared(pub(super) Arc<Unit>);

/// What is called.
#[derive(Debug)]
pub(crate) enum Unit {
    Layer(Arc<dyn Layer>),
    Network(Nested),
}

/// A model that is called as a layer.
#[derive(Debug)]
pub(crate) struct Nested {
    pub(super) network: Box<dyn Network>,
    /// The values of its weights, in the order of its layers, if it has some already.
    weights: Option<Vec<Vec<f32>>>,
}

impl Nested {
    /// The layers for samples of these types, whose weights begin with their values.
    pub(super) fn build(&self, inputs: &[Type]) -> Result<Built, NnError> {
        let mut built = self.network.build(Some(inputs))?;
        let (expected, given) = (built.inputs.len(), inputs.len());
        if expected != given {
            let message = format!(
                "the model `{}` takes {expected} inputs, {given} were given",
                self.network.name()
            );
            return Err(Mistake::new(message).into());
        }
        let weights = built.layers.iter_mut().flat_map(|layer| &mut layer.weights);
        for (weight, values) in weights.zip(self.weights.iter().flatten()) {
            if weight.ty.shape.elements() == values.len() {
                let values = values.clone();
                weight.initializer = Arc::new(Kept { values });
            }
        }
        Ok(built)
    }
}

impl Shared {
    pub(super) fn pointer(&self) -> *const Unit {
        Arc::as_ptr(&self.0)
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The size of batches that an input declares.
    pub(super) fn batch_size(&self) -> Option<usize> {
        match &*self.0 {
            Unit::Layer(layer) => layer.batch_size(),
            Unit::Network(_) => None,
        }
    }

    /// The type of a sample, of a layer that stands for an input.
    pub(super) fn input_type(&self) -> Option<Type> {
        match &*self.0 {
            Unit::Layer(layer) => layer.input_type(),
            Unit::Network(_) => None,
        }
    }

    /// Whether Keras calls it with its inputs as arguments of their own, not as a list.
    pub(super) fn takes_separate_inputs(&self) -> bool {
        match &*self.0 {
            Unit::Layer(layer) => layer.takes_separate_inputs(),
            Unit::Network(_) => false,
        }
    }

    /// A layer that is known by its trait alone.
    pub fn of_layer(layer: Arc<dyn Layer>) -> Self {
        Self(Arc::new(Unit::Layer(layer)))
    }

    /// Calls it again.
    #[track_caller]
    pub fn on(&self, arguments: impl IntoArguments) -> Symbolic {
        Symbolic { node: Symbolic::call(self.clone(), arguments.into_arguments()), port: 0 }
    }

    /// Calls it again, and gives so many of its results.
    #[track_caller]
    pub fn on_all<const N: usize>(&self, arguments: impl IntoArguments) -> [Symbolic; N] {
        let node = Symbolic::call(self.clone(), arguments.into_arguments());
        std::array::from_fn(|port| Symbolic::of(&node, port))
    }
}

/// Layers and models that are called on symbolic tensors.
pub trait Apply: Sized {
    /// The same, to be called several times.
    fn shared(self) -> Shared;

    /// Calls it, as Keras's `layer(inputs)`: on a tensor, a list such as `[&a, &b]`, or
    /// [`CallArguments`].
    #[track_caller]
    fn on(self, arguments: impl IntoArguments) -> Symbolic {
        self.shared().on(arguments)
    }

    /// Calls it, and gives so many of its results: `let [y, state] = layer.on_all(&x);`.
    #[track_caller]
    fn on_all<const N: usize>(self, arguments: impl IntoArguments) -> [Symbolic; N] {
        self.shared().on_all(arguments)
    }
}

impl<L: Layer + 'static> Apply for L {
    fn shared(self) -> Shared {
        Shared(Arc::new(Unit::Layer(Arc::new(self))))
    }
}

impl<N: Network + 'static> Model<N> {
    /// The model as a layer of another one: its layers are called `model/layer` there. It keeps the
    /// values of its weights.
    ///
    /// # Errors
    /// If the system has no memory left for a copy of them.
    pub fn into_shared(mut self) -> Result<Shared, NnError> {
        let weights = if self.has_values() {
            let values = self.get_weights()?;
            let copied =
                |array: &ndarray::ArrayD<f32>| brolga_memory::collected(array.iter().copied());
            let values: Result<_, NotGranted> = values.iter().map(copied).collect();
            Some(values.map_err(brolga_runtime::RuntimeError::from)?)
        } else {
            None
        };
        let network = Box::new(self.into_network());
        Ok(Shared(Arc::new(Unit::Network(Nested { network, weights }))))
    }
}

impl Input {
    /// The input as a tensor of a functional model: Keras's `keras.Input(shape=..)`.
    #[must_use]
    #[track_caller]
    pub fn tensor(self) -> Symbolic {
        let node = Symbolic::call(self.shared(), CallArguments::default());
        Symbolic { node, port: 0 }
    }
}

/// A symbolic tensor, or a list of them.
pub trait IntoSymbolic {
    /// The same as a list.
    fn into_symbolic(self) -> Vec<Symbolic>;
}

impl IntoSymbolic for &Symbolic {
    fn into_symbolic(self) -> Vec<Symbolic> {
        vec![self.clone()]
    }
}

impl IntoSymbolic for Symbolic {
    fn into_symbolic(self) -> Vec<Symbolic> {
        vec![self]
    }
}

impl<const N: usize> IntoSymbolic for [&Symbolic; N] {
    fn into_symbolic(self) -> Vec<Symbolic> {
        self.into_iter().cloned().collect()
    }
}

impl<const N: usize> IntoSymbolic for [Symbolic; N] {
    fn into_symbolic(self) -> Vec<Symbolic> {
        self.into()
    }
}

impl<const N: usize> IntoSymbolic for &[Symbolic; N] {
    fn into_symbolic(self) -> Vec<Symbolic> {
        self.to_vec()
    }
}

impl IntoSymbolic for &[Symbolic] {
    fn into_symbolic(self) -> Vec<Symbolic> {
        self.to_vec()
    }
}

impl IntoSymbolic for Vec<Symbolic> {
    fn into_symbolic(self) -> Vec<Symbolic> {
        self
    }
}

impl IntoSymbolic for &Vec<Symbolic> {
    fn into_symbolic(self) -> Vec<Symbolic> {
        self.clone()
    }
}
