//! Windows that slide over a time series.

use std::sync::atomic::{AtomicU32, Ordering};

use ndarray::{ArrayD, ArrayRef, ArrayView, ArrayViewD, Axis, Dimension};

use crate::error::{Error, Result};
use crate::shuffle;

/// How [`timeseries_dataset_from_array`] cuts windows. Names and defaults are those of Keras.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeseriesOptions {
    sequence_stride: usize,
    sampling_rate: usize,
    batch_size: usize,
    shuffle: bool,
    seed: u32,
    start_index: Option<usize>,
    end_index: Option<usize>,
}

impl TimeseriesOptions {
    /// A window at each step, of neighbouring steps, in batches of 128, in the order of time.
    pub fn new() -> TimeseriesOptions {
        TimeseriesOptions {
            sequence_stride: 1,
            sampling_rate: 1,
            batch_size: 128,
            shuffle: false,
            seed: 0,
            start_index: None,
            end_index: None,
        }
    }

    /// The steps from the beginning of a window to that of the next one; 1 by default.
    pub fn sequence_stride(mut self, sequence_stride: usize) -> TimeseriesOptions {
        self.sequence_stride = sequence_stride;
        self
    }

    /// The steps from an element of a window to the next one; 1 by default.
    pub fn sampling_rate(mut self, sampling_rate: usize) -> TimeseriesOptions {
        self.sampling_rate = sampling_rate;
        self
    }

    /// The windows of a batch; 128 by default. The last batch of a pass may be smaller.
    pub fn batch_size(mut self, batch_size: usize) -> TimeseriesOptions {
        self.batch_size = batch_size;
        self
    }

    /// Whether windows come in another order in each pass; false by default.
    pub fn shuffle(mut self, shuffle: bool) -> TimeseriesOptions {
        self.shuffle = shuffle;
        self
    }

    /// From what orders are drawn; 0 by default.
    pub fn seed(mut self, seed: u32) -> TimeseriesOptions {
        self.seed = seed;
        self
    }

    /// The first step that is used; 0 by default.
    pub fn start_index(mut self, start_index: usize) -> TimeseriesOptions {
        self.start_index = Some(start_index);
        self
    }

    /// The first step that is not used any more; the number of steps by default.
    pub fn end_index(mut self, end_index: usize) -> TimeseriesOptions {
        self.end_index = Some(end_index);
        self
    }
}

impl Default for TimeseriesOptions {
    fn default() -> TimeseriesOptions {
        TimeseriesOptions::new()
    }
}

/// Types that can be targets of windows: an array whose first axis counts the steps, or `()` for
/// none.
pub trait Targets {
    /// The targets of some windows.
    type Batch;

    /// The number of targets; none where there are no targets.
    fn count(&self) -> Option<usize>;

    /// The targets of these steps.
    fn of(&self, steps: &[usize]) -> Self::Batch;
}

impl Targets for () {
    type Batch = ();

    fn count(&self) -> Option<usize> {
        None
    }

    fn of(&self, _: &[usize]) {}
}

impl<T: Clone, D: Dimension> Targets for ArrayView<'_, T, D> {
    type Batch = ArrayD<T>;

    fn count(&self) -> Option<usize> {
        Some(self.shape().first().copied().unwrap_or(0))
    }

    fn of(&self, steps: &[usize]) -> ArrayD<T> {
        self.view().into_dyn().select(Axis(0), steps)
    }
}

/// Windows of a time series, with targets.
///
/// Each call of [`batches`](Self::batches) is a pass over all of them.
#[derive(Debug)]
pub struct TimeseriesDataset<'a, T, Y> {
    data: ArrayViewD<'a, T>,
    targets: Y,
    sequence_length: usize,
    options: TimeseriesOptions,
    /// The step at which each window begins.
    starts: Vec<usize>,
    passes: AtomicU32,
}

