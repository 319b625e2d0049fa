//! Kernels of kind `attention`: an attention by blocks of keys, or its gradient.
//!
//! Lanes are queries. A unit of the forward direction is a block of [`ATTENTION_BLOCK`] queries: its
//! queries are transposed into a panel, and for each block of keys the scores are a contraction of
//! keys and panel, a tile of the softmax makes shares of them, and these are contracted with the
//! values into the sums of the output, which are transposed back at the end. Everything between the
//! operands and the output is in scratch memory of a few blocks. A unit of the gradient is all
//! queries that share keys, since the gradients of keys and values are sums over these.

mod blocks;
mod shares;

use brolga_ir::op::Family;
use brolga_ir::ops::{ATTENTION_BLOCK as BLOCK, Attending, AttentionDims};
use brolga_ir::{DType, Op, Value};

use self::blocks::{Product, panel, product};
use self::shares::{Hidden, MaskForm, Shares};
use super::body::Body;
use super::contraction::pack;
use super::copy::fill;
use super::{Lowered, Stage};
use crate::error::Result;
use crate::nest::{Affine, Nest, NestBuilder};
use crate::tile::{Element, LANES, TileTarget};

pub(super) fn lower(body: &Body<'_>, target: &dyn TileTarget) -> Result<Lowered> {
    let mut ops = body.order.iter().copied().map(Value::from);
    let roots = ops.by_ref().filter(|&value| body.op(value).family() == Family::Attention);
    let [root] = roots.collect::<Vec<_>>()[..] else {
        return Err(body.refused("an attention kernel holds exactly one attention"));
    };
    match body.op(root) {
        Op::Attention(op) => Fused::new(body, target, root, op.how, 3)?.forward(),
        Op::AttentionGrad(op) => Fused::new(body, target, root, op.how, 6)?.backward(),
        op => Err(body.refused(format!("no tiles attend for `{}`", op.name()))),
    }
}

struct Fused<'a> {
    body: &'a Body<'a>,
    target: &'a dyn TileTarget,
    how: Attending,
    dims: AttentionDims,
    /// The slots of all operands but mask, seed and step.
    slots: Vec<usize>,
    /// The slot of each result, if anything needs it.
    results: [Option<usize>; 3],
    mask: Option<Mask>,
    shares: Shares,
    random: Option<[usize; 2]>,
}

/// A mask in memory.
struct Mask {
    slot: usize,
    /// The extents before the last two, with the distance between elements on each axis.
    lead: Vec<(usize, usize)>,
    /// Bytes from one query to the next.
    query_step: usize,
    key_step: usize,
}

/// A block of queries: their batch index and that of their keys, the number of the block, and how
/// many there are.
struct Block<'a> {
    batch: &'a Affine,
    group: &'a Affine,
    number: &'a Affine,
    count: usize,
}

impl Block<'_> {
    /// The lanes of its vectors.
    fn lanes(&self) -> usize {
        self.count.next_multiple_of(LANES)
    }
}

impl<'a> Fused<'a> {
    fn new(
        body: &'a Body<'a>,
        target: &'a dyn TileTarget,
        root: Value,
        how: Attending,
        fixed: usize,
    ) -> Result<Self> {
        let operands = body.graph.operands(root.node);
        let slot = |&value: &Value| {
            body.input_slot(value)
                .ok_or_else(|| body.refused("an operand of an attention is computed inside"))
        };
        let slots = operands.iter().map(slot).collect::<Result<Vec<_>>>()?;
        let dtype = body.ty(operands[0]).dtype;
        if dtype != DType::F32 {
            return Err(body.refused(format!("attention of {dtype} has no tiles")));
        }
        let [q, k, v] = [0, 1, 2].map(|operand| body.shape(operands[operand]));
        let dims = Attending::dims(q, k, v);
        let AttentionDims { batch, queries, keys, features, values, .. } = dims;
        if [batch, queries, keys, features, values].contains(&0) {
            return Err(body.refused("an attention without elements has no tiles"));
        }
        let (fixed, rest) = slots.split_at(fixed);
        let (masks, random) = rest.split_at(usize::from(how.masked));
        let random = match random {
            [] => None,
            &[seed, step] => Some([seed, step]),
            _ => return Err(body.refused("an attention has a seed and a step, or none")),
        };
        if random.is_some() && batch * queries * dims.columns() / 4 > u32::MAX as usize {
            return Err(body.refused("so many random numbers in one tensor have no tiles"));
        }
        let mask = masks.first().map(|&slot| {
            let shape = body.shape_of_slot(slot);
            let lead = q[..q.rank() - 2].iter().copied();
            let scores: brolga_ir::Shape = lead.clone().chain([queries, keys]).collect();
            let steps = shape.broadcast_strides(&scores);
            let (of_lead, ends) = steps.split_at(steps.len() - 2);
            let lead = lead.zip(of_lead.iter().copied()).collect();
            Mask { slot, lead, query_step: ends[0], key_step: ends[1] }
        });
        let form = mask.as_ref().map(|mask| match (mask.query_step, mask.key_step) {
            (0, step) => MaskForm::Keys { step: step as i64 },
            (_, 0) => MaskForm::Lanes { step: 0 },
            (..) => MaskForm::Lanes { step: 4 * lanes_of(queries) as i64 },
        });
        let shares = Shares {
            row: 4 * lanes_of(queries) as i64,
            values,
            hidden: Attending::hidden_score(dtype),
            zeroed: how.zeroed,
            scale: how.factor(),
            kept: random.map(|_| how.kept()),
            columns: dims.columns(),
            mask: form,
            stream: how.stream,
        };
        let result = |port: u32| {
            let of_port = |&(value, _): &(Value, usize)| value == Value { node: root.node, port };
            body.results().find(of_port).map(|(_, slot)| slot)
        };
        let results = [0, 1, 2].map(result);
        let slots = fixed.to_vec();
        Ok(Self { body, target, how, dims, slots, results, mask, shares, random })
    }

