//! The writer of programs of loops.

use rustc_hash::FxHashMap;

use super::{
    Atom, Buffer, BufferData, Counts, Index, Loops, Number, Rule, Scalar, Sources, Stage, Step,
    Storage, Value, Variable, integer,
};
use crate::lanes::{Lanes, Width};
use crate::tensor::Data;
use crate::types::{DType, Shape, Type};

/// The least number of units of a stage, unless that needs a division in its innermost loop: enough
/// for the threads of a large machine.
const UNITS: usize = 64;

/// Writes [`Loops`].
#[derive(Debug)]
pub struct Writer {
    stages: Vec<Stage>,
    buffers: Vec<BufferData>,
    blocks: Vec<Vec<Step>>,
    counts: Counts,
    sources: Sources,
    /// The node whose steps are written, and the depth of bodies in which it is.
    source: (Option<usize>, usize),
    name: String,
    /// The buffers that are parts of others, and the index of each one's first element there.
    parts: FxHashMap<Buffer, (Buffer, Index)>,
}

impl Writer {
    /// An empty program over buffers of these types.
    #[must_use]
    pub fn new(buffers: impl IntoIterator<Item = Type>) -> Self {
        let given = |(n, ty)| BufferData { ty, storage: Storage::Given(n) };
        Self {
            stages: Vec::new(),
            buffers: (0..).zip(buffers).map(given).collect(),
            blocks: Vec::new(),
            counts: Counts::default(),
            sources: Sources::default(),
            source: (None, 0),
            name: String::new(),
            parts: FxHashMap::default(),
        }
    }

    /// The finished program.
    #[must_use]
    pub fn finish(self) -> Loops {
        let Self { stages, buffers, counts, sources, .. } = self;
        Loops { stages, buffers, counts, sources }
    }

    /// Sets the name of the following stages.
    pub fn set_name(&mut self, name: impl Into<String>) {
        self.name = name.into();
    }

    /// Begins a body inside of the one that is written.
    pub(super) fn enter(&mut self) {
        self.source.1 += 1;
    }

    /// Ends a body.
    pub(super) fn leave(&mut self) {
        self.source.1 -= 1;
    }

    /// Sets the node of the following steps, by its index; those of bodies inside of it stay its.
    pub(super) fn set_source(&mut self, node: usize) {
        if self.source.1 <= 1 {
            self.source.0 = Some(node);
        }
    }

    /// A new buffer, for values that stages pass on.
    pub fn temporary(&mut self, ty: Type) -> Buffer {
        self.buffer(ty, Storage::Temporary)
    }

    /// The memory of a buffer under another shape of as many elements.
    pub fn view(&mut self, buffer: Buffer, ty: Type) -> Buffer {
        let view = self.buffer(ty, Storage::View(buffer));
        if let Some(part) = self.parts.get(&buffer).cloned() {
            self.parts.insert(view, part);
        }
        view
    }

    /// The memory of `buffer[index, ..]`, which is accessed where the index is known alone.
    pub fn part(&mut self, buffer: Buffer, index: &Index) -> Buffer {
        let ty = self.ty(buffer);
        let ty = Type::new(ty.dtype, &ty.shape[1..]);
        let first = index * ty.shape.elements();
        let (owner, first) = self.resolve(buffer, first);
        let part = self.buffer(ty, Storage::View(owner));
        self.parts.insert(part, (owner, first));
        part
    }

    /// The buffer that an element of this one lies in, and its index there.
    fn resolve(&self, buffer: Buffer, index: Index) -> (Buffer, Index) {
        match self.parts.get(&buffer) {
            Some((owner, first)) => (*owner, first.clone() + index),
            None => (buffer, index),
        }
    }

    fn buffer(&mut self, ty: Type, storage: Storage) -> Buffer {
        self.buffers.push(BufferData { ty, storage });
        Buffer(self.buffers.len() as u32 - 1)
    }

    /// The type of a buffer.
    #[must_use]
    pub fn ty(&self, buffer: Buffer) -> &Type {
        &self.buffers[buffer.0 as usize].ty
    }

    /// The element type of a buffer.
    #[must_use]
    pub fn dtype(&self, buffer: Buffer) -> DType {
        self.ty(buffer).dtype
    }

    /// The shape of a buffer.
    #[must_use]
    pub fn shape(&self, buffer: Buffer) -> Shape {
        self.ty(buffer).shape.clone()
    }

    fn atom(&mut self) -> Atom {
        self.counts.atoms += 1;
        Atom(self.counts.atoms - 1)
    }

    fn push(&mut self, step: Step) {
        self.blocks.last_mut().expect("steps are written inside of a stage").push(step);
    }

