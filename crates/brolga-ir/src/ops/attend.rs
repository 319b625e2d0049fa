//! What [`Attention`](super::Attention) and its gradient share: attributes, operands, the order of
//! arithmetic of one score, and the formula in other ops.

use std::borrow::Cow;
use std::ops::{Mul, Sub};

use half::{bf16, f16};
use serde::{Deserialize, Serialize};

use super::float::{Float, widen};
use super::random_bernoulli::Probability;
use super::{elementwise, random};
use crate::draw::Pen;
use crate::error::Mistake;
use crate::lanes::{self, Lanes, ScalarF32, ScalarF64};
use crate::loops::{Buffer, Index, Number, Scalar, Variable, Writer};
use crate::tensor::{Data, Tensor};
use crate::trace::Var;
use crate::types::{DType, Shape, Type};

/// The number of keys of a block. It is a part of the order of arithmetic.
pub const BLOCK: usize = 64;

/// How queries attend to keys: the attributes of [`Attention`](super::Attention) and its gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attending {
    /// The factor of the products of queries and keys.
    #[serde(default)]
    pub scale: Scale,
    /// Whether query i attends to the keys 0 to i alone.
    #[serde(default)]
    pub causal: bool,
    /// Whether there is a mask among the operands.
    #[serde(default)]
    pub masked: bool,
    /// Whether a query that may attend to no key gives 0; otherwise it attends to all alike.
    #[serde(default)]
    pub zeroed: bool,
    /// The probability with which a share is dropped. If it is not 0, seed and step are the last
    /// operands.
    #[serde(default)]
    pub dropout: Probability,
    /// The stream of the random numbers.
    #[serde(default)]
    pub stream: u32,
}

/// A factor: an `f32` that is compared by its bits; 1 by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "f32", into = "f32")]
pub struct Scale {
    bits: u32,
}

impl From<f32> for Scale {
    fn from(value: f32) -> Self {
        Self { bits: value.to_bits() }
    }
}

impl From<Scale> for f32 {
    fn from(value: Scale) -> Self {
        Self::from_bits(value.bits)
    }
}

impl Default for Scale {
    fn default() -> Self {
        1.0.into()
    }
}

/// The extents of an attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttentionDims {
    /// The product of the extents before the last two of the queries.
    pub batch: usize,
    /// How many of these share keys and values.
    pub share: usize,
    /// Queries.
    pub queries: usize,
    /// Keys.
    pub keys: usize,
    /// Features of queries and keys.
    pub features: usize,
    /// Features of values.
    pub values: usize,
}

impl AttentionDims {
    /// The product of the extents before the last two of keys and values.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.batch.checked_div(self.share).unwrap_or(0)
    }

    /// The columns of the random numbers: the keys, in whole blocks.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.keys.next_multiple_of(BLOCK)
    }
}

/// The element type in which an attention of this type is computed.
#[must_use]
pub(super) fn wide(dtype: DType) -> DType {
    if dtype == DType::F64 { DType::F64 } else { DType::F32 }
}

impl Attending {
    /// The extents for operands of these shapes, which the type rule has accepted.
    #[must_use]
    pub fn dims(q: &Shape, k: &Shape, v: &Shape) -> AttentionDims {
        let split = |shape: &Shape| {
            let (lead, last) = shape.split_at(shape.rank() - 2);
            (lead.iter().product::<usize>(), last[0], last[1])
        };
        let ((batch, queries, features), (_, keys, _)) = (split(q), split(k));
        let heads = |shape: &Shape| shape.rank().checked_sub(3).map_or(1, |axis| shape[axis]);
        let share = heads(q).checked_div(heads(k)).unwrap_or(1);
        AttentionDims { batch, share, queries, keys, features, values: split(v).2 }
    }

    /// The probability with which a share is dropped.
    #[must_use]
    pub fn rate(&self) -> f32 {
        self.dropout.into()
    }

    /// Whether shares are dropped.
    #[must_use]
    pub fn drops(&self) -> bool {
        self.rate() != 0.0
    }

    /// The probability with which a share is kept, and the factor of one that is.
    #[must_use]
    pub fn kept(&self) -> (f32, f32) {
        let kept = 1.0 - self.rate();
        (kept, if kept > 0.0 { 1.0 / kept } else { 0.0 })
    }

