//! Loss and metrics of a trained model, and its predictions.

use brolga_runtime::Options;
use ndarray::{ArrayD, IxDyn};

use super::batch::{Samples, check_input, write};
use super::session::{Key, Kind, Session};
use super::step::Plan;
use super::totals::Totals;
use crate::data::Data;
use crate::error::NnError;
use crate::history::Logs;

/// Loss and metrics of these samples, in batches of `batch_size`.
pub(crate) fn measure(
    session: &mut Session,
    plan: &Plan<'_>,
    options: &Options,
    samples: &Samples<'_>,
    batch_size: usize,
) -> Result<Logs, NnError> {
    let metrics = plan.compiled.map(|compiled| compiled.metrics.as_slice()).unwrap_or_default();
    let mut totals = Totals::new(metrics);
    let order: Vec<usize> = (0..samples.len()).collect();
    for batch in order.chunks(batch_size.max(1)) {
        let (kind, weighted) = (Kind::Evaluate, samples.weighted());
        let key = Key { kind, batch: batch.len(), weighted };
        let (program, state) = session.ready(plan, options, key)?;
        samples.feed(&mut program.executable, batch)?;
        program.executable.run(state)?;
        totals.add(&program.executable, batch.len())?;
    }
    let mut logs = Logs::new();
    totals.report("", &mut logs);
    Ok(logs)
}

/// The model's output for these samples, in batches of `batch_size`.
pub(crate) fn predict(
    session: &mut Session,
    plan: &Plan<'_>,
    options: &Options,
    x: &Data<'_>,
    batch_size: usize,
) -> Result<ArrayD<f32>, NnError> {
    check_input(plan.built, x, "x")?;
    let output = &plan.built.output.1;
    let mut values = Vec::with_capacity(x.samples() * output.shape.elements());
    let order: Vec<usize> = (0..x.samples()).collect();
    for batch in order.chunks(batch_size.max(1)) {
        let key = Key { kind: Kind::Predict, batch: batch.len(), weighted: false };
        let (program, state) = session.ready(plan, options, key)?;
        write(&mut program.executable, "x", x, batch)?;
        program.executable.run(state)?;
        values.extend_from_slice(program.executable.output(0)?);
    }
    let shape: Vec<usize> =
        std::iter::once(x.samples()).chain(output.shape.iter().copied()).collect();
    Ok(ArrayD::from_shape_vec(IxDyn(&shape), values)
        .expect("each batch gives its samples' outputs"))
}
