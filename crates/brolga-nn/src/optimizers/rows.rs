//! Updates of the rows of a table that occur in a batch.
//!
//! The gradient of an [`Embedding`](crate::layers::Embedding) is 0 but for the rows that its indices
//! number. Where an optimizer leaves a row of gradient 0 as it is, its update is made of these rows
//! alone: they are read, updated and written back, in place, and nothing of the table's size is
//! touched. The gradients of a row that occurs several times are added first, in the order of
//! [`ScatterAdd`](brolga_ir::ops::ScatterAdd), so that each bit is that of the update of the whole
//! table.

use brolga_ir::{DType, Mistake, Op, Var};

use super::{Common, Optimizer, Trained};

/// What an optimizer does with rows whose gradient is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByRows {
    /// It leaves the row and its slots as they are, if the learning rate is a number from 0 on.
    Exact,
    /// It would change them, and has been asked not to.
    Lazy,
    /// It changes them, for this reason.
    Never(&'static str),
}

/// The gradient of a table by rows: those that occur, and other places of no row.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    /// The number of the row of each place, −1 for no row.
    pub(super) rows: Var,
    /// The gradient of each row.
    pub(super) gradients: Var,
}

/// How many times the indices have to fit into a table whose update would be the same as a whole:
/// sorting them has to be worth it.
const WORTH: usize = 4;

/// Whether the update of a weight touches the rows alone that occur in a batch: then [`apply`]
/// makes it so.
///
/// # Errors
/// Why the weight is updated as a whole.
///
/// [`apply`]: super::apply
pub fn by_rows(optimizer: &dyn Optimizer, trained: &Trained) -> Result<(), Mistake> {
    look_up(optimizer, trained).map(drop)
}

/// The gradient of a weight by rows.
///
/// # Errors
/// As [`by_rows`].
pub(super) fn rows(optimizer: &dyn Optimizer, trained: &Trained) -> Result<Rows, Mistake> {
    let [indices, updates] = look_up(optimizer, trained)?;
    let indices = if indices.dtype() == DType::U8 { indices.cast(DType::I32) } else { indices };
    let (gradients, rows) = updates.sums_by_row(&indices);
    Ok(Rows { rows, gradients })
}

/// The indices of a look-up, and the gradients of what it gave.
fn look_up(optimizer: &dyn Optimizer, trained: &Trained) -> Result<[Var; 2], Mistake> {
    let decays = optimizer.weight_decay(&trained.slots).is_some()
        && !optimizer.common().excludes(&trained.path);
    let by_rows = possible(optimizer, decays).map_err(|reason| refused(trained, reason))?;
    let (gradient, weight) = (&trained.gradient, &trained.weight);
    let tracer = gradient.tracer();
    let operands = gradient.value().and_then(|value| {
        tracer.with_graph(|graph| match &graph.node(value.node).op {
            Op::ScatterAdd(_) => Some(graph.operands(value.node)),
            _ => None,
        })
    });
    let Some([indices, updates]) = operands.as_deref() else {
        return Err(refused(trained, "its gradient is not that of one look-up of rows alone"));
    };
    if trained.slots.iter().any(|slot| slot.shape() != weight.shape()) {
        return Err(refused(trained, "a slot of the optimizer has other rows"));
    }
    let [indices, updates] = [indices, updates].map(|&value| tracer.at(value));
    let (count, table) = (indices.shape().elements(), weight.shape()[0]);
    if by_rows == ByRows::Exact && count.saturating_mul(WORTH) > table {
        let reason = format!("{count} indices of {table} rows touch most of them");
        return Err(refused(trained, &reason));
    }
    Ok([indices, updates])
}

