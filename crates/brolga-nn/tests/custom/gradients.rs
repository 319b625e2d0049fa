//! Gradients that users ask for, and gradients of their own.

use brolga_nn::prelude::*;
use brolga_runtime::{Backend, Options};
use ndarray::{Array1, Array2, array};

use crate::{Outcome, bits, data, fit};

/// `Σ tanh(x·w + b)²` in f64.
fn reference(x: &Array2<f64>, w: &Array2<f64>, b: &Array1<f64>) -> f64 {
    (x.dot(w) + b).mapv(|z| z.tanh().powi(2)).sum()
}

#[test]
fn values_and_gradients_agree_with_differences() -> Outcome {
    let mut f = value_and_grad(
        |[x, w, b]| {
            let y = (x.matmul(w) + b).tanh();
            ((&y * &y).reduce_sum(&[0, 1], false), [y])
        },
        [2, 1],
    );
    let (x, _) = data();
    let w = Array2::from_shape_fn((3, 2), |(i, j)| (i as f32 - 1.0) / 2.0 + j as f32 / 4.0);
    let b = array![0.25_f32, -0.5];
    let (value, [y], [db, dw]) =
        f.run([x.view().into_dyn(), w.view().into_dyn(), b.view().into_dyn()].each_ref())?;
    let (x, w, b) = (x.mapv(f64::from), w.mapv(f64::from), b.mapv(f64::from));
    assert!((f64::from(value) - reference(&x, &w, &b)).abs() < 1e-5);
    assert_eq!(y.shape(), [8, 2]);
    let step = 1e-5;
    for (index, given) in dw.indexed_iter() {
        let moved = |by: f64| {
            let mut w = w.clone();
            w[[index[0], index[1]]] += by;
            reference(&x, &w, &b)
        };
        let expected = (moved(step) - moved(-step)) / (2.0 * step);
        assert!((f64::from(*given) - expected).abs() < 1e-5, "{given} is not {expected}");
    }
    for (index, given) in db.indexed_iter() {
        let moved = |by: f64| {
            let mut b = b.clone();
            b[index[0]] += by;
            reference(&x, &w, &b)
        };
        let expected = (moved(step) - moved(-step)) / (2.0 * step);
        assert!((f64::from(*given) - expected).abs() < 1e-5, "{given} is not {expected}");
    }
    Ok(())
}

/// Rounds to halves; the gradient is that of the identity.
fn rounded(x: &Var) -> Var {
    let round = |x: &[Var]| vec![(&x[0] * 2.0 + 0.5).floor() / 2.0];
    custom_gradient([x], round, |_, _, dy| vec![dy[0].clone()]).swap_remove(0)
}

#[test]
fn an_own_gradient_is_used_in_a_program_whatever_runs_it() -> Outcome {
    let x = array![0.3_f32, -1.4, 2.26];
    let mut results = vec![];
    for backend in [Backend::Native, Backend::Interpreter] {
        let square = |[x]: &[Var; 1]| {
            let y = rounded(&(x * 3.0));
            ((&y * &y).reduce_sum(&[0], false), [y])
        };
        let options = Options { backend, ..Options::default() };
        let (value, [y], [dx]) = value_and_grad(square, [0]).options(options).run(&x)?;
        assert_eq!(y, array![1.0, -4.0, 7.0].into_dyn());
        assert_eq!(value, 66.0);
        // 3·2·y: the derived gradient is 0.
        assert_eq!(dx, array![6.0, -24.0, 42.0].into_dyn());
        results.push(bits(&[y, dx]));
    }
    assert_eq!(results[0], results[1]);
    Ok(())
}

#[test]
fn a_model_with_an_own_gradient_is_trained() -> Outcome {
    let (x, y) = data();
    let mut model = Sequential::new();
    model.add(Input::new([3]));
    model.add(Dense::new(8).activation(rounded));
    model.add(Dense::new(2));
    model.compile(Compile::new().optimizer(Adam::new(0.05)).loss("mse"))?;
    let before = model.get_weights()?;
    let history = model.fit(&x, &y, fit(40))?;
    let losses = history.get("loss").ok_or("a loss")?;
    assert!(losses[39] < 0.5 * losses[0], "{losses:?}");
    assert_ne!(before[0], model.get_weights()?[0]);
    Ok(())
}

#[test]
fn what_stops_has_no_gradient() -> Outcome {
    let mut f = value_and_grad(|[x]| ((x * x.stop_gradient()).reduce_sum(&[0], false), []), [0]);
    let (value, [], [dx]) = f.run(&array![3.0_f32, 4.0])?;
    assert_eq!((value, dx), (25.0, array![3.0, 4.0].into_dyn()));
    Ok(())
}
