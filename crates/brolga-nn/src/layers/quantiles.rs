//! Quantiles of data of which a summary is kept.

/// Numbers that stand for the data seen so far, in ascending order, each with how many it stands
/// for. The algorithm and its arithmetic are those of Keras's `Discretization`.
#[derive(Debug, Default)]
pub(super) struct Summary {
    numbers: Vec<f32>,
    weights: Vec<f32>,
}

impl Summary {
    /// Takes in data; `epsilon` is the share of the data that a number of the summary stands for.
    pub(super) fn add(&mut self, mut data: Vec<f32>, epsilon: f64) {
        data.sort_unstable_by(f32::total_cmp);
        let step = (data.len() as f64 / (1.0 / epsilon)).max(1.0);
        let numbers = data.iter().copied().skip((step - 1.0) as usize).step_by(step as usize);
        let new = numbers.map(|number| (number, step as f32));
        let old = self.numbers.iter().copied().zip(self.weights.iter().copied());
        let mut merged: Vec<(f32, f32)> = new.chain(old).collect();
        merged.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (numbers, weights) = merged.into_iter().unzip();
        *self = Self { numbers, weights }.compressed(epsilon);
    }

    /// The boundaries between so many bins; none without data.
    pub(super) fn boundaries(self, bins: usize) -> Option<Vec<f32>> {
        let mut numbers = self.compressed(1.0 / bins as f64).numbers;
        numbers.pop()?;
        Some(numbers)
    }

    /// A summary of `1 / epsilon` numbers, between which the cumulated weights are interpolated.
    fn compressed(self, epsilon: f64) -> Self {
        if (self.numbers.len() as f64) * epsilon < 1.0 {
            return self;
        }
        let mut sum = 0.0_f32;
        let cumulated: Vec<f32> = self
            .weights
            .iter()
            .map(|weight| {
                sum += weight;
                sum
            })
            .collect();
        let shares: Vec<f64> = cumulated.iter().map(|&weight| f64::from(weight / sum)).collect();
        let wide = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
        let (numbers, cumulated) = (wide(&self.numbers), wide(&cumulated));
        let count = (1.0 / epsilon).ceil() as usize;
        let mut before = 0.0;
        let (numbers, weights) = (0..count)
            .map(|index| epsilon + index as f64 * epsilon)
            .map(|share| {
                let weight = interpolated(share, &shares, &cumulated);
                let step = weight - before;
                before = weight;
                (interpolated(share, &shares, &numbers) as f32, step as f32)
            })
            .unzip();
        Self { numbers, weights }
    }
}

/// `numpy.interp`: the value at x of the line through points of ascending `xs`.
fn interpolated(x: f64, xs: &[f64], ys: &[f64]) -> f64 {
    let right = xs.partition_point(|&other| other <= x);
    match (right.checked_sub(1), xs.get(right)) {
        (None, _) => ys.first().copied().unwrap_or(f64::NAN),
        (Some(left), None) => ys[left],
        (Some(left), Some(_)) if xs[left] == x => ys[left],
        (Some(left), Some(next)) => {
            let slope = (ys[right] - ys[left]) / (next - xs[left]);
            slope * (x - xs[left]) + ys[left]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_between_points_lie_on_a_line() {
        let at = |x: f64| interpolated(x, &[0.0, 1.0, 1.0, 2.0], &[5.0, 7.0, 8.0, 10.0]);
        assert_eq!(
            [-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 9.0].map(at),
            [5.0, 5.0, 6.0, 8.0, 9.0, 10.0, 10.0]
        );
    }

    #[test]
    fn few_numbers_are_kept_as_they_are() {
        let mut summary = Summary::default();
        summary.add(vec![3.0, 1.0, 2.0], 0.01);
        assert_eq!(
            (summary.numbers.clone(), summary.weights.clone()),
            (vec![1.0, 2.0, 3.0], vec![1.0; 3])
        );
        assert_eq!(Summary::default().boundaries(2), None);
    }
}