/// Whether updates by rows are possible with these arguments.
fn possible(optimizer: &dyn Optimizer, decays: bool) -> Result<ByRows, &'static str> {
    let Common {
        clipnorm,
        global_clipnorm,
        clipvalue,
        use_ema,
        loss_scale_factor,
        gradient_accumulation_steps,
        ..
    } = optimizer.common();
    let reasons = [
        (decays, "weight decay changes all rows"),
        (clipnorm.is_some(), "clipnorm needs the norm of the whole gradient"),
        (global_clipnorm.is_some(), "global_clipnorm needs the norm of the whole gradient"),
        (clipvalue.is_some(), "clipvalue makes another gradient"),
        (*use_ema, "moving averages follow all rows"),
        (loss_scale_factor.is_some(), "loss_scale_factor makes another gradient"),
        (
            gradient_accumulation_steps.is_some(),
            "the gradients of several steps, which are added up, have other rows each",
        ),
    ];
    if let Some((_, reason)) = reasons.into_iter().find(|(holds, _)| *holds) {
        return Err(reason);
    }
    match optimizer.by_rows() {
        ByRows::Never(reason) => Err(reason),
        by_rows => Ok(by_rows),
    }
}

fn refused(trained: &Trained, reason: &str) -> Mistake {
    Mistake::new(format!("`{}` is updated as a whole: {reason}", trained.path))
}

#[cfg(test)]
mod tests {
    use brolga_ir::{Origin, Tracer, Type, interpret};

    use super::*;
    use crate::optimizers::{Adagrad, Adam, SGD, apply, slots};

    /// A table of 40 rows with the gradient of these look-ups.
    fn step(optimizer: &dyn Optimizer, count: usize, twice: bool) -> (Tracer, Trained) {
        let tracer = Tracer::new("step");
        let weight = tracer.state("table", Type::f32([40, 3]));
        let indices = tracer.input("indices", Type::new(DType::I32, [count]));
        let updates = tracer.input("updates", Type::f32([count, 3]));
        let gradient = updates.scatter_add(&indices, 40);
        let gradient = if twice { &gradient + &gradient } else { gradient };
        let slots = slots(optimizer, "table", weight.ty()).into_iter().enumerate();
        let slots = slots.map(|(n, slot)| tracer.state(&format!("slot{n}"), slot.ty)).collect();
        let (path, origin) = ("embedding/embeddings".to_owned(), Origin::default());
        (tracer, Trained { path, origin, weight, gradient, slots })
    }

    fn why(optimizer: &dyn Optimizer, count: usize, twice: bool) -> String {
        let (_tracer, trained) = step(optimizer, count, twice);
        match by_rows(optimizer, &trained) {
            Ok(()) => "by rows".to_owned(),
            Err(mistake) => mistake.to_string(),
        }
    }

