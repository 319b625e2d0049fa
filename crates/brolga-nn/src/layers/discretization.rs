//! Numbers as numbers of bins.

use brolga_ir::{DType, Mistake, Tensor, Type, Var};
use ndarray::ArrayD;
use serde::{Deserialize, Serialize};

use super::categories::{check_axes, encoded, vector_dtype};
use super::quantiles::Summary;
use super::{Base, Layer, WeightSpec, layer};
use crate::data::IntoData;
use crate::error::NnError;
use crate::preprocessing::{Code, Encoding, Mode, Numbers, host};
use crate::setters::setters;
use crate::trace::Call;

/// The number of the bin that each number is in: how many of the boundaries are not above it.
///
/// ```
/// use brolga_nn::layers::Discretization;
///
/// let bins = Discretization::new().bin_boundaries([0.0, 1.0, 2.0]);
/// let numbers = bins.apply::<i32>(&[-1.5, 1.0, 3.4, 0.5])?;
/// assert_eq!(numbers, ndarray::arr1(&[0, 2, 3, 1]).into_dyn());
/// # Ok::<(), brolga_nn::NnError>(())
/// ```
///
/// | `output_mode` | `x` | `y` |
/// |---|---|---|
/// | `"int"`, the default | `[batch, ..]` | `[batch, ..]` of `i32` |
/// | `"one_hot"` | `[batch, ..]` | `[batch, .., bins]`: 1 at the bin; a last extent of 1 is dropped first |
/// | `"multi_hot"` | `[batch, .., n]` | `[batch, .., bins]`: 1 at the bin of each of the n numbers |
/// | `"count"` | `[batch, .., n]` | `[batch, .., bins]`: how often each of them occurs |
///
/// There is a bin more than boundaries; NaN is in the last one. No gradient flows through it. It is
/// a layer, and with [`apply`](Self::apply) a function of arrays.
///
/// A mistake if there are no boundaries, they do not ascend, there is no such mode, or the input
/// has no axis beside the batch where vectors are asked for.
///
/// Keras: <https://keras.io/api/layers/preprocessing_layers/numerical/discretization/>, without
/// `sparse`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Discretization {
    #[serde(flatten)]
    base: Base,
    bin_boundaries: Option<Vec<f64>>,
    num_bins: Option<usize>,
    epsilon: f64,
    output_mode: String,
}

layer!(Discretization { bin_boundaries: Finite, epsilon: Within(1e-6, 1.0) });
host!(Discretization);

impl Default for Discretization {
    fn default() -> Self {
        let (base, output_mode) = (Base::default(), "int".to_owned());
        Self { base, bin_boundaries: None, num_bins: None, epsilon: 0.01, output_mode }
    }
}