    /// Floats of a row of lanes.
    fn width(&self) -> usize {
        lanes_of(self.dims.queries)
    }

    /// The address of parts of the scratch memory of these numbers of rows of lanes, and its bytes.
    fn scratch<const N: usize>(&self, rows: [usize; N]) -> ([Affine; N], usize) {
        let mut bytes = 0;
        let parts = rows.map(|rows| {
            let part = Affine::scratch().plus(bytes as i64);
            bytes += 4 * rows * self.width();
            part
        });
        (parts, bytes)
    }

    /// The rows of the mask in scratch memory.
    fn mask_rows(&self) -> usize {
        match self.shares.mask {
            Some(MaskForm::Lanes { step: 0 }) => 1,
            Some(MaskForm::Lanes { .. }) => BLOCK.min(self.dims.keys),
            _ => 0,
        }
    }

    /// The address of a row of an operand or result with so many rows for each batch index.
    fn row(slot: usize, batch: &Affine, rows: usize, row: &Affine, extent: usize) -> Affine {
        let first = Affine::number(0).add(batch, rows as i64).add(row, 1);
        Affine::slot(slot).add(&first, 4 * extent as i64)
    }

    /// The number of the first query of a block.
    fn first(number: &Affine) -> Affine {
        Affine::number(0).add(number, BLOCK as i64)
    }

    /// The row of a block's queries in an operand or result.
    fn of_queries(&self, slot: usize, block: &Block<'_>, extent: usize) -> Affine {
        Self::row(slot, block.batch, self.dims.queries, &Self::first(block.number), extent)
    }

    /// The row of a block's keys in an operand or result.
    fn of_keys(&self, slot: usize, group: &Affine, number: &Affine, extent: usize) -> Affine {
        Self::row(slot, group, self.dims.keys, &Self::first(number), extent)
    }

    /// Writes `body` for each block of keys that a block of queries looks at, given its number, the
    /// number of its keys, and whether some may be behind the queries.
    fn each_key_block(
        &self,
        nest: &mut NestBuilder,
        block: &Block<'_>,
        body: &dyn Fn(&mut NestBuilder, &Affine, usize, bool) -> Result<()>,
    ) -> Result<()> {
        let (full, rest) = (self.dims.keys / BLOCK, self.dims.keys % BLOCK);
        let parts = [(full, 0, BLOCK), (usize::from(rest > 0), full, rest)];
        let mut result = Ok(());
        for (count, first, keys) in parts {
            nest.repeat(count, |nest, number| {
                let number = number.plus(first as i64);
                if !self.how.stops() {
                    let written = body(nest, &number, keys, self.how.causal);
                    result = std::mem::replace(&mut result, Ok(())).and(written);
                    return;
                }
                let distance = block.number.clone().add(&number, -1);
                let limit = self.dims.queries.div_ceil(BLOCK) + 1;
                let [mut before, mut same] = [Ok(()), Ok(())];
                choose(
                    nest,
                    distance.clone(),
                    1..limit,
                    |nest| before = body(nest, &number, keys, false),
                    |nest| {
                        let own = |nest: &mut NestBuilder| same = body(nest, &number, keys, true);
                        choose(nest, distance, 0..1, own, |_| {});
                    },
                );
                result = std::mem::replace(&mut result, Ok(())).and(before).and(same);
            });
        }
        result
    }