    #[test]
    fn what_stands_in_the_way_is_said() {
        let sgd = || SGD::new(0.1);
        let texts = [
            why(&sgd(), 5, false),
            why(&Adagrad::new(0.1), 10, false),
            why(&Adam::new(0.1).lazy(true), 39, false),
            why(&sgd().momentum(0.9).lazy(true), 39, false),
            why(&sgd(), 11, false),
            why(&sgd(), 5, true),
            why(&sgd().weight_decay(0.1), 5, false),
            why(&sgd().clipnorm(1.0), 5, false),
            why(&sgd().global_clipnorm(1.0), 5, false),
            why(&sgd().clipvalue(1.0), 5, false),
            why(&sgd().use_ema(true), 5, false),
            why(&sgd().loss_scale_factor(2.0), 5, false),
            why(&sgd().gradient_accumulation_steps(2), 5, false),
            why(&sgd().momentum(0.9), 5, false),
            why(&Adagrad::new(0.1).initial_accumulator_value(0.0).epsilon(0.0), 5, false),
            why(&Adam::new(0.1), 5, false),
        ];
        insta::assert_snapshot!(texts.join("\n"), @r"
        by rows
        by rows
        by rows
        by rows
        `embedding/embeddings` is updated as a whole: 11 indices of 40 rows touch most of them
        `embedding/embeddings` is updated as a whole: its gradient is not that of one look-up of rows alone
        `embedding/embeddings` is updated as a whole: weight decay changes all rows
        `embedding/embeddings` is updated as a whole: clipnorm needs the norm of the whole gradient
        `embedding/embeddings` is updated as a whole: global_clipnorm needs the norm of the whole gradient
        `embedding/embeddings` is updated as a whole: clipvalue makes another gradient
        `embedding/embeddings` is updated as a whole: moving averages follow all rows
        `embedding/embeddings` is updated as a whole: loss_scale_factor makes another gradient
        `embedding/embeddings` is updated as a whole: the gradients of several steps, which are added up, have other rows each
        `embedding/embeddings` is updated as a whole: the momentum moves rows whose gradient is 0
        `embedding/embeddings` is updated as a whole: without an accumulator and an epsilon rows of gradient 0 become NaN
        `embedding/embeddings` is updated as a whole: the optimizer changes rows whose gradient is 0
        ");
    }

    /// The next values of table and slots after a step with ten look-ups, some of them of one row,
    /// and none of another.
    fn next(optimizer: &dyn Optimizer, as_a_whole: bool) -> Vec<Vec<u32>> {
        let (tracer, mut trained) = step(optimizer, 10, false);
        if as_a_whole {
            // The same numbers, which are not known to be of a look-up.
            trained.gradient = trained.gradient.reshape([120]).reshape([40, 3]);
        }
        let rate = tracer.scalar(DType::F32, 0.1);
        let iterations = tracer.scalar(DType::I32, 2.0);
        let count = trained.slots.len();
        let updates = apply(optimizer, &rate, &iterations, &[], &[trained]);
        let update = &updates.weights[0];
        std::iter::once(&update.weight).chain(&update.slots).for_each(|next| tracer.output(next));
        drop((updates, rate, iterations));
        let mut graph = tracer.finish().expect("no mistake");
        graph.remove_dead();
        assert_eq!(graph.to_string().contains("scatter_add"), as_a_whole, "{graph}");
        let inputs: Vec<brolga_ir::Tensor> = (graph.inputs().iter().enumerate())
            .map(|(input, &id)| {
                let ty = graph.ty(id.into());
                let number = |place: usize| match ty.dtype {
                    DType::I32 => [3.0, 7.0, 3.0, 39.0, 0.0, 7.0, 3.0, -1.0, 40.0, 12.0][place],
                    _ => ((place * 37 + input * 11 + 1) % 101) as f64 / 83.0,
                };
                let numbers: Vec<f64> = (0..ty.shape.elements()).map(number).collect();
                let data = brolga_ir::Data::from_f64(ty.dtype, &numbers);
                brolga_ir::Tensor::new(ty.shape.clone(), data).expect("as many as elements")
            })
            .collect();
        let next = interpret(&graph, &inputs).expect("its inputs");
        assert_eq!(next.len(), 1 + count);
        let bits =
            |x: &brolga_ir::Tensor| x.as_f32().expect("f32").iter().map(|x| x.to_bits()).collect();
        next.iter().map(bits).collect()
    }

    #[test]
    fn each_bit_is_that_of_the_update_of_the_whole_table() {
        assert_eq!(next(&SGD::new(0.1), false), next(&SGD::new(0.1), true));
        assert_eq!(next(&Adagrad::new(0.1), false), next(&Adagrad::new(0.1), true));
    }

    #[test]
    fn lazy_optimizers_leave_other_rows_as_they_are() {
        let optimizers: [&dyn Fn(bool) -> Box<dyn Optimizer>; 3] = [
            &|lazy| Box::new(Adam::new(0.1).lazy(lazy)),
            &|lazy| Box::new(Adam::new(0.1).amsgrad(true).lazy(lazy)),
            &|lazy| Box::new(SGD::new(0.1).momentum(0.5).lazy(lazy)),
        ];
        for optimizer in optimizers {
            let (lazy, all) = (next(&*optimizer(true), false), next(&*optimizer(false), true));
            for (place, (lazy, all)) in lazy.iter().zip(&all).enumerate() {
                for row in 0..40 {
                    let [lazy, all] = [lazy, all].map(|x| &x[3 * row..3 * row + 3]);
                    let occurs = [0, 3, 7, 12, 39].contains(&row);
                    if occurs || place == 0 {
                        assert_eq!(lazy == all, occurs, "row {row}");
                    }
                }
            }
        }
    }
}