    /// The factor of the scores, if it is not 1.
    #[must_use]
    pub fn factor(&self) -> Option<f32> {
        Some(f32::from(self.scale)).filter(|&scale| scale != 1.0)
    }

    /// The score of a key that a query may not attend to: Keras's.
    #[must_use]
    pub fn hidden_score(dtype: DType) -> f64 {
        if dtype == DType::F16 { -3e4 } else { -1e9 }
    }

    /// Whether a causal query looks at no block behind that of its own key. With a mask it may be
    /// that it attends to all keys alike, those that lie there too.
    #[must_use]
    pub fn stops(&self) -> bool {
        self.causal && (self.zeroed || !self.masked)
    }

    /// The blocks of keys that query i looks at.
    fn blocks(&self, keys: usize, query: usize) -> usize {
        let all = keys.div_ceil(BLOCK);
        if self.stops() { all.min(query / BLOCK + 1) } else { all }
    }

    /// The number of operands that depend on attributes: mask, seed and step.
    fn optional(&self) -> usize {
        usize::from(self.masked) + 2 * usize::from(self.drops())
    }

    /// Checks attributes and operands: `fixed` ones, of which queries, keys and values are the
    /// first, then mask, seed and step. Returns the type of the output.
    pub(super) fn check(
        &self,
        name: &str,
        fixed: usize,
        operands: &[&Type],
    ) -> Result<Type, Mistake> {
        let (rate, scale) = (self.rate(), f32::from(self.scale));
        if !(0.0..=1.0).contains(&rate) {
            let message = format!("`{name}`: {rate} is not a probability between 0 and 1");
            return Err(Mistake::new(message));
        }
        if !scale.is_finite() {
            return Err(Mistake::new(format!("`{name}`: the scale {scale} is no finite number")));
        }
        let count = fixed + self.optional();
        if operands.len() != count {
            return Err(crate::op::wrong_count(name, count, operands.len()));
        }
        let [q, k, v] = [operands[0], operands[1], operands[2]];
        let dtype = elementwise::float(name, &[q.dtype, k.dtype, v.dtype])?;
        let rank = q.shape.rank();
        let misfit = || {
            Mistake::new(format!("`{name}`: queries {q}, keys {k} and values {v} do not fit"))
                .help("they are [.., queries, features], [.., keys, features] and [.., keys, values]; of equal leading extents, but that the last one of the queries may be a multiple")
        };
        if rank < 2 || k.shape.rank() != rank || v.shape.rank() != rank {
            return Err(misfit());
        }
        let (lead, own) = q.shape.split_at(rank - 2);
        let (groups, of_keys) = k.shape.split_at(rank - 2);
        let (of_values, values) = v.shape.split_at(rank - 2);
        let outer = lead.len().saturating_sub(1);
        let heads = match (lead.last(), groups.last()) {
            (Some(&heads), Some(&groups)) => {
                heads == groups || groups > 0 && heads > 0 && heads.is_multiple_of(groups)
            }
            _ => true,
        };
        let fits = groups == of_values
            && lead[..outer] == groups[..outer]
            && heads
            && own[1] == of_keys[1]
            && of_keys[0] == values[0];
        if !fits {
            return Err(misfit());
        }
        let scores =
            |keys: usize| -> Shape { lead.iter().copied().chain([own[0], keys]).collect() };
        let mut rest = operands[fixed..].iter();
        if self.masked {
            let mask = rest.next().copied().unwrap_or(q);
            let scores = scores(of_keys[0]);
            if mask.dtype != DType::Bool || !mask.shape.broadcasts_to(&scores) {
                let wanted = Type { dtype: DType::Bool, shape: scores };
                let message = format!("`{name}`: the mask is {mask}");
                return Err(Mistake::new(message).help(format!("it broadcasts to {wanted}")));
            }
        }
        if self.drops() {
            let random: Vec<&Type> = rest.copied().collect();
            let columns = of_keys[0].checked_next_multiple_of(BLOCK).unwrap_or(usize::MAX);
            let numbers = Type { dtype: DType::Bool, shape: scores(columns) };
            random::check(name, &random, &numbers, DType::Bool)?;
            numbers.check().map_err(|reason| format!("`{name}`: {reason}"))?;
        }
        let shape = lead.iter().copied().chain([own[0], values[1]]).collect();
        Ok(Type { dtype, shape })
    }