    /// The address from which a tile of the softmax reads the mask of a block of queries and keys,
    /// which is packed into lanes if it differs between queries.
    fn mask_of(
        &self,
        nest: &mut NestBuilder,
        block: &Block<'_>,
        (number, keys): (&Affine, usize),
        packed: &Affine,
    ) -> Result<Option<Affine>> {
        let Some(mask) = &self.mask else { return Ok(None) };
        let mut address = Affine::slot(mask.slot)
            .add(&Self::first(block.number), mask.query_step as i64)
            .add(&Self::first(number), mask.key_step as i64);
        let mut rest = block.batch.clone();
        for &(extent, step) in mask.lead.iter().rev() {
            let (outer, index) = nest.split(&rest, extent);
            address = address.add(&index, step as i64);
            rest = outer;
        }
        match self.shares.mask {
            Some(MaskForm::Lanes { step }) => {
                let columns = if step == 0 { 1 } else { keys };
                let (rows, row) = (block.count, mask.query_step as i64);
                let tile = shares::pack_mask(rows, columns, row, 4 * self.width() as i64)?;
                nest.call(&tile, [address, packed.clone()]);
                Ok(Some(packed.clone()))
            }
            _ => Ok(Some(address)),
        }
    }

    /// The arguments of a tile of the softmax that follow its addresses: mask, places, and random
    /// numbers.
    fn further_args(
        &self,
        block: &Block<'_>,
        number: &Affine,
        (vector, mask): (&Affine, Option<&Affine>),
        hidden: Hidden,
    ) -> Vec<Affine> {
        let lane = Self::first(block.number).add(vector, LANES as i64);
        let mask = mask.map(|mask| match self.shares.mask {
            Some(MaskForm::Lanes { .. }) => mask.clone().add(vector, 4 * LANES as i64),
            _ => mask.clone(),
        });
        let places = hidden.causal.then(|| [lane.clone(), Self::first(number)]);
        let random = self.random.map(|[seed, step]| {
            let row = lane.add(block.batch, self.dims.queries as i64);
            let counter = Affine::number(0)
                .add(&row, (self.dims.columns() / 4) as i64)
                .add(number, LANES as i64);
            [Affine::slot(seed), Affine::slot(step), counter]
        });
        mask.into_iter()
            .chain(places.into_iter().flatten())
            .chain(random.into_iter().flatten())
            .collect()
    }

    /// The scores of a block of keys: `[keys, lanes]`.
    fn scores(
        &self,
        nest: &mut NestBuilder,
        block: &Block<'_>,
        (number, keys): (&Affine, usize),
        (panel, scores): (&Affine, &Affine),
    ) -> Result<()> {
        let features = self.dims.features;
        let row = 4 * self.width() as i64;
        let k = self.of_keys(self.slots[1], block.group, number, features);
        product(
            nest,
            self.target,
            &Product {
                extents: [keys, block.lanes(), features],
                a: (k, [4 * features as i64, 4]),
                b: (panel.clone(), row),
                c: (scores.clone(), row),
                continues: false,
                scale: self.how.factor(),
            },
        )
    }

    fn forward(&self) -> Result<Lowered> {
        let AttentionDims { batch, share, queries, .. } = self.dims;
        let (full, rest) = (queries / BLOCK, queries % BLOCK);
        let blocks = queries.div_ceil(BLOCK);
        let mut nest = NestBuilder::new("attention");
        let (n, number) = nest.split(&Nest::UNIT.into(), blocks);
        let group = nest.divide(n.clone(), share);
        let block = |count: usize| Block { batch: &n, group: &group, number: &number, count };
        let mut scratch = 0;
        let [mut inside, mut outside] = [Ok(0), Ok(0)];
        if rest == 0 {
            inside = self.forward_block(&mut nest, &block(BLOCK));
        } else {
            choose(
                &mut nest,
                number.clone(),
                0..full,
                |nest| inside = self.forward_block(nest, &block(BLOCK)),
                |nest| outside = self.forward_block(nest, &block(rest)),
            );
        }
        for bytes in [inside?, outside?] {
            scratch = scratch.max(bytes);
        }
        Ok(self.finish(nest, batch * blocks, scratch, self.dims.features + self.dims.values))
    }

