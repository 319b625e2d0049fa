//! The common part of the pooling layers.

use std::fmt;
use std::marker::PhantomData;

use brolga_ir::ops::Pooling;
use brolga_ir::ops::window::Spatial;
use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::images::{images, images_of};
use super::{Base, Layer, WeightSpec};
use crate::config::{Extents, Padding};
use crate::masks::misfit;
use crate::registry::Object;
use crate::setters::setters;
use crate::trace::Call;

/// What is taken of the values under a window.
pub trait Taken: fmt::Debug + Clone + Send + Sync + 'static {
    /// That of each window.
    fn of_windows(x: &Var, pool: Pooling) -> Var;

    /// That over whole axes.
    fn of_axes(x: &Var, axes: &[usize], keepdims: bool) -> Var;

    /// That over the steps of sequences.
    fn of_steps(call: &mut Call<'_>, x: &Var, keepdims: bool) -> Var {
        let _ = call;
        Self::of_axes(x, &[1], keepdims)
    }
}

/// The maximum.
#[derive(Debug, Clone)]
pub struct Greatest;

/// The average.
#[derive(Debug, Clone)]
pub struct Mean;

impl Taken for Greatest {
    fn of_windows(x: &Var, pool: Pooling) -> Var {
        x.max_pool(pool)
    }

    fn of_axes(x: &Var, axes: &[usize], keepdims: bool) -> Var {
        x.reduce_max(axes, keepdims)
    }
}

impl Taken for Mean {
    fn of_windows(x: &Var, pool: Pooling) -> Var {
        x.avg_pool(pool, false)
    }

    fn of_axes(x: &Var, axes: &[usize], keepdims: bool) -> Var {
        x.reduce_mean(axes, keepdims)
    }

    /// As in Keras, averages of sequences alone know masks.
    fn of_steps(call: &mut Call<'_>, x: &Var, keepdims: bool) -> Var {
        let Some(mask) = call.mask(x) else { return Self::of_axes(x, &[1], keepdims) };
        let [batch, steps] = mask.shape()[..] else { return call.tracer().fail(misfit(&mask, x)) };
        let mask = mask.reshape([batch, steps, 1]);
        let sum = mask.select(x, &x.constant_like(0.0)).reduce_sum(&[1], keepdims);
        sum / mask.cast(x.dtype()).reduce_sum(&[1], keepdims)
    }
}

/// The pooling layers, such as [`MaxPooling2D`](super::MaxPooling2D): what is taken of each window
/// over `AXES` spatial axes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct WindowPooling<T, const AXES: usize> {
    #[serde(flatten)]
    pub(super) base: Base,
    #[serde(default = "two")]
    pub(super) pool_size: Extents<AXES>,
    #[serde(default)]
    pub(super) strides: Option<Extents<AXES>>,
    #[serde(default)]
    padding: Padding,
    #[serde(skip)]
    taken: PhantomData<T>,
}

/// The pooling layers over all windows, such as [`GlobalMaxPooling2D`](super::GlobalMaxPooling2D):
/// what is taken of `AXES` whole axes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct GlobalPooling<T, const AXES: usize> {
    #[serde(flatten)]
    pub(super) base: Base,
    #[serde(default)]
    keepdims: bool,
    #[serde(skip)]
    taken: PhantomData<T>,
}

fn two<const AXES: usize>() -> Extents<AXES> {
    2.into()
}

/// Windows of extent 2, side by side.
impl<T: Taken, const AXES: usize> Default for WindowPooling<T, AXES> {
    fn default() -> Self {
        Self::new(two())
    }
}

impl<T: Taken, const AXES: usize> WindowPooling<T, AXES> {
    /// Windows of this size, side by side.
    pub fn new(pool_size: impl Into<Extents<AXES>>) -> Self {
        Self {
            base: Base::default(),
            pool_size: pool_size.into(),
            strides: None,
            padding: Padding::Valid,
            taken: PhantomData,
        }
    }

    setters! {
        /// Steps between neighbouring windows; the size of the window by default.
        strides: some Extents<AXES>,
        /// `"valid"`, the default, or `"same"`.
        padding: into Padding,
    }

    /// How the window moves over images of these extents.
    fn pool(&self, extents: Spatial<usize>) -> Result<Pooling, Mistake> {
        let strides = self.strides.unwrap_or(self.pool_size);
        let padding = self.padding.amounts(extents, self.pool_size, strides, [1; AXES])?;
        Ok(Pooling::new(self.pool_size, strides, padding))
    }
}

impl<T: Taken, const AXES: usize> Layer for WindowPooling<T, AXES>
where
    Self: Object,
{
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        images::<AXES>(self.class_name(), inputs).map(|_| vec![])
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| {
            let pool = images_of::<AXES>(self.class_name(), &x);
            match pool.and_then(|(extents, _)| self.pool(extents)) {
                Ok(pool) => T::of_windows(&x, pool),
                Err(mistake) => call.tracer().fail(mistake),
            }
        })
    }
}

impl<T: Taken, const AXES: usize> Default for GlobalPooling<T, AXES> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Taken, const AXES: usize> GlobalPooling<T, AXES> {
    /// What is taken of each channel, without the spatial axes.
    pub fn new() -> Self {
        Self { base: Base::default(), keepdims: false, taken: PhantomData }
    }

    setters! {
        /// Whether the spatial axes stay, with extent 1; false by default.
        keepdims: bool,
    }
}

impl<T: Taken, const AXES: usize> Layer for GlobalPooling<T, AXES>
where
    Self: Object,
{
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        images::<AXES>(self.class_name(), inputs).map(|_| vec![])
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        let axes: Vec<usize> = (1..=AXES).collect();
        call.map(inputs, |call, x| match AXES {
            1 => T::of_steps(call, &x, self.keepdims),
            _ => T::of_axes(&x, &axes, self.keepdims),
        })
    }
}