    /// Draws attributes, queries, keys and values, and the operands that follow all others.
    pub(super) fn draw(pen: &mut Pen) -> (Self, [Var; 3], Vec<Var>) {
        let drops = pen.rng.one_in(3);
        let how = Self {
            scale: pen.rng.pick(&[1.0_f32, 1.0, 0.5, 0.3, -2.0]).into(),
            causal: pen.rng.one_in(2),
            masked: pen.rng.one_in(2),
            zeroed: pen.rng.one_in(2),
            dropout: if drops { pen.rng.pick(&[0.1_f32, 0.5, 1.0]) } else { 0.0 }.into(),
            stream: pen.rng.below(3) as u32,
        };
        let q = pen.operand(
            |shape| shape.rank() >= 2 && shape.elements() <= 4000,
            |pen| {
                let rank = pen.rng.pick(&[2, 3, 3, 4]);
                pen.shape(rank)
            },
        );
        let (lead, own) = q.shape().split_at(q.shape().rank() - 2);
        let mut groups = lead.to_vec();
        if let Some(heads) = groups.last_mut()
            && *heads > 1
            && pen.rng.one_in(3)
        {
            *heads = 1;
        }
        let [queries, features] = [own[0], own[1]];
        let work = (lead.iter().product::<usize>() * queries * (features + 8)).max(1);
        let most = (40_000 / work).clamp(1, pen.limit());
        let keys = match pen.rng.below(6) {
            0 => most.min(BLOCK + pen.rng.below(2 * BLOCK)),
            _ => pen.extent(2).min(most),
        };
        let values = pen.extent(3).min(8);
        let dtype = q.dtype();
        let of =
            |extent: usize| -> Shape { groups.iter().copied().chain([keys, extent]).collect() };
        let [k, v] = [of(features), of(values)].map(|shape| pen.value(dtype, shape));
        let scores: Shape = lead.iter().copied().chain([queries, keys]).collect();
        let mut rest = Vec::new();
        if how.masked {
            rest.push(pen.partner(DType::Bool, &scores));
        }
        if how.drops() {
            let (seed, step) = pen.seed_and_step();
            rest.extend([seed, step]);
        }
        (how, [q, k, v], rest)
    }
}

/// The arithmetic of the reference evaluation.
pub(super) trait Real:
    Float + Sub<Output = Self> + Mul<Output = Self> + PartialOrd + 'static
{
    /// The least finite number.
    const LOWEST: Self;
    /// eˣ.
    fn exp(self) -> Self;
    /// The nearest number.
    fn of(value: f64) -> Self;
    /// The elements, widened.
    fn read(data: &Data) -> Cow<'_, [Self]>;
    /// The numbers, rounded to an element type.
    fn write(dtype: DType, numbers: Vec<Self>) -> Data;
}

impl Real for f32 {
    const LOWEST: Self = Self::MIN;

    fn exp(self) -> Self {
        ScalarF32.exp(self)
    }

    fn of(value: f64) -> Self {
        value as Self
    }

    fn read(data: &Data) -> Cow<'_, [Self]> {
        widen(data)
    }

    fn write(dtype: DType, numbers: Vec<Self>) -> Data {
        match dtype {
            DType::BF16 => Data::BF16(numbers.into_iter().map(bf16::from_f32).collect()),
            DType::F16 => Data::F16(numbers.into_iter().map(f16::from_f32).collect()),
            _ => Data::F32(numbers),
        }
    }
}

impl Real for f64 {
    const LOWEST: Self = Self::MIN;

    fn exp(self) -> Self {
        ScalarF64.exp(self)
    }

    fn of(value: f64) -> Self {
        value
    }

    fn read(data: &Data) -> Cow<'_, [Self]> {
        match data {
            Data::F64(values) => Cow::Borrowed(values),
            _ => unreachable!("the type rule admits operands of one element type"),
        }
    }

    fn write(_: DType, numbers: Vec<Self>) -> Data {
        Data::F64(numbers)
    }
}

