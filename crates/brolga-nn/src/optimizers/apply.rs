//! The next values of everything that a step of training changes.

use brolga_ir::{DType, Mistake, Origin, Tracer, Type, Var};

use super::accumulation::Accumulation;
use super::average::{AVERAGE, Average};
use super::{Common, Optimizer, Slot, Step, Update, clip, rows};

/// A weight in training.
#[derive(Debug, Clone)]
pub struct Trained {
    /// Its path, such as `dense/kernel`.
    pub path: String,
    /// Where the nodes of its update come from.
    pub origin: Origin,
    /// Its value.
    pub weight: Var,
    /// The gradient of the loss, times the loss scale factor, by it.
    pub gradient: Var,
    /// Its slots, in the order of [`slots`].
    pub slots: Vec<Var>,
}

/// The next values of all weights, of their slots and of the optimizer's states.
#[derive(Debug, Clone)]
pub struct Updates {
    /// An update for each weight.
    pub weights: Vec<Update>,
    /// The states, in the order of [`Optimizer::states`].
    pub states: Vec<Var>,
}

/// The tensors that are kept between steps for the weight of this path: those of the optimizer, the
/// sum of gradients, the moving average.
pub fn slots(optimizer: &dyn Optimizer, path: &str, weight: &Type) -> Vec<Slot> {
    let common = optimizer.common();
    let sum = common.gradient_accumulation_steps;
    let sum = sum.map(|_| Slot::zeros("gradient_accumulator", weight));
    let average = common.use_ema.then(|| Slot::zeros(AVERAGE, weight));
    optimizer.slots_at(path, weight).into_iter().chain(sum).chain(average).collect()
}

/// The next values of everything that a step changes: clipping, weight decay, the optimizer's
/// update, accumulated gradients, moving averages.
///
/// A table that only one look-up reads is updated by the rows that occur, if the optimizer is one
/// [by rows](Optimizer::by_rows), and nothing else needs the whole gradient or changes all rows.
///
/// `iterations: i32[]` counts the steps done, `states` are those of [`Optimizer::states`]. Slots
/// and states of floats pass through [`Flush`](brolga_ir::ops::Flush): what decays must not become
/// subnormal. Values of another number or type than declared are mistakes.
pub fn apply(
    optimizer: &dyn Optimizer,
    learning_rate: &Var,
    iterations: &Var,
    states: &[Var],
    trained: &[Trained],
) -> Updates {
    let common = optimizer.common();
    let window = Accumulation::new(common, iterations);
    let updates = window.as_ref().map_or(iterations, Accumulation::updates);
    let number = updates.cast(DType::F32) + 1.0;
    let step = Step { learning_rate: learning_rate.clone(), number, states: states.to_vec() };
    let scalars = optimizer.scalars(&step);
    let next = kept(states, optimizer.next_states(&step, &scalars), learning_rate.tracer());
    let hold = |old: &[Var], next| match &window {
        Some(window) => window.hold(old, next),
        None => next,
    };
    let average = Average::new(common, updates);
    let parts: Vec<Parts<'_>> = trained.iter().map(|t| Parts::of(t, common)).collect();
    let gradients = parts.iter().map(|parts| match (&window, parts.sum) {
        (Some(window), Some(sum)) => window.mean(sum, &parts.gradient),
        _ => parts.gradient.clone(),
    });
    let gradients = clip::clip(common, &gradients.collect::<Vec<_>>());
    let update = |(parts, gradient): (&Parts<'_>, &Var)| {
        let weight = &parts.trained.weight;
        let _scope = weight.tracer().origin_scope(parts.trained.origin.clone());
        let decay = optimizer.weight_decay(parts.own);
        let decay = decay.filter(|_| !common.excludes(&parts.trained.path));
        let decay = decay.map(|decay| 1.0 - learning_rate * decay);
        if let Ok(rows) = rows::rows(optimizer, parts.trained) {
            let of = |x: &Var| x.gather(&rows.rows);
            let own: Vec<Var> = parts.own.iter().map(of).collect();
            let next = optimizer.update(&scalars, &of(weight), &rows.gradients, &own);
            let next_slots = kept(&own, next.slots, weight.tracer());
            let slots = parts.own.iter().zip(&next_slots);
            return Update {
                weight: weight.set_rows(&rows.rows, &next.weight),
                slots: slots.map(|(slot, next)| slot.set_rows(&rows.rows, next)).collect(),
            };
        }
        let decayed = decay.map_or_else(|| weight.clone(), |decay| weight * decay);
        let next = optimizer.update(&scalars, &decayed, gradient, parts.own);
        let next_slots = kept(parts.own, next.slots, weight.tracer());
        let mut next_weight = hold(std::slice::from_ref(weight), vec![next.weight]).swap_remove(0);
        let mut slots = hold(parts.own, next_slots);
        if let (Some(window), Some(sum)) = (&window, parts.sum) {
            slots.push(window.next_sum(sum, &parts.gradient));
        }
        if let (Some(average), Some(mean)) = (&average, parts.mean) {
            let mean = average.next(mean, &next_weight);
            next_weight = average.overwritten(next_weight, &mean);
            slots.push(mean);
        }
        Update { weight: next_weight, slots }
    };
    let weights = parts.iter().zip(&gradients).map(update).collect();
    Updates { weights, states: hold(states, next) }
}

/// A weight in training with its slots by whom they belong to.
struct Parts<'a> {
    trained: &'a Trained,
    /// The gradient of the loss.
    gradient: Var,
    own: &'a [Var],
    /// The sum of gradients.
    sum: Option<&'a Var>,
    /// The moving average.
    mean: Option<&'a Var>,
}

impl<'a> Parts<'a> {
    fn of(trained: &'a Trained, common: &Common) -> Self {
        let gradient = &trained.gradient;
        let gradient =
            common.loss_scale_factor.map_or_else(|| gradient.clone(), |by| gradient / by);
        let (mut own, mut sum, mut mean) = (&trained.slots[..], None, None);
        let mut last = |wanted: bool, slot: &mut Option<&'a Var>| {
            if let (true, Some((last, rest))) = (wanted, own.split_last()) {
                (own, *slot) = (rest, Some(last));
            }
        };
        last(common.use_ema, &mut mean);
        last(common.gradient_accumulation_steps.is_some(), &mut sum);
        Self { trained, gradient, own, sum, mean }
    }
}

/// The next values of slots or states, without subnormal numbers.
fn kept(slots: &[Var], next: Vec<Var>, tracer: &Tracer) -> Vec<Var> {
    let types =
        |vars: &[Var]| vars.iter().map(|var| var.ty().to_string()).collect::<Vec<_>>().join(", ");
    if !slots.iter().map(Var::ty).eq(next.iter().map(Var::ty)) {
        let message = format!(
            "the optimizer keeps ({}), the next values are ({})",
            types(slots),
            types(&next)
        );
        tracer.fail(Mistake::new(message));
    }
    next.iter()
        .map(|next| if next.dtype().is_float() { next.flush() } else { next.clone() })
        .collect()
}
