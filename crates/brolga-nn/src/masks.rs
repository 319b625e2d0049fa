//! Masks: which steps of a tensor count.
//!
//! A mask is a value of the graph beside the tensor, of truth values over its first axes, such as
//! `[batch, steps]` for `[batch, steps, features]`. It belongs to the tensor's value: whatever
//! takes that value can ask for it, through nested models too. One that nothing asks for is not
//! computed.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use brolga_ir::ops::Reshape;
use brolga_ir::{DType, Mistake, Shape, Value, Var};

use crate::keywords::{Keyword, Keywords};
use crate::layers::{Layer, shape_of};
use crate::trace::{Call, Context};

/// What is known of the masks of a trace.
#[derive(Debug, Default)]
pub(crate) struct Masks {
    /// The masks of values that have one.
    known: HashMap<Value, Var>,
    /// The layer that did not hand on the mask of what a value is computed from.
    dropped: HashMap<Value, Rc<Dropped>>,
    /// The layers that dropped a mask.
    droppers: HashSet<String>,
}

/// A mask that a layer did not hand on.
#[derive(Debug)]
struct Dropped {
    layer: String,
    class: &'static str,
    /// The axes of the mask: a tensor without further ones has no steps any more.
    rank: usize,
}

/// What a layer did with masks during one call.
#[derive(Debug, Default)]
pub(crate) struct Handled {
    read: bool,
    set: Vec<(Value, Option<Var>)>,
}

impl Masks {
    fn of(&self, x: &Var) -> Option<&Var> {
        self.known.get(&x.value()?)
    }

    fn dropped(&self, x: &Var) -> Option<&Rc<Dropped>> {
        self.dropped.get(&x.value()?)
    }
}

impl Context {
    /// The mask of a value, if it has one.
    pub fn mask(&self, x: &Var) -> Option<&Var> {
        self.masks.of(x)
    }

    /// The same tensor with this mask, or without one: another value, since `x` keeps its own.
    #[track_caller]
    pub fn with_mask(&mut self, x: &Var, mask: Option<&Var>) -> Var {
        if self.masks.of(x).and_then(Var::value) == mask.and_then(Var::value) {
            return x.clone();
        }
        let view = x.unary(Reshape { shape: x.shape().clone() });
        self.hand_on_logits(x, &view);
        self.masks.known.extend(view.value().zip(mask.cloned()));
        view
    }

    /// The inputs of a call, with the masks that its argument `mask` gives them.
    ///
    /// # Errors
    /// If a mask does not fit its input, or there are more masks than inputs.
    pub(crate) fn with_given_masks(
        &mut self,
        inputs: &[Var],
        keywords: &Keywords,
    ) -> Result<Vec<Var>, Mistake> {
        let masks = match keywords.get("mask") {
            None | Some(Keyword::Value(serde_json::Value::Null)) => return Ok(inputs.to_vec()),
            Some(Keyword::Tensor(mask)) => vec![Some(mask.clone())],
            Some(Keyword::Tensors(masks)) => masks.clone(),
            Some(Keyword::Value(value)) => {
                let message = format!("the argument `mask` of the call is {value}");
                return Err(Mistake::new(message).help("`mask` is a tensor, or a list of them"));
            }
        };
        if masks.len() > inputs.len() {
            let (given, expected) = (masks.len(), inputs.len());
            let message = format!("the call has {given} masks, and inputs: {expected}");
            return Err(Mistake::new(message).help("give one mask for each input"));
        }
        let masks = masks.into_iter().chain(std::iter::repeat(None));
        let masked = inputs.iter().zip(masks).map(|(x, mask)| match mask {
            None => Ok(x.clone()),
            Some(mask) => {
                check_mask(&mask, x)?;
                Ok(self.with_mask(x, Some(&truth(&mask))))
            }
        });
        masked.collect()
    }

    /// Whether a layer of this path has dropped the mask of an input.
    pub(crate) fn drops_mask(&self, layer: &str) -> bool {
        self.masks.droppers.contains(layer)
    }

