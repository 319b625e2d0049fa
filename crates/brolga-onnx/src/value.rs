//! Values of a model while it is imported.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use brolga_ir::{Tensor, Tracer, Type, Var};

use crate::element::ElementType;

/// A value that a node takes or gives.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// A tensor.
    Tensor(Rc<Operand>),
    /// A sequence of values. How many there are is known.
    Sequence(ElementType, Vec<Value>),
    /// A value that may be missing. Whether it is is known.
    Optional(Option<Box<Value>>),
}

/// A tensor: known, or a value of the graph being traced.
#[derive(Debug)]
pub(crate) struct Operand {
    /// The type of its elements, which may be kept in a wider one.
    pub(crate) element: ElementType,
    source: Source,
    /// Its value in the graph, once something has asked for it.
    var: OnceCell<Var>,
}

/// Where a tensor comes from.
#[derive(Debug)]
enum Source {
    /// Known while the model is imported: a constant of the graph, if it is in the graph at all.
    Known(Arc<Tensor>),
    /// A weight: a state of the graph.
    Weight(String, Arc<Tensor>),
    /// Computed by the graph.
    Traced,
}

/// What declares a weight of this name and type in the graph that is traced.
pub(crate) type Declare<'a> = dyn Fn(&str, &Type) -> Var + 'a;

impl Operand {
    fn new(element: ElementType, source: Source) -> Self {
        Self { element, source, var: OnceCell::new() }
    }

    /// A tensor that is known while the model is imported.
    pub(crate) fn known(element: ElementType, tensor: impl Into<Arc<Tensor>>) -> Self {
        Self::new(element, Source::Known(tensor.into()))
    }

    /// A weight with its first value.
    pub(crate) fn weight(element: ElementType, name: &str, tensor: Arc<Tensor>) -> Self {
        Self::new(element, Source::Weight(name.to_owned(), tensor))
    }

    /// A value of the graph.
    pub(crate) fn traced(element: ElementType, var: Var) -> Self {
        Self { element, source: Source::Traced, var: OnceCell::from(var) }
    }

    /// The elements, where they are known; those of a weight are its first ones.
    pub(crate) fn tensor(&self) -> Option<&Tensor> {
        match &self.source {
            Source::Known(tensor) | Source::Weight(_, tensor) => Some(tensor),
            Source::Traced => None,
        }
    }

    /// Whether the elements are known, and are no weight's.
    pub(crate) fn is_constant(&self) -> bool {
        matches!(self.source, Source::Known(_))
    }

    /// The value in the graph.
    pub(crate) fn var(&self, tracer: &Tracer, declare: &Declare<'_>) -> Var {
        let make = || match &self.source {
            Source::Weight(name, tensor) => declare(name, &tensor.ty()),
            Source::Known(tensor) => constant(tracer, tensor),
            Source::Traced => unreachable!("a traced value is made with its variable"),
        };
        self.var.get_or_init(make).clone()
    }

    /// The same tensor for another graph, in which it is a constant.
    ///
    /// `None` if its elements are not known.
    pub(crate) fn elsewhere(&self) -> Option<Self> {
        match &self.source {
            Source::Known(tensor) => Some(Self::new(self.element, Source::Known(tensor.clone()))),
            _ => None,
        }
    }

    /// The number of elements where they are known.
    pub(crate) fn known_elements(&self) -> Option<usize> {
        self.tensor().map(|tensor| tensor.shape().elements())
    }
}

/// A constant; one value that all elements have is written once.
fn constant(tracer: &Tracer, tensor: &Tensor) -> Var {
    match tensor.splat().filter(|_| tensor.shape().elements() > 1) {
        Some(one) => tracer.constant(one).broadcast(tensor.shape().clone()),
        None => tracer.constant(tensor.clone()),
    }
}

impl Value {
    /// A tensor that is known while the model is imported.
    pub(crate) fn known(element: ElementType, tensor: impl Into<Arc<Tensor>>) -> Self {
        Self::Tensor(Rc::new(Operand::known(element, tensor)))
    }

    /// A value of the graph.
    pub(crate) fn traced(element: ElementType, var: Var) -> Self {
        Self::Tensor(Rc::new(Operand::traced(element, var)))
    }

    /// All tensors that the value consists of, in order.
    pub(crate) fn tensors(&self) -> Vec<Rc<Operand>> {
        match self {
            Self::Tensor(operand) => vec![operand.clone()],
            Self::Sequence(_, values) => values.iter().flat_map(Self::tensors).collect(),
            Self::Optional(value) => value.iter().flat_map(|value| value.tensors()).collect(),
        }
    }

    /// The value with each of its tensors replaced, in the order of [`Value::tensors`].
    pub(crate) fn try_map(
        &self,
        map: &mut impl FnMut(&Rc<Operand>) -> Option<Operand>,
    ) -> Option<Self> {
        Some(match self {
            Self::Tensor(operand) => Self::Tensor(Rc::new(map(operand)?)),
            Self::Sequence(element, values) => {
                let values = values.iter().map(|value| value.try_map(map));
                Self::Sequence(*element, values.collect::<Option<_>>()?)
            }
            Self::Optional(None) => Self::Optional(None),
            Self::Optional(Some(value)) => Self::Optional(Some(Box::new(value.try_map(map)?))),
        })
    }

    /// What the value is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Tensor(_) => "a tensor",
            Self::Sequence(..) => "a sequence",
            Self::Optional(_) => "an optional",
        }
    }
}
