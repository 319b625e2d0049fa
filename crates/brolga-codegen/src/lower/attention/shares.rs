//! Tiles that make shares of scores, and cotangents of scores of both. A tile is for sixteen
//! queries, one a lane.

use std::sync::Arc;

use brolga_ir::lanes::{Lanes, philox4x32};

use crate::error::Result;
use crate::tile::{Builder, Count, Extent, F, I, LANES, M, Pointer, TileProgram, Trips, Variable};

/// The tiles of an attention.
pub(super) struct Shares {
    /// Bytes from one row of lanes to the next.
    pub(super) row: i64,
    /// Features of values.
    pub(super) values: usize,
    /// The score of a hidden key.
    pub(super) hidden: f64,
    /// Whether a query that may attend to no key gives 0.
    pub(super) zeroed: bool,
    /// A factor of the scores.
    pub(super) scale: Option<f32>,
    /// The probability with which a share is kept and its factor, if some are dropped.
    pub(super) kept: Option<(f32, f32)>,
    /// The columns of the random numbers.
    pub(super) columns: usize,
    pub(super) mask: Option<MaskForm>,
    pub(super) stream: u32,
}

/// The form in which tiles read a mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MaskForm {
    /// A byte for each key, so many bytes apart, for all queries.
    Keys { step: i64 },
    /// A row of floats, 0 for hidden keys, so many bytes after that of the key before.
    Lanes { step: i64 },
}

/// What decides which keys are hidden.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hidden {
    pub(super) mask: Option<MaskForm>,
    /// Whether those behind the query are.
    pub(super) causal: bool,
}

/// The parameters by which a tile knows which keys are hidden.
struct Sight {
    hidden: Hidden,
    mask: Option<Pointer>,
    /// The numbers of the queries, and that of the key at hand.
    places: Option<(I, Variable<I>)>,
}

impl Sight {
    fn new(b: &mut Builder, hidden: Hidden) -> Self {
        let mask = hidden.mask.map(|_| b.pointer("mask"));
        let places = hidden.causal.then(|| {
            let [query, key] = ["query", "key"].map(|name| b.count(name));
            let (first, lane) = (b.splat(query), b.iota());
            let queries = b.iadd(first, lane);
            let first = b.splat(key);
            (queries, b.variable(first))
        });
        Self { hidden, mask, places }
    }

    fn mask_step(&self) -> i64 {
        match self.hidden.mask {
            Some(MaskForm::Keys { step } | MaskForm::Lanes { step }) => step,
            None => 0,
        }
    }

    /// Where the key `ahead` keys after that at hand is hidden.
    fn hidden(&self, b: &mut Builder, ahead: i64) -> Option<M> {
        let offset = ahead * self.mask_step();
        let masked = self.mask.zip(self.hidden.mask).map(|(mask, form)| match form {
            MaskForm::Keys { .. } => {
                let byte = b.broadcast_u8(mask.at(offset));
                let zero = b.int(0);
                b.ieq(byte, zero)
            }
            MaskForm::Lanes { .. } => {
                let visible = b.load_f32(mask.at(offset), Extent::Full);
                let zero = b.float(0.0);
                b.eq(visible, zero)
            }
        });
        let behind = self.places.as_ref().map(|&(queries, key)| {
            let (key, ahead) = (b.get(key), b.int(ahead));
            let key = b.iadd(key, ahead);
            b.ilt(queries, key)
        });
        match (masked, behind) {
            (Some(masked), Some(behind)) => Some(b.or(masked, behind)),
            (masked, behind) => masked.or(behind),
        }
    }

    /// Moves on by so many keys.
    fn step(&self, b: &mut Builder, keys: i64) {
        if let Some(mask) = self.mask {
            b.step(mask, keys * self.mask_step(), Trips::Const(1));
        }
        if let Some((_, key)) = self.places {
            let (now, step) = (b.get(key), b.int(keys));
            let next = b.iadd(now, step);
            b.set(key, next);
        }
    }
}

/// The random numbers of a tile.
struct Drops {
    key: [I; 2],
    step: I,
    stream: u32,
    counter: Variable<I>,
    kept: F,
    factor: F,
}