/// The operands of a reference evaluation.
pub(super) struct Operands<'a, T: Real> {
    pub(super) how: Attending,
    pub(super) dims: AttentionDims,
    pub(super) q: Cow<'a, [T]>,
    pub(super) k: Cow<'a, [T]>,
    pub(super) v: Cow<'a, [T]>,
    /// The mask, and the offset in it of each score.
    mask: Option<(&'a [bool], Vec<usize>)>,
    /// Seed and step.
    random: Option<([u32; 2], u32)>,
    hidden: T,
}

impl<'a, T: Real> Operands<'a, T> {
    /// `operands` has `fixed` ones before mask, seed and step.
    pub(super) fn new(how: Attending, fixed: usize, operands: &[&'a Tensor]) -> Self {
        let [q, k, v] = [operands[0], operands[1], operands[2]];
        let dims = Attending::dims(q.shape(), k.shape(), v.shape());
        let mut rest = operands[fixed..].iter();
        let mask = how.masked.then(|| rest.next()).flatten().map(|mask| {
            let lead = q.shape()[..q.shape().rank() - 2].iter().copied();
            let scores: Shape = lead.chain([dims.queries, dims.keys]).collect();
            let offsets = elementwise::broadcast_offsets(mask.shape(), &scores);
            let Data::Bool(mask) = mask.data() else {
                unreachable!("the type rule admits a mask of bool")
            };
            (mask.as_slice(), offsets)
        });
        let random = match (rest.next().map(|t| t.data()), rest.next().map(|t| t.data())) {
            (Some(Data::I32(seed)), Some(Data::I32(step))) => {
                Some(([seed[0] as u32, seed[1] as u32], step[0] as u32))
            }
            _ => None,
        };
        let hidden = T::of(Attending::hidden_score(q.dtype()));
        let [q, k, v] = [q, k, v].map(|x| T::read(x.data()));
        Self { how, dims, q, k, v, mask, random, hidden }
    }

    /// The number of the row of keys of a query's batch index.
    pub(super) fn group(&self, batch: usize) -> usize {
        batch / self.dims.share
    }

    /// The keys that a query looks at, in blocks.
    pub(super) fn blocks(&self, query: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
        let keys = self.dims.keys;
        let blocks = 0..self.how.blocks(keys, query);
        blocks.map(move |block| block * BLOCK..((block + 1) * BLOCK).min(keys))
    }

    /// Whether a query may not attend to a key.
    pub(super) fn is_hidden(&self, batch: usize, query: usize, key: usize) -> bool {
        let place = (batch * self.dims.queries + query) * self.dims.keys + key;
        let masked = self.mask.as_ref().is_some_and(|(mask, offsets)| !mask[offsets[place]]);
        masked || self.how.causal && key > query
    }

    /// The score of a key.
    pub(super) fn score(&self, batch: usize, query: usize, key: usize) -> T {
        if self.is_hidden(batch, query, key) {
            return self.hidden;
        }
        let AttentionDims { queries, keys, features, .. } = self.dims;
        let q = &self.q[(batch * queries + query) * features..][..features];
        let k = &self.k[(self.group(batch) * keys + key) * features..][..features];
        let chain = chain(k, q);
        self.how.factor().map_or(chain, |scale| chain * T::of(scale.into()))
    }

    /// A number of the share of a key after dropout.
    pub(super) fn dropped(&self, x: T, batch: usize, query: usize, key: usize) -> T {
        let Some((seed, step)) = self.random else { return x };
        let (kept, factor) = self.how.kept();
        let element = (batch * self.dims.queries + query) * self.dims.columns() + key;
        let bits = lanes::random_bits_at(seed, step, self.how.stream, element as u64);
        if random::uniform(bits) < kept { x * T::of(factor.into()) } else { T::ZERO }
    }
}

/// `Σ aᵢ·bᵢ`, a chain from +0.
pub(super) fn chain<T: Real>(a: &[T], b: &[T]) -> T {
    a.iter().zip(b).fold(T::ZERO, |sum, (&a, &b)| a.fma(b, sum))
}

/// The operands of scalar loops.
pub(super) struct Looped {
    pub(super) how: Attending,
    pub(super) dims: AttentionDims,
    /// The extents of the queries before the last two.
    pub(super) lead: Vec<usize>,
    pub(super) wide: DType,
    pub(super) q: Buffer,
    pub(super) k: Buffer,
    pub(super) v: Buffer,
    mask: Option<Buffer>,
    random: Vec<Buffer>,
    hidden: f64,
}

/// The place of a query: its batch index and its number, with the batch index on each axis, and the
/// batch index of its keys.
pub(super) struct Place {
    pub(super) lead: Vec<Index>,
    pub(super) batch: Index,
    pub(super) group: Index,
    pub(super) query: Index,
}

impl Looped {
    pub(super) fn new(how: Attending, w: &Writer, fixed: usize, operands: &[Buffer]) -> Self {
        let [q, k, v] = [operands[0], operands[1], operands[2]];
        let (shape, dtype) = (w.shape(q), w.dtype(q));
        let dims = Attending::dims(&shape, &w.shape(k), &w.shape(v));
        let lead = shape[..shape.rank() - 2].to_vec();
        let (mask, random) = operands[fixed..].split_at(usize::from(how.masked));
        Self {
            how,
            dims,
            lead,
            wide: wide(dtype),
            q,
            k,
            v,
            mask: mask.first().copied(),
            random: random.to_vec(),
            hidden: Attending::hidden_score(dtype),
        }
    }