    fn block(&mut self, body: impl FnOnce(&mut Self)) -> Vec<Step> {
        self.blocks.push(Vec::new());
        body(self);
        self.blocks.pop().expect("the block was opened above")
    }

    /// Writes a stage of `units` units. Inside of a stage, it is a loop over them.
    pub fn stage(&mut self, units: usize, body: impl FnOnce(&mut Self, Index)) {
        if units == 0 {
            return;
        }
        if !self.blocks.is_empty() {
            return self.repeat(units, body);
        }
        let unit = self.atom();
        let index = if units == 1 { Index::default() } else { unit.into() };
        let body = self.block(|w| body(w, index));
        self.stages.push(Stage { name: self.name.clone(), units, unit, body });
    }

    /// Writes a stage that runs `body` for each index of a domain, independently.
    ///
    /// The leading axes are its units, the others loops.
    pub fn each(&mut self, extents: &[usize], body: impl FnOnce(&mut Self, &[Index])) {
        if extents.contains(&0) {
            return;
        }
        let outer = unit_axes(extents);
        let units = extents[..outer].iter().product();
        self.stage(units, |w, unit| {
            let mut indices = vec![Index::default(); outer];
            let mut rest = unit;
            let first = extents[..outer].iter().position(|&extent| extent > 1).unwrap_or(outer);
            for axis in (first + 1..outer).rev() {
                (rest, indices[axis]) = w.divide(&rest, extents[axis]);
            }
            if first < outer {
                indices[first] = rest;
            }
            w.nest(&extents[outer..], indices, body);
        });
    }

    fn nest(
        &mut self,
        extents: &[usize],
        mut indices: Vec<Index>,
        body: impl FnOnce(&mut Self, &[Index]),
    ) {
        let Some((&extent, inner)) = extents.split_first() else {
            return body(self, &indices);
        };
        self.repeat(extent, |w, index| {
            indices.push(index);
            w.nest(inner, indices, body);
        });
    }

    /// Nested loops over these extents inside of a stage, the last one innermost.
    pub fn over(&mut self, extents: &[usize], body: impl FnOnce(&mut Self, &[Index])) {
        self.nest(extents, Vec::new(), body);
    }

    /// A loop from 0 to a count. A count of 1 gives the body alone, 0 nothing.
    pub fn repeat(&mut self, count: usize, body: impl FnOnce(&mut Self, Index)) {
        match count {
            0 => {}
            1 => body(self, Index::default()),
            _ => self.range(Index::default(), Index::number(count), body),
        }
    }

    /// A loop between two bounds.
    pub fn range(&mut self, from: Index, to: Index, body: impl FnOnce(&mut Self, Index)) {
        let index = self.atom();
        let body = self.block(|w| body(w, index.into()));
        self.push(Step::Loop { index, from, to, body });
    }

    /// A loop of at most `limit` runs of a body, each only if the mask that `condition` returns
    /// before it is true. Both are given the index of the run.
    pub fn repeat_while(
        &mut self,
        limit: usize,
        condition: impl FnOnce(&mut Self, Index) -> Number,
        body: impl FnOnce(&mut Self, Index),
    ) {
        let index = self.atom();
        self.blocks.push(Vec::new());
        let holds = condition(self, index.into());
        let condition = self.blocks.pop().unwrap_or_default();
        let body = self.block(|w| body(w, index.into()));
        self.push(Step::While { index, limit: integer(limit), condition, holds, body });
    }

    fn rule(&mut self, rule: Rule) -> Index {
        let atom = self.atom();
        self.push(Step::Atom(atom, rule));
        atom.into()
    }

    /// Quotient and remainder of an index that is not negative.
    ///
    /// # Panics
    /// If the divisor is 0.
    pub fn divide(&mut self, index: &Index, divisor: usize) -> (Index, Index) {
        assert_ne!(divisor, 0, "the extents of a domain that is not empty are not 0");
        if divisor == 1 {
            return (index.clone(), Index::default());
        }
        let divisor = integer(divisor);
        if let Some(value) = index.constant() {
            let number = |value: i64| Index { offset: value, ..Index::default() };
            return (number(value.div_euclid(divisor)), number(value.rem_euclid(divisor)));
        }
        let quotient = self.rule(Rule::Quotient(index.clone(), divisor));
        let remainder = self.rule(Rule::Remainder(index.clone(), divisor));
        (quotient, remainder)
    }

    /// The smaller of two indices.
    pub fn min(&mut self, a: Index, b: Index) -> Index {
        match (a.constant(), b.constant()) {
            (Some(x), Some(y)) => {
                if x <= y {
                    a
                } else {
                    b
                }
            }
            _ => self.rule(Rule::Min(a, b)),
        }
    }