    /// The output of a block of queries. Returns the bytes of scratch memory.
    fn forward_block(&self, nest: &mut NestBuilder, block: &Block<'_>) -> Result<usize> {
        let AttentionDims { keys, features, values, .. } = self.dims;
        let rows = [features, BLOCK.min(keys), values, 1, 1, self.mask_rows()];
        let ([panels, scores, sums, most, total, packed], bytes) = self.scratch(rows);
        let row = 4 * self.width() as i64;
        let vectors = block.lanes() / LANES;
        let q = self.of_queries(self.slots[0], block, features);
        nest.call(&panel(block.count, features, row)?, [q, panels.clone()]);
        nest.call(
            &shares::start(values, block.lanes(), row)?,
            [&sums, &most, &total].map(Clone::clone),
        );
        self.each_key_block(nest, block, &|nest, number, keys, causal| {
            self.scores(nest, block, (number, keys), (&panels, &scores))?;
            let mask = self.mask_of(nest, block, (number, keys), &packed)?;
            let hidden = Hidden { mask: self.shares.mask, causal };
            let softmax = self.shares.softmax(keys, hidden)?;
            let drop = self.shares.drop(keys)?;
            nest.repeat(vectors, |nest, vector| {
                let at = |part: &Affine| part.clone().add(&vector, 4 * LANES as i64);
                let further = self.further_args(block, number, (&vector, mask.as_ref()), hidden);
                let own = further.len() - if self.random.is_some() { 3 } else { 0 };
                let args = [&scores, &sums, &most, &total].map(at);
                nest.call(&softmax, args.into_iter().chain(further[..own].iter().cloned()));
                if let Some(drop) = &drop {
                    let args = std::iter::once(at(&scores)).chain(further[own..].iter().cloned());
                    nest.call(drop, args);
                }
            });
            let v = self.of_keys(self.slots[2], block.group, number, values);
            product(
                nest,
                self.target,
                &Product {
                    extents: [values, block.lanes(), keys],
                    a: (v, [4, 4 * values as i64]),
                    b: (scores.clone(), row),
                    c: (sums.clone(), row),
                    continues: true,
                    scale: None,
                },
            )
        })?;
        let [output, stored @ ..] = self.results;
        let last = block.count % LANES;
        for (count, lanes, start) in
            [(block.count / LANES, LANES, 0), (usize::from(last > 0), last, block.count / LANES)]
        {
            if count == 0 {
                continue;
            }
            let tile = shares::finish(values, lanes, row, stored.map(|slot| slot.is_some()))?;
            nest.repeat(count, |nest, vector| {
                let vector = vector.plus(start as i64);
                let at = |part: Affine| part.add(&vector, 4 * LANES as i64);
                let parts = [&sums, &most, &total].map(|part| at(part.clone()));
                let stored = stored.into_iter().flatten();
                let stored = stored.map(|slot| at(self.of_queries(slot, block, 1)));
                nest.call(&tile, parts.into_iter().chain(stored));
            });
        }
        if let Some(output) = output {
            let back = pack::transposed(values, block.count, row, 4 * values as i64)?;
            nest.call(&back, [sums, self.of_queries(output, block, values)]);
        }
        Ok(bytes)
    }

    fn backward(&self) -> Result<Lowered> {
        let AttentionDims { share, queries, keys, features, values, .. } = self.dims;
        let (full, rest) = (queries / BLOCK, queries % BLOCK);
        let mut nest = NestBuilder::new("attention_grad");
        let group = Affine::from(Nest::UNIT);
        let zero = Affine::number(0);
        for (port, extent) in [(1, features), (2, values)] {
            if let Some(slot) = self.results[port] {
                let first = self.of_keys(slot, &group, &zero, extent);
                nest.call(&fill(Element::F32, keys * extent, 0)?, [first]);
            }
        }
        let (mut scratch, mut result) = (0, Ok(()));
        nest.repeat(share, |nest, head| {
            let batch = head.add(&group, share as i64);
            for (count, first, queries) in [(full, 0, BLOCK), (usize::from(rest > 0), full, rest)] {
                nest.repeat(count, |nest, number| {
                    let number = number.plus(first as i64);
                    let block =
                        Block { batch: &batch, group: &group, number: &number, count: queries };
                    match self.backward_block(nest, &block) {
                        Ok(bytes) => scratch = scratch.max(bytes),
                        Err(error) => result = Err(error),
                    }
                });
            }
        });
        result?;
        let features = 3 * features + 2 * values;
        Ok(self.finish(nest, self.dims.groups(), scratch, features))
    }

