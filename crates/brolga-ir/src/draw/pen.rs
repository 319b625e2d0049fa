//! The pen: a graph under construction, and the values that the next op can take.

use super::rng::Rng;
use crate::error::TraceError;
use crate::graph::Graph;
use crate::op::Op;
use crate::ops::Pooling;
use crate::ops::window::MAX_SPATIAL;
use crate::tensor::{Data, Tensor};
use crate::trace::{Tracer, Var};
use crate::types::{DType, Shape, Type};

/// An op and its operands.
#[derive(Debug)]
pub struct Drawn {
    /// The op.
    pub op: Op,
    /// Its operands.
    pub operands: Vec<Var>,
}

/// Draws a graph.
#[derive(Debug)]
pub struct Pen {
    /// The source of all choices.
    pub rng: Rng,
    tracer: Tracer,
    dtype: DType,
    values: Vec<Var>,
    inputs: Vec<Var>,
    states: Vec<Var>,
    limit: usize,
    /// Whether the graph is a function, which has no states.
    pure: bool,
}

/// The most multiply-adds that a drawn contraction takes.
pub(super) const WORK: usize = 40_000;

impl Pen {
    /// A pen for an empty graph whose values have at most `limit` elements.
    pub fn new(name: &str, rng: Rng, limit: usize) -> Self {
        let (tracer, dtype) = (Tracer::new(name), DType::F32);
        let (values, inputs, states) = (Vec::new(), Vec::new(), Vec::new());
        Self { rng, tracer, dtype, values, inputs, states, limit, pure: false }
    }

    /// The element type that ops are drawn for.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Chooses the element type that ops are drawn for.
    pub fn set_dtype(&mut self, dtype: DType) {
        self.dtype = dtype;
    }

    /// The most elements of a value.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The graph being drawn.
    pub fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    /// All values, the oldest first.
    pub fn values(&self) -> &[Var] {
        &self.values
    }

    /// The inputs, without states.
    pub fn inputs(&self) -> &[Var] {
        &self.inputs
    }

    /// The states.
    pub fn states(&self) -> &[Var] {
        &self.states
    }

    /// The graph.
    ///
    /// # Errors
    /// The first mistake that was made.
    pub fn finish(self) -> Result<Graph, TraceError> {
        let Self { tracer, values, inputs, states, .. } = self;
        drop((values, inputs, states));
        tracer.finish()
    }

    /// Makes this value available to later ops.
    pub fn offer(&mut self, value: &Var) {
        self.values.push(value.clone());
    }

    /// Draws the op of this name and adds it; `None` if its type rule refuses the element type, or
    /// the result is too large.
    ///
    /// # Errors
    /// The op and operands that were drawn, if the op refuses them.
    pub fn op(&mut self, name: &str) -> Result<Option<Var>, String> {
        let Some(Drawn { op, operands }) = Op::draw(name, self) else { return Ok(None) };
        let types: Vec<&Type> = operands.iter().map(Var::ty).collect();
        let results = op.infer(&types).map_err(|mistake| {
            let types: Vec<String> = types.iter().map(ToString::to_string).collect();
            format!("{op:?} of ({}): {mistake}", types.join(", "))
        })?;
        if results.iter().any(|ty| ty.shape.elements() > self.limit) {
            return Ok(None);
        }
        let operands: Vec<&Var> = operands.iter().collect();
        let result = self.tracer.apply(op, &operands);
        self.offer(&result);
        Ok(Some(result))
    }

    /// A value of the pen's element type with a shape that fits: an existing one, or a new one of
    /// the shape that `other` draws.
    pub fn operand(
        &mut self,
        fits: impl Fn(&Shape) -> bool,
        other: impl FnOnce(&mut Self) -> Shape,
    ) -> Var {
        let dtype = self.dtype;
        let found = self.found(|ty| ty.dtype == dtype && fits(&ty.shape));
        found.unwrap_or_else(|| {
            let shape = other(self);
            self.fresh(Type { dtype, shape })
        })
    }

    /// A value of this type, an existing or a new one.
    pub fn value(&mut self, dtype: DType, shape: impl Into<Shape>) -> Var {
        let ty = Type { dtype, shape: shape.into() };
        let found = self.found(|given| *given == ty);
        found.unwrap_or_else(|| self.fresh(ty))
    }

    /// Indices of a type of integers.
    pub fn indices(&mut self, shape: impl Into<Shape>) -> Var {
        let dtype = self.rng.pick(&[DType::I32, DType::I32, DType::I64, DType::U8]);
        self.value(dtype, shape)
    }

    /// One of the values that fit, more often a recent one; sometimes none, so that there are
    /// several inputs.
    fn found(&mut self, fits: impl Fn(&Type) -> bool) -> Option<Var> {
        if self.rng.one_in(6) {
            return None;
        }
        let fitting: Vec<Var> = self.values.iter().filter(|v| fits(v.ty())).cloned().collect();
        let last = fitting.len().checked_sub(1)?;
        let chosen = if self.rng.one_in(2) { last } else { self.rng.below(last + 1) };
        Some(fitting[chosen].clone())
    }

    /// A new input, state or constant.
    pub fn fresh(&mut self, ty: Type) -> Var {
        match self.rng.below(8) {
            0 => self.constant(ty),
            1..4 if !self.pure => self.state(ty),
            _ => self.input(ty),
        }
    }