    /// The greater of two indices.
    pub fn max(&mut self, a: Index, b: Index) -> Index {
        match (a.constant(), b.constant()) {
            (Some(x), Some(y)) => {
                if x >= y {
                    a
                } else {
                    b
                }
            }
            _ => self.rule(Rule::Max(a, b)),
        }
    }

    /// `then` where `0 ≤ index < extent`, given the index, `otherwise` elsewhere.
    pub fn inside(
        &mut self,
        index: Index,
        extent: usize,
        then: impl FnOnce(&mut Self, Index),
        otherwise: impl FnOnce(&mut Self),
    ) {
        let to = integer(extent);
        if let Some(value) = index.constant() {
            return if (0..to).contains(&value) { then(self, index) } else { otherwise(self) };
        }
        let known = index.clone();
        let then = self.block(|w| {
            let inside = w.rule(Rule::Same(known));
            then(w, inside);
        });
        let otherwise = self.block(otherwise);
        self.push(Step::When { index, from: 0, to, then, otherwise });
    }

    /// `body` where every index is inside of its extent, given the indices.
    pub fn all_inside(
        &mut self,
        indices: &[Index],
        extents: &[usize],
        body: impl FnOnce(&mut Self, &[Index]),
    ) {
        self.next_inside(indices, extents, Vec::new(), body);
    }

    fn next_inside(
        &mut self,
        indices: &[Index],
        extents: &[usize],
        mut known: Vec<Index>,
        body: impl FnOnce(&mut Self, &[Index]),
    ) {
        let Some((index, &extent)) = indices.first().zip(extents.first()) else {
            return body(self, &known);
        };
        let then = |w: &mut Self, inside: Index| {
            known.push(inside);
            w.next_inside(&indices[1..], &extents[1..], known, body);
        };
        self.inside(index.clone(), extent, then, |_| {});
    }

    /// A register with this value.
    pub(super) fn define(&mut self, scalar: Scalar, value: Value) -> Number {
        let number = Number { id: self.counts.numbers, scalar };
        self.counts.numbers += 1;
        self.sources.set(number.id, self.source.0);
        self.push(Step::Let(number, value));
        number
    }

    /// A register with these bits.
    pub(super) fn constant(&mut self, scalar: Scalar, bits: u64) -> Number {
        self.define(scalar, Value::Constant(bits))
    }

    /// The first element of these data.
    ///
    /// # Panics
    /// If there is none.
    pub fn first(&mut self, data: &Data) -> Number {
        let bits = match data {
            Data::F32(v) => u64::from(v[0].to_bits()),
            Data::F64(v) => v[0].to_bits(),
            Data::BF16(v) => u64::from(v[0].to_f32().to_bits()),
            Data::F16(v) => u64::from(v[0].to_f32().to_bits()),
            Data::I64(v) => v[0].cast_unsigned(),
            Data::I32(v) => u64::from(v[0].cast_unsigned()),
            Data::U8(v) => u64::from(v[0]),
            Data::Bool(v) => u64::from(v[0]),
        };
        self.constant(Scalar::of(data.dtype()), bits)
    }

    /// 0, or false.
    pub fn zero(&mut self, dtype: DType) -> Number {
        self.constant(Scalar::of(dtype), 0)
    }

    /// A number of elements as a float of this type's register, rounded to nearest.
    pub fn count(&mut self, dtype: DType, count: usize) -> Number {
        match width(dtype) {
            Width::W32 => self.first(&Data::F32(vec![count as f32])),
            Width::W64 => self.first(&Data::F64(vec![count as f64])),
        }
    }

    /// A number, rounded to the register of this element type.
    pub fn float(&mut self, dtype: DType, value: f64) -> Number {
        self.lanes(width(dtype)).float(value)
    }

    /// The element at an index.
    pub fn load(&mut self, buffer: Buffer, index: Index) -> Number {
        let (buffer, index) = self.resolve(buffer, index);
        self.define(Scalar::of(self.dtype(buffer)), Value::Load(buffer, index))
    }

    /// Writes an element.
    pub fn store(&mut self, buffer: Buffer, index: Index, number: Number) {
        let (buffer, index) = self.resolve(buffer, index);
        self.push(Step::Store(buffer, index, number));
    }

    /// A variable that holds this number.
    pub fn variable(&mut self, number: Number) -> Variable {
        let variable = Variable { id: self.counts.variables, scalar: number.scalar };
        self.counts.variables += 1;
        self.set(variable, number);
        variable
    }

