//! Losses of classes.

use brolga_ir::{DType, Var};

use super::activation::log_softmax_over;
use super::pad::gathered;
use crate::call::{Call, Outs, mistake, one};
use crate::error::Fault;

/// −log p of the labels, weighted, without those of the class that is ignored.
fn loss(call: &Call<'_>, log: &Var) -> Result<Var, Fault> {
    let labels = call.var(1)?.cast(DType::I64);
    let shape = log.shape().to_vec();
    if shape.len() < 2 || labels.shape().rank() + 1 != shape.len() {
        return mistake(
            format!("labels {} for {}", labels.ty(), log.ty()),
            "the classes are axis 1, which the labels do not have",
        );
    }
    let classes = shape[1];
    let ignored = match call.attribute("ignore_index") {
        Some(attribute) => labels.eq(&labels.constant_like(attribute.i as f64)),
        None => labels.ne(&labels),
    };
    let safe = ignored.select(&labels.constant_like(0.0), &labels);
    let rank = shape.len();
    let hot = safe.one_hot(classes, DType::Bool);
    let order: Vec<usize> = [0, rank - 1].into_iter().chain(1..rank - 1).collect();
    let zero = log.constant_like(0.0);
    let chosen = hot.transpose(&order).select(log, &zero).reduce_sum(&[1], false);
    let one_value = log.constant_like(1.0);
    let weight = match call.optional(2)? {
        Some(weight) => gathered(&weight, 0, &safe),
        None => one_value.broadcast(labels.shape().clone()),
    };
    let weight = ignored.select(&zero, &weight);
    let losses = -chosen * &weight;
    let axes: Vec<usize> = (0..rank - 1).collect();
    match call.text("reduction", "mean")? {
        "none" => Ok(losses),
        "sum" => Ok(losses.reduce_sum(&axes, false)),
        "mean" => Ok(losses.reduce_sum(&axes, false) / weight.reduce_sum(&axes, false)),
        other => {
            mistake(format!("`reduction` is {other:?}"), "it is \"none\", \"sum\" or \"mean\"")
        }
    }
}

/// The loss of logarithms of probabilities.
pub(crate) fn negative_log_likelihood(call: &Call<'_>) -> Outs {
    one(loss(call, &call.var(0)?)?)
}

/// The loss of scores, and the logarithms of their probabilities.
pub(crate) fn softmax_cross_entropy(call: &Call<'_>) -> Outs {
    let scores = call.var(0)?;
    if scores.shape().rank() < 2 {
        return mistake(format!("the scores are {}", scores.ty()), "the classes are axis 1");
    }
    let log = log_softmax_over(&scores, &[1]);
    Ok(vec![loss(call, &log)?.into(), log.into()])
}
