//! Random numbers for initializers, many at a time.

mod normal;

use brolga_ir::lanes::{
    PHILOX_BLOCK, PHILOX_MULTIPLIERS, PHILOX_ROUNDS, PHILOX_WEYL, random_bits_at,
};

use normal::{BoxMuller, indices_of};

/// A source of random numbers: each number is a function of seed, stream and index, by
/// [`Philox`](brolga_ir::lanes::philox4x32).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Random {
    seed: u64,
    stream: u32,
}

/// Initial values take numbers of the steps from this one on; the steps of training count from 0.
const INITIAL: u32 = 1 << 31;

/// The bits of a block of indices.
type Bits = [u32; PHILOX_BLOCK];

/// The number of calls of the generator for a block.
const CALLS: usize = PHILOX_BLOCK / 4;

impl Random {
    /// The source of this stream under this seed.
    pub fn new(seed: u64, stream: u32) -> Self {
        Self { seed, stream }
    }

    /// The same stream under an initializer's own seed, if it has one.
    #[must_use]
    pub fn or_seed(self, seed: Option<u64>) -> Self {
        seed.map_or(self, |seed| Self { seed, stream: 0 })
    }

    /// The low and high halves of the seed.
    fn key(self) -> [u32; 2] {
        halves(self.seed)
    }

    /// 32 random bits: draw number `draw` at an index.
    fn bits(self, index: u64, draw: u32) -> u32 {
        random_bits_at(self.key(), INITIAL | draw, self.stream, index)
    }

    /// The four words of a call of the generator, whose number is given as its low and high halves.
    ///
    /// This is [`philox4x32`](brolga_ir::lanes::philox4x32) on 64-bit numbers whose upper halves
    /// are ignored. So one multiplication gives both halves of a product, and the compiler can
    /// vectorise eight calls.
    #[inline(always)]
    fn words(self, [low, high]: [u32; 2], draw: u32) -> [u32; 4] {
        let mut words = [low, high, INITIAL | draw, self.stream].map(u64::from);
        let mut key = self.key();
        for _ in 0..PHILOX_ROUNDS {
            let product = |word: u64, by: u32| (word & 0xffff_ffff) * u64::from(by);
            let [even, odd] = [0, 1].map(|at| product(words[2 * at], PHILOX_MULTIPLIERS[at]));
            let [first, second] = key.map(u64::from);
            words = [(odd >> 32) ^ words[1] ^ first, odd, (even >> 32) ^ words[3] ^ second, even];
            key = [0, 1].map(|at: usize| key[at].wrapping_add(PHILOX_WEYL[at]));
        }
        words.map(|word| word as u32)
    }

    /// [`Random::bits`] of all indices of a block.
    #[inline(always)]
    fn block(self, block: u64, draw: u32) -> Bits {
        let mut bits = [0; PHILOX_BLOCK];
        for lane in 0..CALLS {
            let words = self.words(halves(block * CALLS as u64 + lane as u64), draw);
            for (word, index) in words.into_iter().zip((lane..).step_by(CALLS)) {
                bits[index] = word;
            }
        }
        bits
    }

    /// [`Random::bits`] of any indices, each with the number of its draw.
    #[inline(always)]
    fn scattered(self, indices: &[u64; PHILOX_BLOCK], draws: &[u32; PHILOX_BLOCK]) -> Bits {
        // The compiler vectorises these loops, because all numbers have one width and comparisons
        // replace indexing.
        let [mut low, mut high] = [[0; PHILOX_BLOCK]; 2];
        for ((low, high), &index) in low.iter_mut().zip(&mut high).zip(indices) {
            let (block, calls) = (index / PHILOX_BLOCK as u64, CALLS as u64);
            [*low, *high] = halves(block * calls + index % calls);
        }
        let mut bits = indices.map(|index| index as u32 % PHILOX_BLOCK as u32);
        for (((bits, low), high), draw) in bits.iter_mut().zip(low).zip(high).zip(draws) {
            let [a, b, c, d] = self.words([low, high], *draw);
            let (within, calls) = (*bits, CALLS as u32);
            let [first, second] =
                [if within < calls { a } else { b }, if within < 3 * calls { c } else { d }];
            *bits = if within < 2 * calls { first } else { second };
        }
        bits
    }

    /// The number in [0, 1) at an index.
    pub fn uniform(self, index: u64) -> f64 {
        unit(self.bits(index, 0))
    }

    /// The number of the standard normal distribution at an index, by Box and Muller's transform of
    /// draws `2·draw` and `2·draw + 1`.
    pub fn normal(self, index: u64, draw: u32) -> f64 {
        let [u, v] = [0, 1].map(|half| f64::from(self.bits(index, 2 * draw + half)));
        let radius = (-2.0 * ((u + 1.0) / 2f64.powi(32)).ln()).sqrt();
        radius * (std::f64::consts::TAU * v / 2f64.powi(32)).cos()
    }