    /// The number in a variable.
    pub fn get(&mut self, variable: Variable) -> Number {
        self.define(variable.scalar, Value::Get(variable))
    }

    /// Sets a variable.
    pub fn set(&mut self, variable: Variable, number: Number) {
        self.push(Step::Set(variable, number));
    }

    /// Sets a variable to the result of `change` for its number.
    pub fn update(&mut self, variable: Variable, change: impl FnOnce(&mut Self, Number) -> Number) {
        let old = self.get(variable);
        let new = change(self, old);
        self.set(variable, new);
    }

    /// The low bits of an index, as `i32` or `i64`.
    pub fn number(&mut self, scalar: Scalar, index: Index) -> Number {
        self.define(scalar, Value::Index(index))
    }

    /// An integer register as an index.
    pub fn index(&mut self, number: Number) -> Index {
        self.rule(Rule::Number(number))
    }

    /// The second where the mask is true, else the third.
    pub fn select(&mut self, mask: Number, a: Number, b: Number) -> Number {
        self.define(a.scalar, Value::Select(mask, a, b))
    }

    /// The number as an element of this type would be, in its register: see
    /// [`Cast`](crate::ops::Cast).
    pub fn convert(&mut self, number: Number, dtype: DType) -> Number {
        self.define(Scalar::of(dtype), Value::Convert(number, dtype))
    }

    /// `a + b` of floats or integers.
    pub fn add(&mut self, a: Number, b: Number) -> Number {
        let mut lanes = self.lanes(a.scalar.width());
        match a.scalar {
            Scalar::F32 | Scalar::F64 => lanes.add(a, b),
            _ => lanes.iadd(a, b),
        }
    }

    /// `a · b + c`: rounded once for floats, wrapping for integers.
    pub fn multiply_add(&mut self, a: Number, b: Number, c: Number) -> Number {
        let mut lanes = self.lanes(a.scalar.width());
        match a.scalar {
            Scalar::F32 | Scalar::F64 => lanes.fma(a, b, c),
            _ => {
                let product = lanes.imul(a, b);
                lanes.iadd(product, c)
            }
        }
    }

    /// `a / count`.
    pub fn divide_by(&mut self, a: Number, count: Number) -> Number {
        self.lanes(a.scalar.width()).div(a, count)
    }

    /// `a > b`; false for NaN.
    pub fn greater(&mut self, a: Number, b: Number) -> Number {
        let mut lanes = self.lanes(a.scalar.width());
        match a.scalar {
            Scalar::F32 | Scalar::F64 => lanes.lt(b, a),
            _ => lanes.ilt(b, a),
        }
    }

    /// Whether a number is NaN; no integer is.
    pub fn is_nan(&mut self, a: Number) -> Number {
        let mut lanes = self.lanes(a.scalar.width());
        match a.scalar {
            Scalar::F32 | Scalar::F64 => lanes.is_nan(a),
            _ => lanes.truth(false),
        }
    }

    /// The row-major index of these coordinates in a tensor of these extents.
    #[must_use]
    pub fn at(&self, extents: &[usize], coordinates: &[Index]) -> Index {
        let strides = Shape::from(extents).strides();
        let terms = coordinates.iter().zip(&strides).zip(extents);
        terms
            .filter(|&(_, &extent)| extent != 1)
            .fold(Index::default(), |sum, ((index, &stride), _)| sum + index * stride)
    }

    /// The index in a tensor of shape `own` that is repeated at these coordinates of a shape it
    /// broadcasts to.
    #[must_use]
    pub fn broadcast_at(&self, own: &[usize], coordinates: &[Index]) -> Index {
        self.at(own, &coordinates[coordinates.len() - own.len()..])
    }
}

impl Scalar {
    /// The width of its lanes.
    #[must_use]
    pub fn width(self) -> Width {
        match self {
            Self::F64 | Self::I64 => Width::W64,
            Self::F32 | Self::I32 | Self::Mask => Width::W32,
        }
    }
}

/// The width of the lanes in which elements of this type are computed.
pub(crate) fn width(dtype: DType) -> Width {
    Scalar::of(dtype).width()
}

/// The number of leading axes of a domain whose indices number its units: until there are enough
/// units, but never the last axis that is longer than 1, unless it is the only one.
fn unit_axes(extents: &[usize]) -> usize {
    let long: Vec<usize> = (0..extents.len()).filter(|&axis| extents[axis] > 1).collect();
    let Some((&last, leading)) = long.split_last() else {
        return extents.len();
    };
    if leading.is_empty() {
        return last + 1;
    }
    let mut units = 1;
    for &axis in leading {
        units *= extents[axis];
        if units >= UNITS {
            return axis + 1;
        }
    }
    last
}
