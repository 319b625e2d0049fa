//! What training needs to know of a model, however its layers are wired.

use std::sync::Arc;

use brolga_ir::{Location, Origin, Role, Tracer, Type, Var};
use brolga_runtime::for_each_chunk;

use crate::error::NnError;
use crate::initializers::{Initializer, Random};
use crate::trace::Context;

/// The layers of a model and how they are wired.
pub trait Network {
    /// The model's name.
    fn name(&self) -> &str;

    /// The names and class names of the layers, whether the model is built or not.
    fn layer_names(&self) -> Vec<(&str, &'static str)>;

    /// The weights and types of the model, for samples of the type that it declares or, where it declares none, of type `input`.
    ///
    /// # Errors
    /// If a layer does not fit its input; [`NnError::NotBuilt`] if there is no type at all.
    fn build(&self, input: Option<&Type>) -> Result<Built, NnError>;

    /// Adds what the model computes to the graph. `weights` are in the order of [`Built::weights`].
    fn forward(&self, context: &mut Context, weights: &[Var], input: &Var) -> Var;
}

/// A network whose types are known. All types are those of one sample: the batch is not counted.
#[derive(Debug, Clone)]
pub struct Built {
    /// The layer that takes the input, and the type of a sample.
    pub input: (String, Type),
    /// The weights in the order of the layers.
    pub weights: Vec<Weight>,
    /// The layers in order.
    pub layers: Vec<LayerRow>,
    /// The last layer, and the type of what it gives for a sample.
    pub output: (String, Type),
    /// Whether what the last layer gives is a softmax.
    pub softmax: bool,
}

/// A weight of a model.
#[derive(Debug, Clone)]
pub struct Weight {
    /// The layer's path.
    pub layer: String,
    /// The name within the layer.
    pub name: String,
    /// Element type and shape.
    pub ty: Type,
    /// Its first values.
    pub initializer: Arc<dyn Initializer>,
    /// Whether training changes it.
    pub trainable: bool,
    /// Where in the user's source the layer was added.
    pub location: Option<Location>,
}

/// How many elements of a weight a thread fills at a time.
const CHUNK: usize = 1 << 20;

impl Weight {
    /// The name of the model's state that holds it, such as `conv2d/kernel`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.layer, self.name)
    }

    /// Writes the first values of the weight with this number under this seed, with all threads that the
    /// process may use; tells `filled` how many elements are done.
    pub(crate) fn fill(
        &self,
        (seed, number): (u64, u32),
        values: &mut [f32],
        filled: impl Fn(usize) + Sync,
    ) {
        let random = Random::new(seed, number);
        for_each_chunk(values, CHUNK, |start, part| {
            self.initializer.fill(&self.ty.shape, random, start, part);
            filled(part.len());
        });
    }

    /// Where nodes that are about the weight come from.
    pub fn origin(&self, role: Role) -> Origin {
        Origin { location: self.location.clone(), ..Origin::layer(&self.layer, role) }
    }
}

/// A layer as summaries show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerRow {
    /// The name.
    pub name: String,
    /// The class name.
    pub class_name: &'static str,
    /// The shape of what it gives for a sample, without the batch.
    pub output_shape: Vec<usize>,
    /// The number of its weights' elements.
    pub params: usize,
}

impl Built {
    /// Declares the weights as states of a graph.
    pub(crate) fn declare(&self, tracer: &Tracer) -> Vec<Var> {
        let declare = |weight: &Weight| {
            let _scope = tracer.origin_scope(weight.origin(Role::Forward));
            tracer.state(&weight.path(), weight.ty.clone())
        };
        self.weights.iter().map(declare).collect()
    }

    /// The type of a batch of samples of the input.
    pub(crate) fn input_batch(&self, batch: usize) -> Type {
        batched(&self.input.1, batch)
    }
}

/// The type of so many samples.
pub(crate) fn batched(sample: &Type, batch: usize) -> Type {
    let shape = std::iter::once(batch).chain(sample.shape.iter().copied());
    Type::new(sample.dtype, shape.collect::<Vec<_>>())
}