    /// A new input.
    pub fn input(&mut self, ty: Type) -> Var {
        let input = self.tracer.input(&format!("x{}", self.inputs.len()), ty);
        self.inputs.push(input.clone());
        self.offer(&input);
        input
    }

    /// A new state.
    pub fn state(&mut self, ty: Type) -> Var {
        let state = self.tracer.state(&format!("w{}", self.states.len()), ty);
        self.states.push(state.clone());
        self.offer(&state);
        state
    }

    /// A new constant.
    pub fn constant(&mut self, ty: Type) -> Var {
        let numbers = self.numbers(&ty);
        self.tracer.constant(numbers)
    }

    /// The elements of a constant: one number for all, or small integers.
    pub fn numbers(&mut self, ty: &Type) -> Tensor {
        const SPLATS: [f64; 11] =
            [0.0, -0.0, 1.0, -1.0, 2.0, 0.5, 0.1, 1e-42, 3e38, f64::INFINITY, f64::NAN];
        if self.rng.one_in(2) {
            return Tensor::full(ty, self.rng.pick(&SPLATS));
        }
        let numbers: Vec<f64> =
            (0..ty.shape.elements()).map(|_| self.rng.below(7) as f64 - 2.0).collect();
        Tensor::of(ty.shape.clone(), Data::from_f64(ty.dtype, &numbers))
    }

    /// Images, existing or new ones.
    pub fn drawn_images(&mut self) -> Var {
        self.operand(are_images, Self::images)
    }

    /// A function of a few ops for the pen's element type, and operands for it.
    pub fn function(&mut self) -> Option<(Graph, Vec<Var>)> {
        let rng = Rng::new(self.rng.next_u64(), 0);
        let mut inner = Self { pure: true, dtype: self.dtype, ..Self::new("", rng, self.limit) };
        let mut operands: Vec<Var> =
            (0..self.rng.between(1, 2)).map(|_| self.operand(|_| true, Self::any_shape)).collect();
        operands.iter().for_each(|operand| drop(inner.input(operand.ty().clone())));
        let mut results: Vec<Var> = Vec::new();
        for _ in 0..inner.rng.between(1, 3) {
            let op = inner.rng.pick(Op::NAMES);
            // Rejected ops are left out.
            results.extend(inner.op(op).ok().flatten());
        }
        if results.is_empty() {
            results.extend(inner.inputs.first().cloned());
        }
        for result in results.iter().rev().take(2) {
            inner.tracer.output(result);
        }
        let taken = operands.len();
        let more: Vec<Type> = inner.inputs[taken..].iter().map(|v| v.ty().clone()).collect();
        operands.extend(more.into_iter().map(|ty| self.value(ty.dtype, ty.shape)));
        drop(results);
        let mut function = inner.finish().ok()?;
        let name = ["f", "g", "h"][self.rng.below(3)];
        function.set_name(name);
        Some((function, operands))
    }

    /// Images with at least one pixel.
    pub fn pooled_images(&mut self) -> Var {
        let fits = |shape: &Shape| are_images(shape) && !shape[1..shape.rank() - 1].contains(&0);
        self.operand(fits, Self::images)
    }

    /// The taps of the maxima of images, or any bytes of that shape.
    pub fn pool_index(&mut self, x: &Var, shape: Shape, pool: Pooling) -> Var {
        match self.rng.one_in(4) || x.dtype() == DType::Bool {
            true => self.value(DType::U8, shape),
            false => x.max_pool_index(pool),
        }
    }

    /// The operands of a random op.
    pub fn seed_and_step(&mut self) -> (Var, Var) {
        (self.value(DType::I32, [2]), self.value(DType::I32, []))
    }

    /// Operands of these element types that broadcast to one shape.
    pub fn broadcast_operands(&mut self, dtypes: &[DType]) -> Vec<Var> {
        let Some(&last) = dtypes.last() else { return Vec::new() };
        let outer = std::mem::replace(&mut self.dtype, last);
        let first = self.operand(|_| true, Self::any_shape);
        self.dtype = outer;
        let mut shape = first.shape().clone();
        if dtypes.len() > 1 && self.rng.one_in(8) {
            shape = self.wider(&shape);
        }
        let (_, others) = dtypes.split_last().unwrap_or((&last, &[]));
        let mut operands: Vec<Var> =
            others.iter().map(|&dtype| self.partner(dtype, &shape)).collect();
        let index = match dtypes.iter().all(|&dtype| dtype == last) {
            true => self.rng.below(dtypes.len()),
            false => others.len(),
        };
        operands.insert(index, first);
        operands
    }

    /// A value that broadcasts to this shape: one of the shape, of its last axes, with some extents
    /// of 1, or of one number.
    pub fn partner(&mut self, dtype: DType, shape: &Shape) -> Var {
        let rank = shape.rank();
        let own: Shape = match self.rng.below(8) {
            0 => Shape::scalar(),
            1 | 2 => shape[rank.min(1)..].into(),
            3 => shape[rank - rank.min(1)..].into(),
            4 => shape.iter().map(|&extent| if self.rng.one_in(2) { 1 } else { extent }).collect(),
            _ => {
                let fits = |ty: &Type| ty.dtype == dtype && ty.shape.broadcasts_to(shape);
                if let Some(found) = self.found(fits) {
                    return found;
                }
                shape.clone()
            }
        };
        self.value(dtype, own)
    }
}

/// Whether tensors of this shape can be images.
fn are_images(shape: &Shape) -> bool {
    (3..=2 + MAX_SPATIAL).contains(&shape.rank())
}