    /// The row of a query in tensors of one row for each.
    pub(super) fn row(&self, place: &Place) -> Index {
        &place.batch * self.dims.queries + place.query.clone()
    }

    /// Runs `body` for each block of keys that a query looks at.
    pub(super) fn blocks(
        &self,
        w: &mut Writer,
        place: &Place,
        body: impl FnOnce(&mut Writer, &Index),
    ) {
        let all = Index::number(self.dims.keys.div_ceil(BLOCK));
        let end = if self.how.stops() {
            let (own, _) = w.divide(&place.query, BLOCK);
            w.min(own + 1, all)
        } else {
            all
        };
        if self.dims.keys > 0 {
            w.range(Index::default(), end, |w, block| body(w, &block));
        }
    }

    /// Runs `body` for the keys of a block, given each with its number within the block.
    pub(super) fn keys(
        &self,
        w: &mut Writer,
        block: &Index,
        body: impl FnOnce(&mut Writer, &Index, &Index),
    ) {
        w.repeat(BLOCK.min(self.dims.keys), |w, within| {
            let key = block * BLOCK + within.clone();
            w.inside(key, self.dims.keys, |w, key| body(w, &key, &within), |_| {});
        });
    }

    /// Whether a query may not attend to a key; `None` if it may attend to all.
    pub(super) fn hidden(&self, w: &mut Writer, place: &Place, key: &Index) -> Option<Number> {
        let masked = self.mask.map(|mask| {
            let ends = [place.query.clone(), key.clone()];
            let at: Vec<Index> = place.lead.iter().cloned().chain(ends).collect();
            let index = w.broadcast_at(&w.shape(mask), &at);
            let visible = w.load(mask, index);
            w.lanes(lanes::Width::W32).not(visible)
        });
        let behind = self.how.causal.then(|| {
            let [key, query] =
                [key, &place.query].map(|index| w.number(Scalar::I64, index.clone()));
            w.greater(key, query)
        });
        match (masked, behind) {
            (Some(a), Some(b)) => Some(w.lanes(lanes::Width::W32).or(a, b)),
            (a, b) => a.or(b),
        }
    }

    /// The score of a key.
    pub(super) fn score(
        &self,
        w: &mut Writer,
        place: &Place,
        key: &Index,
        hidden: Option<Number>,
    ) -> Number {
        let AttentionDims { keys, features, .. } = self.dims;
        let from = [&place.group * keys + key.clone(), self.row(place)];
        let mut score = self.chain(w, features, (self.k, &from[0]), (self.q, &from[1]));
        if let Some(scale) = self.how.factor() {
            let scale = w.float(self.wide, scale.into());
            score = w.lanes(score.scalar.width()).mul(score, scale);
        }
        match hidden {
            None => score,
            Some(hidden) => {
                let low = w.float(self.wide, self.hidden);
                w.select(hidden, low, score)
            }
        }
    }