impl Drops {
    fn new(b: &mut Builder, shares: &Shares, (kept, factor): (f32, f32)) -> Self {
        let (seed, step): (Pointer, Pointer) = (b.pointer("seed"), b.pointer("step"));
        let first: Count = b.count("counter");
        let (start, lane, distance) =
            (b.splat(first), b.iota(), b.int((shares.columns / 4) as i64));
        let lane = b.imul(lane, distance);
        let start = b.iadd(start, lane);
        Self {
            key: [b.broadcast_i32(seed.at(0)), b.broadcast_i32(seed.at(4))],
            step: b.broadcast_i32(step.at(0)),
            stream: shares.stream,
            counter: b.variable(start),
            kept: b.float(kept.into()),
            factor: b.float(factor.into()),
        }
    }

    /// Whether the shares of the key at hand and of those 16, 32 and 48 keys ahead are kept.
    fn next(&self, b: &mut Builder) -> [M; 4] {
        let (low, one) = (b.get(self.counter), b.int(1));
        let counter = [low, b.int(0), self.step, b.int(i64::from(self.stream))];
        let words = philox4x32(b, counter, self.key);
        let next = b.iadd(low, one);
        b.set(self.counter, next);
        words.map(|bits| {
            let upper = b.shr(bits, 8);
            let (upper, scale) = (b.to_float(upper), b.float(1.0 / f64::from(1 << 24)));
            let uniform = b.mul(upper, scale);
            b.lt(uniform, self.kept)
        })
    }

    fn apply(&self, b: &mut Builder, kept: M, x: F) -> F {
        let (scaled, zero) = (b.mul(x, self.factor), b.float(0.0));
        b.select(kept, scaled, zero)
    }
}

/// Keys in the order of their random numbers: for each of the first sixteen keys of the block, how
/// many of those 0, 16, 32 and 48 keys ahead there are; equal ones together.
fn by_words(keys: usize) -> [(usize, usize); 2] {
    let (words, rest) = (keys / LANES, keys % LANES);
    [(rest, words + 1), (if words > 0 { LANES - rest } else { 0 }, words)]
}

impl Shares {
    /// The score, or that of a hidden key.
    fn shown(&self, b: &mut Builder, hidden: Option<M>, score: F) -> F {
        let Some(hidden) = hidden else { return score };
        let low = b.float(self.hidden);
        b.select(hidden, low, score)
    }

    /// Scores become shares, before division by their sum: `(scores, sums, most, total, ..)`.
    pub(super) fn softmax(&self, keys: usize, hidden: Hidden) -> Result<Arc<TileProgram>> {
        let mut b = Builder::new(format!("softmax_{keys}"));
        let [scores, sums, most, total] =
            ["scores", "sums", "most", "total"].map(|name| b.pointer(name));
        let sight = Sight::new(&mut b, hidden);
        let trips = Trips::Const(keys as u32);
        let before = b.load_f32(most.at(0), Extent::Full);
        let greatest = b.variable(before);
        b.repeat(trips, |b| {
            let score = b.load_f32(scores.at(0), Extent::Full);
            let hidden = sight.hidden(b, 0);
            let score = self.shown(b, hidden, score);
            if hidden.is_some() {
                b.store_f32(scores.at(0), Extent::Full, score);
            }
            let now = b.get(greatest);
            let is_greater = b.lt(now, score);
            let next = b.select(is_greater, score, now);
            b.set(greatest, next);
            b.step(scores, self.row, Trips::Const(1));
            sight.step(b, 1);
        });
        b.step(scores, -self.row, trips);
        sight.step(&mut b, -(keys as i64));
        let next = b.get(greatest);
        b.store_f32(most.at(0), Extent::Full, next);
        let change = b.sub(before, next);
        let change = b.exp(change);
        let old = b.load_f32(total.at(0), Extent::Full);
        let old = b.mul(old, change);
        let sum = b.variable(old);
        b.repeat(Trips::Const(self.values as u32), |b| {
            let old = b.load_f32(sums.at(0), Extent::Full);
            let new = b.mul(old, change);
            b.store_f32(sums.at(0), Extent::Full, new);
            b.step(sums, self.row, Trips::Const(1));
        });
        b.repeat(trips, |b| {
            let score = b.load_f32(scores.at(0), Extent::Full);
            let difference = b.sub(score, next);
            let p = b.exp(difference);
            let now = b.get(sum);
            let now = b.add(now, p);
            b.set(sum, now);
            let hidden = if self.zeroed { sight.hidden(b, 0) } else { None };
            let p = unless(b, hidden, p);
            b.store_f32(scores.at(0), Extent::Full, p);
            b.step(scores, self.row, Trips::Const(1));
            sight.step(b, 1);
        });
        let sum = b.get(sum);
        b.store_f32(total.at(0), Extent::Full, sum);
        Ok(Arc::new(b.finish()?))
    }