/// Cuts windows of `sequence_length` elements out of a time series, as
/// `keras.utils.timeseries_dataset_from_array` does: window i begins at step
/// `start_index + i · sequence_stride`, and takes every `sampling_rate`-th step from there on.
///
/// The first axis of `data` counts the steps. `targets[i]` belongs to the window that begins at step
/// i; `()` stands for no targets.
///
/// ```
/// use brolga_data::{TimeseriesOptions, timeseries_dataset_from_array};
/// use ndarray::{Array1, s};
///
/// // Ten steps, and the one behind them.
/// let series = Array1::from_iter((0..100).map(|step| step as f32));
/// let (data, targets) = (series.slice(s![..-10]), series.slice(s![10..]));
/// let windows = timeseries_dataset_from_array(&data, targets, 10, TimeseriesOptions::new())?;
/// for (x, y) in windows.batches() {
///     assert_eq!((x.shape(), y.len()), ([81, 10].as_slice(), 81));
///     assert_eq!((x[[3, 9]], y[3]), (12.0, 13.0));
/// }
/// # Ok::<(), brolga_data::Error>(())
/// ```
///
/// # Errors
///
/// There is no window, or an argument does not fit the data.
pub fn timeseries_dataset_from_array<'a, T, D, Y>(
    data: &'a ArrayRef<T, D>,
    targets: Y,
    sequence_length: usize,
    options: TimeseriesOptions,
) -> Result<TimeseriesDataset<'a, T, Y>>
where
    D: Dimension,
    Y: Targets,
{
    let steps = data.shape().first().copied().unwrap_or(0);
    check(steps, sequence_length, &options)?;
    let start = options.start_index.unwrap_or(0);
    let end = options.end_index.unwrap_or(steps);
    let span = (sequence_length - 1).saturating_mul(options.sampling_rate);
    let count = (end - start).saturating_sub(span);
    let count = targets.count().map_or(count, |targets| count.min(targets.saturating_sub(start)));
    if count == 0 {
        let given = match targets.count() {
            Some(targets) => format!("{} steps and {targets} targets", end - start),
            None => format!("{} steps", end - start),
        };
        return Err(argument(
            "there is no window",
            format!(
                "at least {} steps, and a target for the first of them",
                span.saturating_add(1)
            ),
            given,
            "give more data, or shorter windows",
        ));
    }
    let mut starts: Vec<usize> = (start..start + count).step_by(options.sequence_stride).collect();
    if options.shuffle {
        shuffle::shuffle(options.seed, &mut starts);
    }
    let data = data.view().into_dyn();
    Ok(TimeseriesDataset {
        data,
        targets,
        sequence_length,
        options,
        starts,
        passes: AtomicU32::new(0),
    })
}

fn argument(message: &str, expected: String, given: String, help: &'static str) -> Error {
    let (function, message) = ("timeseries_dataset_from_array", message.to_owned());
    Error::Argument { function, message, expected, given, help }
}

/// Fails if an argument does not fit the number of steps.
fn check(steps: usize, sequence_length: usize, options: &TimeseriesOptions) -> Result<()> {
    let (start, end) = (options.start_index.unwrap_or(0), options.end_index.unwrap_or(steps));
    for (name, value) in [
        ("sequence_length", sequence_length),
        ("sequence_stride", options.sequence_stride),
        ("sampling_rate", options.sampling_rate),
        ("batch_size", options.batch_size),
    ] {
        if value == 0 {
            let help = "count from 1 on";
            return Err(argument(
                &format!("{name} is too small"),
                "at least 1".to_owned(),
                "0".to_owned(),
                help,
            ));
        }
    }
    for (name, value) in
        [("sequence_stride", options.sequence_stride), ("sampling_rate", options.sampling_rate)]
    {
        if value >= steps {
            let help = "it counts steps of the data";
            let expected = format!("less than the {steps} steps of the data");
            return Err(argument(
                &format!("{name} is too large"),
                expected,
                value.to_string(),
                help,
            ));
        }
    }
    if start >= end || end > steps {
        let expected = format!("start_index < end_index <= {steps}");
        let help = "both count the steps of the data from 0 on";
        return Err(argument(
            "the range of steps is empty",
            expected,
            format!("{start} and {end}"),
            help,
        ));
    }
    Ok(())
}

impl<T: Clone, Y: Targets> TimeseriesDataset<'_, T, Y> {
    /// The number of windows.
    pub fn windows(&self) -> usize {
        self.starts.len()
    }

    /// The batches of the next pass over the windows: `[n, sequence_length, ..]`, and the targets.
    pub fn batches(&self) -> impl ExactSizeIterator<Item = (ArrayD<T>, Y::Batch)> + '_ {
        let pass = self.passes.fetch_add(1, Ordering::Relaxed);
        let count = self.starts.len();
        let order: Vec<usize> = if self.options.shuffle {
            let order = shuffle::order_of_pass(self.options.seed, pass, count);
            order.into_iter().map(|window| self.starts[window]).collect()
        } else {
            self.starts.clone()
        };
        let size = self.options.batch_size;
        (0..count.div_ceil(size))
            .map(move |batch| self.batch(&order[batch * size..((batch + 1) * size).min(count)]))
    }

    /// The windows that begin at these steps.
    fn batch(&self, starts: &[usize]) -> (ArrayD<T>, Y::Batch) {
        let of_window = |start: &usize| {
            let start = *start;
            (0..self.sequence_length)
                .map(move |element| start + element * self.options.sampling_rate)
        };
        let steps: Vec<usize> = starts.iter().flat_map(of_window).collect();
        let mut shape = vec![starts.len(), self.sequence_length];
        shape.extend(&self.data.shape()[1..]);
        let elements = self.data.select(Axis(0), &steps);
        let windows =
            elements.into_shape_with_order(shape).expect("as many steps as the shape has");
        (windows, self.targets.of(starts))
    }
}