    /// The number of the standard normal distribution truncated at two standard deviations: the
    /// first draw within them.
    pub fn truncated_normal(self, index: u64) -> f64 {
        (0..INITIAL / 2)
            .map(|draw| self.normal(index, draw))
            .find(|x| x.abs() <= 2.0)
            .unwrap_or(0.0)
    }
}

/// The low and high halves of a number.
#[inline(always)]
fn halves(number: u64) -> [u32; 2] {
    [number as u32, (number >> 32) as u32]
}

/// The number in [0, 1) with these bits as its binary fraction.
#[inline(always)]
fn unit(bits: u32) -> f64 {
    f64::from(bits) / 4_294_967_296.0
}

/// A distribution before scaling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draw {
    /// Uniformly from [0, 1).
    Uniform,
    /// Uniformly from [−1, 1).
    Symmetric,
    /// From the standard normal distribution.
    Normal,
    /// From the standard normal distribution within two standard deviations.
    TruncatedNormal,
}

/// The numbers `offset + x · factor / divisor` of all indices, where x is drawn from a source.
///
/// The number at an index is that of the formulas in `f64`, rounded once to `f32`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distribution {
    /// The distribution of x.
    pub draw: Draw,
    /// The offset; −0 changes no number.
    pub offset: f64,
    /// The factor of x.
    pub factor: f64,
    /// The divisor of the product.
    pub divisor: f64,
}

impl Distribution {
    /// The number at an index.
    pub fn at(&self, random: Random, index: u64) -> f32 {
        self.value(match self.draw {
            Draw::Uniform => random.uniform(index),
            Draw::Symmetric => 2.0 * random.uniform(index) - 1.0,
            Draw::Normal => random.normal(index, 0),
            Draw::TruncatedNormal => random.truncated_normal(index),
        })
    }

    #[inline(always)]
    fn value(&self, x: f64) -> f32 {
        (self.offset + x * self.factor / self.divisor) as f32
    }

    /// The numbers from the index `start` on: those of [`Distribution::at`], many at a time.
    pub fn fill(&self, random: Random, start: u64, values: &mut [f32]) {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("fma") {
            let widest = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl");
            if widest {
                // SAFETY: the processor has the instructions.
                return unsafe { self.fill_avx512(random, start, values) };
            }
            if is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has the instructions.
                return unsafe { self.fill_avx2(random, start, values) };
            }
        }
        self.fill_with::<false>(random, start, values);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
    fn fill_avx512(&self, random: Random, start: u64, values: &mut [f32]) {
        self.fill_with::<true>(random, start, values);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn fill_avx2(&self, random: Random, start: u64, values: &mut [f32]) {
        self.fill_with::<true>(random, start, values);
    }

    /// As [`Distribution::fill`], with the instructions that the caller is compiled for; `FMA`
    /// tells whether they include fused multiply-adds.
    #[inline(always)]
    fn fill_with<const FMA: bool>(&self, random: Random, start: u64, values: &mut [f32]) {
        let mut rejected = Rejected::default();
        let mut done = 0;
        while done < values.len() {
            let first = start + done as u64;
            let (block, skipped) = (first / PHILOX_BLOCK as u64, first as usize % PHILOX_BLOCK);
            let count = (values.len() - done).min(PHILOX_BLOCK - skipped);
            let part = &mut values[done..done + count];
            let bits = random.block(block, 0);
            if let Draw::Uniform | Draw::Symmetric = self.draw {
                copy(part, &self.uniforms(&bits), skipped);
            } else {
                let drawn = BoxMuller::<FMA>::new(self).draw(&bits, &random.block(block, 1));
                copy(part, &drawn.values, skipped);
                let inside = (u64::MAX >> (PHILOX_BLOCK - count)) << skipped;
                for index in indices_of(drawn.unsure & inside) {
                    part[index - skipped] = self.at(random, first + (index - skipped) as u64);
                }
                for index in indices_of(drawn.rejected & inside) {
                    rejected.push(first + (index - skipped) as u64, 1);
                }
                // Rejected numbers are drawn again while their part is in the cache.
                while rejected.indices.len() >= PHILOX_BLOCK {
                    self.draw_again::<FMA>(random, start, values, &mut rejected);
                }
            }
            done += count;
        }
        while !rejected.indices.is_empty() {
            self.draw_again::<FMA>(random, start, values, &mut rejected);
        }
    }

    #[inline(always)]
    fn uniforms(&self, bits: &Bits) -> [f32; PHILOX_BLOCK] {
        let (scale, shift) = if self.draw == Draw::Uniform { (1.0, 0.0) } else { (2.0, 1.0) };
        bits.map(|bits| self.value(scale * unit(bits) - shift))
    }

    /// The next draw for a block of indices whose last draw was rejected.
    #[inline(always)]
    fn draw_again<const FMA: bool>(
        &self,
        random: Random,
        start: u64,
        values: &mut [f32],
        rejected: &mut Rejected,
    ) {
        let (indices, draws, count) = rejected.pop();
        let u = random.scattered(&indices, &draws.map(|draw| 2 * draw));
        let v = random.scattered(&indices, &draws.map(|draw| 2 * draw + 1));
        let drawn = BoxMuller::<FMA>::new(self).draw(&u, &v);
        for ((index, value), drawn_at) in indices.iter().zip(drawn.values).zip(0..count) {
            let number = &mut values[(index - start) as usize];
            if drawn.rejected >> drawn_at & 1 == 1 {
                rejected.push(*index, draws[drawn_at] + 1);
            } else {
                let is_sure = drawn.unsure >> drawn_at & 1 == 0;
                *number = if is_sure { value } else { self.at(random, *index) };
            }
        }
    }
}

/// The indices whose numbers are drawn again.
#[derive(Default)]
struct Rejected {
    indices: Vec<u64>,
    /// The number of each one's next draw.
    draws: Vec<u32>,
}

impl Rejected {
    #[inline(always)]
    fn push(&mut self, index: u64, draw: u32) {
        self.indices.push(index);
        self.draws.push(draw);
    }

