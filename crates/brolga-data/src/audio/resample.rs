//! Sounds with another number of samples a second.

use std::f64::consts::PI;

use brolga_memory::NotGranted;
use ndarray::{Array2, Axis};

/// How many times the filter crosses zero on each side, where the rate is not made smaller.
const CROSSINGS: f64 = 64.0;

/// The part of the bandwidth that is kept.
const KEPT: f64 = 0.95;

/// The shape of the Kaiser window: what lies beyond the bandwidth is 90 dB lower.
const BETA: f64 = 9.0;

/// Taps are computed once, if there are no more than so many.
const MOST_TAPS: u64 = 1 << 22;

/// A low-pass filter: a windowed sinc, with the taps of each place between two samples.
struct Filter {
    /// How far the samples of the result are apart, in samples of the source.
    step: [u64; 2],
    /// The frequency that is kept, where 1 is half of the source's rate.
    cutoff: f64,
    /// The number of taps on each side.
    half: i64,
    table: Vec<Vec<f64>>,
}

/// The modified Bessel function of the first kind of order 0.
fn bessel(x: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for n in 1..64 {
        term *= (x / 2.0 / f64::from(n)).powi(2);
        sum += term;
    }
    sum
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

impl Filter {
    fn new([from, to]: [u32; 2]) -> Result<Filter, NotGranted> {
        let (from, to) = (u64::from(from), u64::from(to));
        let divisor = greatest_common_divisor(from, to);
        let step = [from / divisor, to / divisor];
        let ratio = (to as f64 / from as f64).min(1.0);
        let half = (CROSSINGS / ratio).ceil() as i64;
        brolga_memory::check((2 * half as usize).saturating_mul(size_of::<f64>()))?;
        let mut filter = Filter { step, cutoff: KEPT * ratio, half, table: vec![] };
        let taps = step[1].saturating_mul(2 * half as u64);
        if taps <= MOST_TAPS {
            filter.table = (0..step[1]).map(|phase| filter.taps(phase)).collect();
        }
        Ok(filter)
    }

    /// The taps for a place between two samples, `phase / step[1]` behind the first one. Their sum
    /// is 1.
    fn taps(&self, phase: u64) -> Vec<f64> {
        let place = phase as f64 / self.step[1] as f64;
        let of_window = bessel(BETA);
        let tap = |index: i64| {
            let distance = index as f64 - place;
            let share = distance / self.half as f64;
            let window = bessel(BETA * (1.0 - share * share).max(0.0).sqrt()) / of_window;
            let angle = PI * self.cutoff * distance;
            let sinc = if angle == 0.0 { 1.0 } else { angle.sin() / angle };
            sinc * window
        };
        let taps: Vec<f64> = (1 - self.half..=self.half).map(tap).collect();
        let sum: f64 = taps.iter().sum();
        taps.into_iter().map(|tap| tap / sum).collect()
    }

    /// The sample of the result at an index.
    fn at(&self, source: &[f32], index: u64) -> f32 {
        let position = u128::from(index) * u128::from(self.step[0]);
        let first = (position / u128::from(self.step[1])) as i64 + 1 - self.half;
        let phase = (position % u128::from(self.step[1])) as u64;
        let computed;
        let taps = match self.table.get(phase as usize) {
            Some(taps) => taps,
            None => {
                computed = self.taps(phase);
                &computed
            }
        };
        let product = |(offset, tap): (i64, &f64)| {
            let sample = usize::try_from(first + offset).ok().and_then(|at| source.get(at));
            sample.map_or(0.0, |&sample| f64::from(sample) * tap)
        };
        (0..).zip(taps).map(product).sum::<f64>() as f32
    }
}

/// The number of samples at the first rate that are enough for so many at the second.
pub(super) fn needed(length: usize, [from, to]: [u32; 2]) -> usize {
    let samples = length as u128 * u128::from(from) / u128::from(to.max(1));
    let filter = (CROSSINGS * (f64::from(from) / f64::from(to.max(1))).max(1.0)).ceil() as u128;
    usize::try_from(samples + filter + 2).unwrap_or(usize::MAX)
}

/// Samples `[samples, channels]` of the first rate at the second one: as many as last equally long,
/// rounded up. The same bits on every machine.
pub(super) fn resampled(
    samples: Array2<f32>,
    [from, to]: [u32; 2],
) -> Result<Array2<f32>, NotGranted> {
    if from == to || samples.is_empty() {
        return Ok(samples);
    }
    let filter = Filter::new([from, to])?;
    let count = (samples.nrows() as u128 * u128::from(to)).div_ceil(u128::from(from));
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let elements = count.saturating_mul(samples.ncols());
    let zeros = brolga_memory::filled(0.0, elements)?;
    let mut result = Array2::from_shape_vec([count, samples.ncols()], zeros)
        .expect("as many zeros as the shape");
    for (channel, mut target) in samples.axis_iter(Axis(1)).zip(result.axis_iter_mut(Axis(1))) {
        let source: Vec<f32> = channel.to_vec();
        (0..).zip(&mut target).for_each(|(index, value)| *value = filter.at(&source, index));
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tone of so many hertz, one second long.
    fn tone(hertz: f64, rate: u32) -> Array2<f32> {
        let sample =
            |at: usize| (std::f64::consts::TAU * hertz * at as f64 / f64::from(rate)).sin();
        Array2::from_shape_fn((rate as usize, 1), |(at, _)| sample(at) as f32)
    }

    /// The greatest difference, the ends not looked at.
    fn difference(a: &Array2<f32>, b: &Array2<f32>) -> f32 {
        let inner = |x: &Array2<f32>| x.iter().copied().skip(200).collect::<Vec<_>>();
        let (a, b) = (inner(a), inner(b));
        let pairs = a.iter().zip(&b).take(a.len() - 200);
        pairs.fold(0.0, |most, (a, b)| f32::max(most, (a - b).abs()))
    }

    #[test]
    fn tones_stay_what_they_are() {
        for (from, to) in [(8000, 16_000), (16_000, 8000), (44_100, 16_000), (11_025, 48_000)] {
            let resampled = resampled(tone(440.0, from), [from, to]).expect("a second");
            assert_eq!(resampled.dim(), (to as usize, 1));
            let off = difference(&resampled, &tone(440.0, to));
            assert!(off < 2e-4, "{from} to {to}: {off}");
        }
    }

    #[test]
    fn what_the_new_rate_does_not_hold_is_removed() {
        let resampled = resampled(tone(6000.0, 16_000), [16_000, 8000]).expect("a second");
        let off = difference(&resampled, &Array2::zeros((8000, 1)));
        assert!(off < 2e-4, "{off}");
    }

    #[test]
    fn lengths_are_rounded_up() {
        let of =
            |count: usize, rates| resampled(Array2::ones((count, 2)), rates).expect("few").dim();
        assert_eq!(of(3, [2, 3]), (5, 2));
        assert_eq!(of(1, [48_000, 1]), (1, 2));
        assert_eq!(of(0, [1, 2]), (0, 2));
        assert_eq!(of(7, [5, 5]), (7, 2));
    }

    #[test]
    fn enough_samples_are_read() {
        let source = tone(300.0, 8000);
        let whole = resampled(source.clone(), [8000, 11_025]).expect("a second");
        let needed = needed(1000, [8000, 11_025]);
        let part = source.slice(ndarray::s![..needed, ..]).to_owned();
        let part = resampled(part, [8000, 11_025]).expect("a part");
        assert_eq!(
            part.iter().take(1000).collect::<Vec<_>>(),
            whole.iter().take(1000).collect::<Vec<_>>()
        );
    }
}