    /// Drops shares: `(shares, seed, step, counter)`; `None` if none are dropped.
    pub(super) fn drop(&self, keys: usize) -> Result<Option<Arc<TileProgram>>> {
        let Some(kept) = self.kept else { return Ok(None) };
        let mut b = Builder::new(format!("drop_{keys}"));
        let shares = b.pointer("shares");
        let drops = Drops::new(&mut b, self, kept);
        for (trips, words) in by_words(keys) {
            b.repeat(Trips::Const(trips as u32), |b| {
                let kept = drops.next(b);
                for (word, &kept) in kept.iter().enumerate().take(words) {
                    let address = shares.at((word * LANES) as i64 * self.row);
                    let p = b.load_f32(address, Extent::Full);
                    let p = drops.apply(b, kept, p);
                    b.store_f32(address, Extent::Full, p);
                }
                b.step(shares, self.row, Trips::Const(1));
            });
        }
        Ok(Some(Arc::new(b.finish()?)))
    }

    /// Scores become their cotangents, and products of cotangents and values become shares:
    /// `(scores, products, sums, most, ..)`, for so many queries.
    pub(super) fn backward(
        &self,
        keys: usize,
        lanes: usize,
        hidden: Hidden,
    ) -> Result<Arc<TileProgram>> {
        let mut b = Builder::new(format!("attention_grad_{keys}x{lanes}"));
        let [scores, products, sums, most] =
            ["scores", "products", "sums", "most"].map(|name| b.pointer(name));
        let sight = Sight::new(&mut b, hidden);
        let extent = Extent::first(lanes);
        let (sum, most) = (b.load_f32(sums.at(0), extent), b.load_f32(most.at(0), extent));
        let one = |b: &mut Builder, ahead: usize, drops: Option<(&Drops, M)>| {
            let offset = ahead as i64 * self.row;
            let score = b.load_f32(scores.at(offset), Extent::Full);
            let u = b.load_f32(products.at(offset), Extent::Full);
            let hidden = sight.hidden(b, ahead as i64);
            let score = self.shown(b, hidden, score);
            let difference = b.sub(score, most);
            let p = b.exp(difference);
            let dropped = |b: &mut Builder, x: F| match drops {
                None => x,
                Some((drops, kept)) => drops.apply(b, kept, x),
            };
            let u = dropped(b, u);
            let difference = b.sub(u, sum);
            let mut ds = b.mul(p, difference);
            if let Some(scale) = self.scale {
                let scale = b.float(scale.into());
                ds = b.mul(ds, scale);
            }
            let ds = unless(b, hidden, ds);
            let p = dropped(b, p);
            let p = unless(b, hidden.filter(|_| self.zeroed), p);
            b.store_f32(scores.at(offset), Extent::Full, ds);
            b.store_f32(products.at(offset), Extent::Full, p);
        };
        let step = |b: &mut Builder| {
            b.step(scores, self.row, Trips::Const(1));
            b.step(products, self.row, Trips::Const(1));
            sight.step(b, 1);
        };
        match self.kept {
            None => b.repeat(Trips::Const(keys as u32), |b| {
                one(b, 0, None);
                step(b);
            }),
            Some(kept) => {
                let drops = Drops::new(&mut b, self, kept);
                for (trips, words) in by_words(keys) {
                    b.repeat(Trips::Const(trips as u32), |b| {
                        let kept = drops.next(b);
                        for (word, &kept) in kept.iter().enumerate().take(words) {
                            one(b, word * LANES, Some((&drops, kept)));
                        }
                        step(b);
                    });
                }
            }
        }
        Ok(Arc::new(b.finish()?))
    }
}

/// 0 where a key is hidden.
fn unless(b: &mut Builder, hidden: Option<M>, x: F) -> F {
    let Some(hidden) = hidden else { return x };
    let zero = b.float(0.0);
    b.select(hidden, zero, x)
}