    /// What a block of queries adds to the gradients. Returns the bytes of scratch memory.
    fn backward_block(&self, nest: &mut NestBuilder, block: &Block<'_>) -> Result<usize> {
        let AttentionDims { keys, features, values, .. } = self.dims;
        let keys = BLOCK.min(keys);
        let rows = [features, values, keys, keys, features, self.mask_rows()];
        let ([panels, cotangents, scores, products, sums, packed], bytes) = self.scratch(rows);
        let row = 4 * self.width() as i64;
        let q = self.of_queries(self.slots[0], block, features);
        let g = self.of_queries(self.slots[3], block, values);
        nest.call(&panel(block.count, features, row)?, [q.clone(), panels.clone()]);
        nest.call(&panel(block.count, values, row)?, [g.clone(), cotangents.clone()]);
        nest.call(&fill(Element::F32, features * self.width(), 0)?, [sums.clone()]);
        self.each_key_block(nest, block, &|nest, number, keys, causal| {
            self.scores(nest, block, (number, keys), (&panels, &scores))?;
            let v = self.of_keys(self.slots[2], block.group, number, values);
            let of_scores = |rows: usize, columns: usize| [rows, columns, block.count];
            let multiply = |nest: &mut NestBuilder, extents, a, b, c, continues| {
                let scale = None;
                product(nest, self.target, &Product { extents, a, b, c, continues, scale })
            };
            multiply(
                nest,
                [keys, block.lanes(), values],
                (v, [4 * values as i64, 4]),
                (cotangents.clone(), row),
                (products.clone(), row),
                false,
            )?;
            let mask = self.mask_of(nest, block, (number, keys), &packed)?;
            let hidden = Hidden { mask: self.shares.mask, causal };
            for (count, lanes, start) in [
                (block.count / LANES, LANES, 0),
                (
                    usize::from(!block.count.is_multiple_of(LANES)),
                    block.count % LANES,
                    block.count / LANES,
                ),
            ] {
                if count == 0 {
                    continue;
                }
                let tile = self.shares.backward(keys, lanes, hidden)?;
                nest.repeat(count, |nest, vector| {
                    let vector = vector.plus(start as i64);
                    let at = |part: Affine| part.add(&vector, 4 * LANES as i64);
                    let further =
                        self.further_args(block, number, (&vector, mask.as_ref()), hidden);
                    let rows = [4, 5].map(|operand| self.of_queries(self.slots[operand], block, 1));
                    let [sums, most] = rows.map(at);
                    let parts = [at(scores.clone()), at(products.clone()), sums, most];
                    nest.call(&tile, parts.into_iter().chain(further));
                });
            }
            if self.results[0].is_some() {
                let k = self.of_keys(self.slots[1], block.group, number, features);
                multiply(
                    nest,
                    [features, block.lanes(), keys],
                    (k, [4, 4 * features as i64]),
                    (scores.clone(), row),
                    (sums.clone(), row),
                    true,
                )?;
            }
            for (port, a, b, extent) in [(1, &scores, &q, features), (2, &products, &g, values)] {
                let Some(slot) = self.results[port] else { continue };
                let to = self.of_keys(slot, block.group, number, extent);
                multiply(
                    nest,
                    of_scores(keys, extent),
                    (a.clone(), [row, 4]),
                    (b.clone(), 4 * extent as i64),
                    (to, 4 * extent as i64),
                    true,
                )?;
            }
            Ok(())
        })?;
        if let Some(slot) = self.results[0] {
            let back = pack::transposed(features, block.count, row, 4 * features as i64)?;
            nest.call(&back, [sums, self.of_queries(slot, block, features)]);
        }
        Ok(bytes)
    }

    fn finish(&self, nest: NestBuilder, units: usize, scratch: usize, features: usize) -> Lowered {
        let AttentionDims { batch, queries, keys, .. } = self.dims;
        let (reads, writes) = self.body.touches(|_| false);
        let flops = 2 * (batch * queries * keys * features) as u64;
        let stage = Stage { code: nest.finish().into(), units, reads, writes, flops };
        Lowered { stages: vec![stage], workspace: 0, scratch, in_place: Vec::new() }
    }
}

/// Floats of a row of lanes for so many queries.
fn lanes_of(queries: usize) -> usize {
    queries.min(BLOCK).next_multiple_of(LANES)
}

/// As [`NestBuilder::when`], decided now if the number is known.
fn choose(
    nest: &mut NestBuilder,
    number: Affine,
    range: std::ops::Range<usize>,
    then: impl FnOnce(&mut NestBuilder),
    otherwise: impl FnOnce(&mut NestBuilder),
) {
    if number.terms.is_empty() {
        let inside = usize::try_from(number.offset).is_ok_and(|number| range.contains(&number));
        return if inside { then(nest) } else { otherwise(nest) };
    }
    nest.when(number, range, then, otherwise);
}