    /// The outputs of a layer with their masks, once it was called.
    ///
    /// # Errors
    /// If the layer has to hand a mask on which does not fit its output.
    pub(crate) fn hand_on_masks(
        &mut self,
        (layer, path): (&dyn Layer, &str),
        handled: &Handled,
        inputs: &[Var],
        mut outputs: Vec<Var>,
    ) -> Result<Vec<Var>, Mistake> {
        let asked = layer.base().supports_masking;
        let mask = inputs.iter().find_map(|x| self.masks.of(x)).cloned();
        let hands_on = asked.unwrap_or_else(|| layer.supports_masking());
        let drops = mask.is_some() && !hands_on && !handled.read && handled.set.is_empty();
        let lost = match &mask {
            Some(mask) if drops && asked.is_none() => {
                self.masks.droppers.insert(path.to_owned());
                let (class, rank) = (layer.class_name(), mask.shape().rank());
                Some(Rc::new(Dropped { layer: path.to_owned(), class, rank }))
            }
            Some(_) => None,
            None => inputs.iter().find_map(|x| self.masks.dropped(x)).cloned(),
        };
        for (index, output) in outputs.iter_mut().enumerate() {
            let set = handled.set.iter().rev().find(|(value, _)| Some(*value) == output.value());
            let own = match (set, &mask) {
                (Some((_, own)), _) => own.clone(),
                (None, Some(mask)) if hands_on && index == 0 => {
                    let fits = begins_with(output.shape(), mask.shape());
                    if !fits && asked == Some(true) {
                        return Err(misfit(mask, output));
                    }
                    Some(mask.clone()).filter(|_| fits)
                }
                _ => None,
            };
            *output = self.with_mask(output, own.as_ref());
            let lost = lost.as_ref().filter(|lost| output.shape().rank() > lost.rank);
            if own.is_none() && handled.set.is_empty() {
                self.masks.dropped.extend(output.value().zip(lost.cloned()));
            }
        }
        Ok(outputs)
    }
}

impl Call<'_> {
    /// The mask of an input, over its first axes: the layer computes something else where it is
    /// false. `None` if the input has none.
    ///
    /// A mistake if the mask does not fit, or a layer before this one dropped it.
    #[track_caller]
    pub fn mask(&mut self, x: &Var) -> Option<Var> {
        let masks = &self.context.masks;
        match (masks.of(x), masks.dropped(x)) {
            (Some(mask), _) if !begins_with(x.shape(), mask.shape()) => {
                let mistake = misfit(mask, x);
                self.tracer().fail(mistake);
                None
            }
            (None, Some(lost)) => {
                let Dropped { layer, class, .. } = &**lost;
                let message = format!(
                    "the layer uses masks, but layer `{layer}` ({class}) before it drops that of its input"
                );
                let help = format!(
                    "`{layer}` hands it on with `.supports_masking(true)`, if it keeps the steps; \
                     `.supports_masking(false)` says that it is meant to be dropped"
                );
                self.tracer().fail(Mistake::new(message).help(help));
                None
            }
            _ => self.mask_if_any(x),
        }
    }

    /// As [`Call::mask`], of whatever shape it is, for a layer that goes without where a layer
    /// before it has dropped the mask.
    pub fn mask_if_any(&mut self, x: &Var) -> Option<Var> {
        self.handled.read = true;
        self.context.masks.of(x).cloned()
    }

    /// The masks of all inputs, for a layer that decides by them what it hands on.
    pub(crate) fn masks_of(&self, inputs: &[Var]) -> Vec<Option<Var>> {
        inputs.iter().map(|x| self.context.masks.of(x).cloned()).collect()
    }

    /// Gives an output a mask, or none. An output without a word about it gets that of the input if
    /// the layer [supports masks](Layer::supports_masking).
    pub fn set_mask(&mut self, y: &Var, mask: Option<&Var>) {
        self.handled.set.extend(y.value().map(|value| (value, mask.cloned())));
    }
}

/// Whether a shape begins with these extents.
fn begins_with(shape: &Shape, start: &Shape) -> bool {
    shape.get(..start.rank()) == Some(start)
}

/// Fails if a mask neither covers the first axes of an input nor broadcasts to it.
fn check_mask(mask: &Var, x: &Var) -> Result<(), Mistake> {
    let (of, shape) = (mask.shape(), x.shape());
    let ends = shape.rank().checked_sub(of.rank()).map(|start| shape.iter().skip(start));
    let broadcasts = ends.is_some_and(|ends| of.iter().zip(ends).all(|(m, n)| m == n || *m == 1));
    match begins_with(shape, of) || broadcasts {
        true => Ok(()),
        false => Err(misfit(mask, x)),
    }
}

pub(crate) fn misfit(mask: &Var, x: &Var) -> Mistake {
    let message = format!("a mask {} does not fit {}", shape_of(mask), shape_of(x));
    Mistake::new(message)
        .help("a mask has the first axes of its tensor: a truth value for each step")
}

/// A mask as truth values: a number is true if it is not 0.
pub(crate) fn truth(mask: &Var) -> Var {
    if mask.dtype() == DType::Bool { mask.clone() } else { mask.ne(&mask.constant_like(0.0)) }
}

/// Whether each row along the last axis of truth values holds a true one; the axis is dropped.
pub(crate) fn any_last(x: &Var) -> Var {
    let last = x.shape().rank().saturating_sub(1);
    let most = x.cast(DType::F32).reduce_max(&[last], false);
    most.ne(&most.constant_like(0.0))
}

/// Conjunction of the masks that there are.
pub(crate) fn all_of(masks: impl IntoIterator<Item = Option<Var>>) -> Option<Var> {
    masks.into_iter().flatten().reduce(|a, b| a.logical_and(&b))
}