    /// Removes the last ones, at most a block of them; the rest of the block is zeros.
    #[inline(always)]
    fn pop(&mut self) -> ([u64; PHILOX_BLOCK], [u32; PHILOX_BLOCK], usize) {
        let (mut indices, mut draws) = ([0; PHILOX_BLOCK], [0; PHILOX_BLOCK]);
        let rest = self.indices.len().saturating_sub(PHILOX_BLOCK);
        let count = self.indices.len() - rest;
        indices[..count].copy_from_slice(&self.indices[rest..]);
        draws[..count].copy_from_slice(&self.draws[rest..]);
        self.indices.truncate(rest);
        self.draws.truncate(rest);
        (indices, draws, count)
    }
}

/// Copies the part of a block that starts at `skipped`; a whole block, the usual case, without a
/// call of `memcpy`.
#[inline(always)]
fn copy(part: &mut [f32], block: &[f32; PHILOX_BLOCK], skipped: usize) {
    match <&mut [f32; PHILOX_BLOCK]>::try_from(&mut *part) {
        Ok(whole) => *whole = *block,
        Err(_) => part.copy_from_slice(&block[skipped..skipped + part.len()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: [Draw; 4] = [Draw::Uniform, Draw::Symmetric, Draw::Normal, Draw::TruncatedNormal];

    type Fill = fn(&Distribution, Random, u64, &mut [f32]);

    fn check(fill: Fill, distribution: &Distribution, start: u64, count: usize) {
        let random = Random::new(7, 3);
        let mut values = vec![f32::NAN; count];
        fill(distribution, random, start, &mut values);
        for (index, value) in (start..).zip(values) {
            let expected = distribution.at(random, index);
            assert_eq!(value.to_bits(), expected.to_bits(), "{distribution:?} at {index}");
        }
    }

    #[test]
    fn many_at_a_time_are_the_same_bits_as_one_at_a_time() {
        let fills: [Fill; 2] = [Distribution::fill, Distribution::fill_with::<false>];
        for fill in fills {
            for draw in DRAWS {
                for (offset, factor, divisor) in
                    [(-0.0, 1.0, 1.0), (0.5, 0.05, 1.0), (-0.0, 0.3, 0.88), (1e6, -1e-3, 1.0)]
                {
                    let distribution = Distribution { draw, offset, factor, divisor };
                    check(fill, &distribution, 0, 30_000);
                }
                let plain = Distribution { draw, offset: 0.0, factor: 1.0, divisor: 1.0 };
                for (start, count) in [(0, 0), (1, 1), (63, 2), (64, 64), (5, 200), (1 << 40, 70)] {
                    check(fill, &plain, start, count);
                }
            }
        }
    }

    #[test]
    fn extreme_distributions_are_the_same_too() {
        for (offset, factor) in
            [(0.0, 0.0), (0.0, f64::INFINITY), (f64::NAN, 1.0), (1e300, 1e300), (0.0, 1e-320)]
        {
            for draw in DRAWS {
                let distribution = Distribution { draw, offset, factor, divisor: 1.0 };
                let random = Random::new(1, 2);
                let mut values = [0.0; 256];
                distribution.fill(random, 0, &mut values);
                for (index, value) in (0..).zip(values) {
                    let expected = distribution.at(random, index);
                    let same = value.to_bits() == expected.to_bits();
                    assert!(same || value.is_nan() && expected.is_nan(), "{distribution:?}");
                }
            }
        }
    }
}
