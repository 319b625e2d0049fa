use super::*;
use crate::history::Logs;

fn history(epochs: usize, names: &[&str]) -> History {
    let mut history = History::default();
    for epoch in 0..epochs {
        let mut logs = Logs::new();
        for (index, name) in names.iter().enumerate() {
            logs.set(*name, 1.0 / (epoch + index + 1) as f64);
        }
        history.push(epoch, &logs);
    }
    history
}

fn curves(svg: &str) -> usize {
    svg.matches("<polyline").count()
}

#[test]
fn each_quantity_has_a_panel_and_each_series_a_curve() {
    let names = ["loss", "accuracy", "val_loss", "val_accuracy"];
    let svg = history(3, &names).to_svg().expect("three epochs");
    for text in ["loss", "accuracy", "epoch", "training", "validation"] {
        assert!(svg.contains(&format!("\n{text}\n")), "{text} is missing");
    }
    assert!(svg.starts_with("<svg width=\"960\" height=\"340\""));
    let without = history(3, &["loss"]).to_svg().expect("three epochs");
    assert!(!without.contains("validation") && without.starts_with("<svg width=\"480\""));
    assert!(curves(&svg) > curves(&without));
}

#[test]
fn titles_axes_and_quantities_are_chosen() {
    let history = history(60, &["loss", "accuracy", "val_loss", "val_accuracy"]);
    let curves = history.plot().title("Two curves").log_scale(true).quantities(["loss"]);
    let svg = curves.to_svg().expect("epochs");
    if let Ok(folder) = std::env::var("BROLGA_PICTURES") {
        std::fs::write(Path::new(&folder).join("log.svg"), &svg).expect("a folder");
        let mut some = history.clone();
        some.epoch.truncate(12);
        some.history.iter_mut().for_each(|series| series.values.truncate(12));
        some.plot().title("LeNet-5").save_svg(Path::new(&folder).join("curves.svg")).expect("");
    }
    assert!(svg.contains("\nTwo curves\n") && svg.starts_with("<svg width=\"480\" height=\"380\""));
    assert!(!svg.contains("accuracy"));
    for tick in ["0.1", "1", "20", "60"] {
        assert!(svg.contains(&format!("\n{tick}\n")), "{tick} is missing");
    }
    let error = |curves: Curves<'_>| curves.to_svg().expect_err("no curves").to_string();
    insta::assert_snapshot!(error(history.plot().quantities(["los"])), @"
    there is no quantity `los`; did you mean `loss`?
      help: there are loss, accuracy
    ");
    let mut negative = history.clone();
    negative.history[1].values[3] = 0.0;
    assert!(negative.to_svg().is_ok());
    insta::assert_snapshot!(error(negative.plot().log_scale(true)), @"
    `accuracy` is not positive everywhere, as a logarithmic axis needs it
      help: choose what is drawn: .quantities([..])
    ");
}

#[test]
fn numbers_at_axes_differ_from_their_neighbours() {
    assert_eq!([0.2, 0.4].map(|y| linear(y, &(0.1..1.0))), ["0.20", "0.40"]);
    assert_eq!([0.981, 0.9815].map(|y| linear(y, &(0.98..0.985))), ["0.9810", "0.9815"]);
    assert_eq!([100.0, 200.0].map(|y| linear(y, &(0.0..900.0))), ["100", "200"]);
    assert_eq!([1e-6, 2e-6].map(|y| linear(y, &(0.0..5e-6))), ["1.00e-6", "2.00e-6"]);
    assert_eq!(
        [1e-6, 0.001, 0.3, 10.0, 2e7].map(logarithmic),
        ["1e-6", "0.001", "0.3", "10", "2e7"]
    );
}

#[test]
fn one_epoch_and_odd_values_can_be_drawn() {
    let mut history = history(1, &["loss"]);
    assert!(history.to_svg().is_ok());
    for values in [vec![f64::NAN], vec![0.0], vec![1e300], vec![-1e-320], vec![f64::INFINITY]] {
        history.history[0].values = values;
        assert!(history.to_svg().is_ok());
    }
    history.history.clear();
    assert!(history.to_svg().is_ok());
    assert_eq!(history.epochs(), 0..2);
}

#[test]
fn a_history_without_epochs_is_an_error() {
    let error = History::default().to_svg().expect_err("nothing to draw");
    insta::assert_snapshot!(error, @"
    a history without epochs has no curves
      help: train the model for one epoch at least
    ");
}

#[test]
fn files_are_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("curves.svg");
    std::fs::write(&path, "old").expect("a file");
    history(2, &["loss"]).save_svg(&path).expect("a writable folder");
    assert!(std::fs::read_to_string(&path).is_ok_and(|text| text.starts_with("<svg")));
    assert_eq!(std::fs::read_dir(folder.path()).map(Iterator::count).ok(), Some(1));
    let lost = folder.path().join("missing/curves.svg");
    assert!(matches!(history(2, &["loss"]).save_svg(lost), Err(NnError::Io { .. })));
}