impl Discretization {
    /// A discretization whose boundaries are to be set.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// The boundaries of the bins, in ascending order.
        bin_boundaries: some Vec<f64>,
        /// How many bins [`adapt`](Discretization::adapt) makes.
        num_bins: opt usize,
        /// How far the boundaries that `adapt` finds may be off, in shares of the data; 0.01 by
        /// default.
        epsilon: f64,
        /// `"int"`, the default, `"one_hot"`, `"multi_hot"` or `"count"`.
        output_mode: into String,
    }

    /// Takes the boundaries from data: quantiles, so that about equally many numbers are in each
    /// bin.
    ///
    /// # Errors
    /// If `num_bins` is not set, or there are no data.
    pub fn adapt<'a>(self, data: impl IntoData<'a>) -> Result<Self, NnError> {
        self.adapt_batches([data])
    }

    /// As [`Discretization::adapt`], of data that come batch by batch.
    ///
    /// # Errors
    /// As [`Discretization::adapt`].
    pub fn adapt_batches<'a>(
        mut self,
        batches: impl IntoIterator<Item = impl IntoData<'a>>,
    ) -> Result<Self, NnError> {
        crate::registry::check_arguments(&self)?;
        let Some(bins) = self.num_bins.filter(|&bins| bins > 0) else {
            let message = "Discretization: adapt: num_bins is not set, or 0";
            return Err(Mistake::new(message)
                .help("say how many bins there shall be: .num_bins(4).adapt(&data)?")
                .into());
        };
        let mut summary = Summary::default();
        for batch in batches {
            let data = batch.into_data();
            data.check_copied("the data")?;
            let mut numbers = Vec::new();
            data.each(|_, x| numbers.push(x as f32));
            summary.add(numbers, self.epsilon);
        }
        let boundaries = summary.boundaries(bins);
        let Some(boundaries) = boundaries.filter(|found| found.iter().all(|x| x.is_finite()))
        else {
            let message = "Discretization: adapt: there are no data, or not all of them are finite";
            return Err(Mistake::new(message).help("give at least one finite number").into());
        };
        self.bin_boundaries = Some(boundaries.into_iter().map(f64::from).collect());
        Ok(self)
    }

    /// The boundaries, if the arguments fit together.
    fn boundaries(&self) -> Result<(Mode, Vec<f32>), Mistake> {
        let modes = [Mode::Int, Mode::OneHot, Mode::MultiHot, Mode::Count];
        let mode = Mode::of("Discretization", &self.output_mode, &modes)?;
        let Some(boundaries) = &self.bin_boundaries else {
            let message = "Discretization: there are no boundaries";
            return Err(Mistake::new(message).help(
                "give them, .bin_boundaries([..]), or take them from data, .num_bins(4).adapt(&data)?",
            ));
        };
        let falls = boundaries.windows(2).find(|pair| pair[0] > pair[1]);
        if let Some(pair) = falls {
            let message =
                format!("Discretization: the boundary {} comes before {}", pair[0], pair[1]);
            return Err(Mistake::new(message).help("give the boundaries in ascending order"));
        }
        Ok((mode, boundaries.iter().map(|&x| x as f32).collect()))
    }

    /// What an array of numbers is encoded as, in `f32`; element types of the result are `i64`,
    /// `i32` and `f32`.
    ///
    /// # Errors
    /// If arguments do not fit together, or the result does not fit into memory.
    pub fn apply<'a, E: Code>(&self, x: impl IntoData<'a>) -> Result<ArrayD<E>, NnError> {
        crate::registry::check_arguments(self)?;
        let (mode, boundaries) = self.boundaries()?;
        let data = x.into_data();
        data.check_copied("the data")?;
        let mut elements = Vec::new();
        data.each(|_, x| {
            let above = |boundary: &&f32| x as f32 >= **boundary || x.is_nan();
            elements.push(Some(boundaries.iter().take_while(above).count() as i64));
        });
        let numbers = Numbers { shape: data.shape().to_vec(), elements };
        let depth = boundaries.len() + 1;
        Ok(Encoding { class: "Discretization", mode, depth, weights: &[] }.of(numbers)?)
    }
}

impl Layer for Discretization {
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        if self.boundaries()?.0 != Mode::Int {
            check_axes("Discretization", inputs)?;
        }
        Ok(vec![])
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| {
            let (mode, boundaries) = match self.boundaries() {
                Ok(found) => found,
                Err(mistake) => return call.tracer().fail(mistake),
            };
            let depth = boundaries.len() + 1;
            let tensor = Tensor::f32([boundaries.len()], boundaries);
            let boundaries = tensor.expect("as many numbers as the shape has");
            let boundaries = call.tracer().constant(boundaries).cast(vector_dtype(&x));
            let mut shape = x.shape().to_vec();
            shape.push(1);
            let numbers = x.cast(vector_dtype(&x)).reshape(shape);
            let above = numbers.lt(&boundaries).logical_not().cast(DType::I32);
            let bins = above.reduce_sum(&[x.shape().rank()], false);
            match mode {
                Mode::Int => bins,
                mode => encoded(mode.name(), &bins, depth, vector_dtype(&x)),
            }
        })
    }
}