    /// The chain of the products of two rows of `extent` elements.
    pub(super) fn chain(
        &self,
        w: &mut Writer,
        extent: usize,
        (a, a_row): (Buffer, &Index),
        (b, b_row): (Buffer, &Index),
    ) -> Number {
        let zero = w.zero(self.wide);
        let sum = w.variable(zero);
        w.repeat(extent, |w, c| {
            let a = w.load(a, a_row * extent + c.clone());
            let b = w.load(b, b_row * extent + c);
            w.update(sum, |w, sum| w.multiply_add(a, b, sum));
        });
        w.get(sum)
    }

    /// eˣ⁻ʸ.
    pub(super) fn exp_of_difference(&self, w: &mut Writer, x: Number, y: Number) -> Number {
        let mut lanes = w.lanes(x.scalar.width());
        let difference = lanes.sub(x, y);
        lanes.exp(difference)
    }

    /// Whether the share of a key is kept; `None` if nothing is dropped.
    pub(super) fn is_kept(&self, w: &mut Writer, place: &Place, key: &Index) -> Option<Number> {
        if !self.how.drops() {
            return None;
        }
        let element = self.row(place) * self.dims.columns() + key.clone();
        let bits = random::write_bits(w, &self.random, self.how.stream, &element);
        let uniform = random::write_uniform(w, bits);
        let kept = w.float(DType::F32, self.how.kept().0.into());
        Some(w.greater(kept, uniform))
    }

    /// A number of the share of a key after dropout.
    pub(super) fn dropped(&self, w: &mut Writer, x: Number, kept: Option<Number>) -> Number {
        let Some(kept) = kept else { return x };
        let factor = w.float(self.wide, self.how.kept().1.into());
        let zero = w.zero(self.wide);
        let scaled = w.lanes(x.scalar.width()).mul(x, factor);
        w.select(kept, scaled, zero)
    }

    /// 0 where a key is hidden.
    pub(super) fn unless(&self, w: &mut Writer, hidden: Option<Number>, x: Number) -> Number {
        let Some(hidden) = hidden else { return x };
        let zero = w.zero(self.wide);
        w.select(hidden, zero, x)
    }

    /// Adds `a` times a row of `b` to a row of `sums`, both of `extent` elements.
    pub(super) fn add(
        &self,
        w: &mut Writer,
        extent: usize,
        a: Number,
        (b, b_row): (Buffer, &Index),
        (sums, row): (Buffer, &Index),
    ) {
        w.repeat(extent, |w, c| {
            let b = w.load(b, b_row * extent + c.clone());
            let sum = w.load(sums, row * extent + c.clone());
            let sum = w.multiply_add(a, b, sum);
            w.store(sums, row * extent + c, sum);
        });
    }

    /// Stores +0 in a row of `extent` elements.
    pub(super) fn fill(&self, w: &mut Writer, extent: usize, buffer: Buffer, row: &Index) {
        w.repeat(extent, |w, c| {
            let zero = w.zero(self.wide);
            w.store(buffer, row * extent + c, zero);
        });
    }

    /// A buffer for sums that become a result: the result itself, unless it has fewer bits.
    pub(super) fn sums(&self, w: &mut Writer, result: Buffer) -> Buffer {
        match w.dtype(result) == self.wide {
            true => result,
            false => w.temporary(Type { dtype: self.wide, shape: w.shape(result) }),
        }
    }