/// What queries have before the first block of keys: `(sums, most, total)`.
pub(super) fn start(values: usize, lanes: usize, row: i64) -> Result<Arc<TileProgram>> {
    let mut b = Builder::new(format!("start_{values}x{lanes}"));
    let [sums, most, total] = ["sums", "most", "total"].map(|name| b.pointer(name));
    let (zero, lowest) = (b.float(0.0), b.float(f32::MIN.into()));
    for lane in (0..lanes).step_by(LANES) {
        b.store_f32(most.at(4 * lane as i64), Extent::Full, lowest);
        b.store_f32(total.at(4 * lane as i64), Extent::Full, zero);
    }
    b.repeat(Trips::Const(values as u32), |b| {
        for lane in (0..lanes).step_by(LANES) {
            b.store_f32(sums.at(4 * lane as i64), Extent::Full, zero);
        }
        b.step(sums, row, Trips::Const(1));
    });
    Ok(Arc::new(b.finish()?))
}

/// Sums become the output, and what the gradient needs is stored where it is asked for, of so many
/// queries: `(sums, most, total, most_to, total_to)`, the last two if they are `stored`.
pub(super) fn finish(
    values: usize,
    lanes: usize,
    row: i64,
    stored: [bool; 2],
) -> Result<Arc<TileProgram>> {
    let mut b = Builder::new(format!("finish_{values}x{lanes}"));
    let [sums, most, total] = ["sums", "most", "total"].map(|name| b.pointer(name));
    let [has_most, has_total] = stored;
    let most_to = has_most.then(|| b.pointer("most_to"));
    let total_to = has_total.then(|| b.pointer("total_to"));
    let extent = Extent::first(lanes);
    if let Some(most_to) = most_to {
        let most = b.load_f32(most.at(0), Extent::Full);
        b.store_f32(most_to.at(0), extent, most);
    }
    let total = b.load_f32(total.at(0), Extent::Full);
    if let Some(total_to) = total_to {
        b.store_f32(total_to.at(0), extent, total);
    }
    b.repeat(Trips::Const(values as u32), |b| {
        let sum = b.load_f32(sums.at(0), Extent::Full);
        let y = b.div(sum, total);
        b.store_f32(sums.at(0), Extent::Full, y);
        b.step(sums, row, Trips::Const(1));
    });
    Ok(Arc::new(b.finish()?))
}

/// Packs bytes of a mask as floats: `rows` queries of `columns` keys, `row` bytes apart, become rows
/// of lanes, `step` bytes apart.
pub(super) fn pack_mask(
    rows: usize,
    columns: usize,
    row: i64,
    step: i64,
) -> Result<Arc<TileProgram>> {
    let mut b = Builder::new(format!("mask_{rows}x{columns}"));
    let (from, to) = (b.pointer("from"), b.pointer("to"));
    let block = |b: &mut Builder, columns: usize| {
        let fours = if columns == LANES { rows / 4 } else { 0 };
        b.repeat(Trips::Const(fours as u32), |b| {
            let rows = [0, 1, 2, 3].map(|i| {
                let bytes = b.load_u8(from.at(i * row), Extent::Full);
                b.to_float(bytes)
            });
            b.store_transposed(to.at(0), step, rows);
            b.step(from, 4 * row, Trips::Const(1));
            b.step(to, 16, Trips::Const(1));
        });
        b.repeat(Trips::Const((rows - 4 * fours) as u32), |b| {
            for column in 0..columns as i64 {
                let byte = b.load_u8(from.at(column), Extent::First(1));
                let float = b.to_float(byte);
                b.store_f32(to.at(column * step), Extent::First(1), float);
            }
            b.step(from, row, Trips::Const(1));
            b.step(to, 4, Trips::Const(1));
        });
        b.step(from, columns as i64 - rows as i64 * row, Trips::Const(1));
        b.step(to, columns as i64 * step - 4 * rows as i64, Trips::Const(1));
    };
    b.repeat(Trips::Const((columns / LANES) as u32), |b| block(b, LANES));
    if !columns.is_multiple_of(LANES) {
        block(&mut b, columns % LANES);
    }
    Ok(Arc::new(b.finish()?))
}