    /// The greater of a variable's number and another; a NaN is never greater.
    pub(super) fn raise(&self, w: &mut Writer, most: Variable, x: Number) {
        w.update(most, |w, most| {
            let greater = w.greater(x, most);
            w.select(greater, x, most)
        });
    }
}

/// The formula of an attention in other ops, for gradients of higher order.
pub(super) struct Formula {
    how: Attending,
    share: usize,
    pub(super) q: Var,
    /// Keys and values, one for each head of the queries.
    pub(super) k: Var,
    pub(super) v: Var,
    /// Where a query may attend to a key.
    visible: Option<Var>,
    /// The factor of each share by dropout.
    dropped: Option<Var>,
}

impl Formula {
    /// `operands` has `fixed` ones before mask, seed and step.
    pub(super) fn new(how: Attending, fixed: usize, operands: &[Var]) -> Self {
        let [q, k, v] = [&operands[0], &operands[1], &operands[2]];
        let tracer = q.tracer();
        let dims = Attending::dims(q.shape(), k.shape(), v.shape());
        let AttentionDims { share, queries, keys, .. } = dims;
        let (mask, random) = operands[fixed..].split_at(usize::from(how.masked));
        let causal = how.causal.then(|| {
            let from = tracer.iota(Type::new(DType::I32, [queries, 1]), 0);
            from.ge(&tracer.iota(Type::new(DType::I32, [1, keys]), 1))
        });
        let visible = match (mask.first(), causal) {
            (Some(mask), Some(causal)) => Some(mask.logical_and(&causal)),
            (mask, causal) => mask.cloned().or(causal),
        };
        let wide = wide(q.dtype());
        let dropped = random.first().zip(random.get(1)).map(|(seed, step)| {
            let lead = q.shape()[..q.shape().rank() - 2].iter().copied();
            let shape: Shape = lead.chain([queries, dims.columns()]).collect();
            let mut limits = shape.to_vec();
            if let Some(last) = limits.last_mut() {
                *last = keys;
            }
            let (kept, factor) = how.kept();
            let ty = Type { dtype: DType::Bool, shape };
            let drawn = seed.random_bernoulli(step, ty, kept, how.stream);
            let ones = vec![1; limits.len()];
            let kept = drawn.slice(&vec![0; limits.len()], &limits, &ones);
            kept.select(&tracer.scalar(wide, factor.into()), &tracer.scalar(wide, 0.0))
        });
        let cast = |x: &Var| if x.dtype() == wide { x.clone() } else { x.cast(wide) };
        let [q, k, v] = [cast(q), repeated(&cast(k), share), repeated(&cast(v), share)];
        Self { how, share, q, k, v, visible, dropped }
    }

    /// All scores.
    pub(super) fn scores(&self, dtype: DType) -> Var {
        let scores = self.scaled(self.q.matmul_with(&self.k, false, true));
        match &self.visible {
            None => scores,
            Some(visible) => {
                visible.select(&scores, &scores.constant_like(Attending::hidden_score(dtype)))
            }
        }
    }

    /// `x · scale`.
    pub(super) fn scaled(&self, x: Var) -> Var {
        match self.how.factor() {
            None => x,
            Some(scale) => x * f64::from(scale),
        }
    }

    /// `x`, 0 where a key is hidden.
    pub(super) fn shown(&self, x: &Var) -> Var {
        match &self.visible {
            None => x.clone(),
            Some(visible) => visible.select(x, &x.constant_like(0.0)),
        }
    }

    /// `x`, 0 where a key is hidden from a query that would otherwise attend to all.
    pub(super) fn zeroed(&self, x: &Var) -> Var {
        if self.how.zeroed { self.shown(x) } else { x.clone() }
    }

    /// `x` after dropout.
    pub(super) fn dropped(&self, x: &Var) -> Var {
        match &self.dropped {
            None => x.clone(),
            Some(dropped) => x * dropped,
        }
    }

    /// The sum over the heads that share keys and values.
    pub(super) fn shared(&self, x: &Var) -> Var {
        let rank = x.shape().rank();
        if self.share == 1 || rank < 3 {
            return x.clone();
        }
        let (lead, last) = x.shape().split_at(rank - 3);
        let parts = [last[0] / self.share, self.share, last[1], last[2]];
        let shape: Shape = lead.iter().copied().chain(parts).collect();
        x.reshape(shape).reduce_sum(&[lead.len() + 1], false)
    }
}

/// Keys or values, one for each of the heads that share them.
pub(super) fn repeated(x: &Var, share: usize) -> Var {
    let rank = x.shape().rank();
    if share == 1 || rank < 3 {
        return x.clone();
    }
    let (lead, last) = x.shape().split_at(rank - 3);
    let shape = |ends: &[usize]| -> Shape { lead.iter().chain(ends).copied().collect() };
    x.reshape(shape(&[last[0], 1, last[1], last[2]]))
        .broadcast(shape(&[last[0], share, last[1], last[2]]))
        .reshape(shape(&[last[0] * share, last[1], last[2]]))
}
