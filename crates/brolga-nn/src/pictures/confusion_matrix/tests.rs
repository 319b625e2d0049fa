use ndarray::{Array1, Array2, Array3, array};

use super::*;

/// Ten samples: of the first class 3 of 4 are right, of the second 2 of 3, of the third 1 of 3.
fn animals() -> ConfusionMatrix {
    let labels = [0, 0, 0, 0, 1, 1, 1, 2, 2, 2];
    let predictions = [0, 0, 0, 1, 1, 1, 2, 2, 0, 0];
    let matrix = ConfusionMatrix::of(&labels, &predictions).expect("classes");
    matrix.class_names(["cat", "dog", "owl"]).expect("three names")
}

#[test]
fn counts_and_shares() {
    let matrix = animals();
    assert_eq!(matrix.counts(), array![[3, 1, 0], [0, 2, 1], [2, 0, 1]]);
    assert_eq!(matrix.normalized().row(0).to_vec(), [0.75, 0.25, 0.0]);
    assert_eq!(matrix.normalized().diag().to_vec(), [3.0 / 4.0, 2.0 / 3.0, 1.0 / 3.0]);
    assert_eq!(matrix.accuracy(), 0.6);
    let cat = matrix.scores()[0];
    assert_eq!((cat.precision, cat.recall, cat.support), (3.0 / 5.0, 3.0 / 4.0, 4));
    // 2·3/5·3/4 / (3/5 + 3/4) = (9/10) / (27/20) = 2/3.
    assert!((cat.f1 - 2.0 / 3.0).abs() < 1e-15);
}

/// What scikit-learn's `classification_report(labels, predictions, target_names=..)` prints.
#[test]
fn the_report_is_that_of_scikit_learn() {
    insta::assert_snapshot!(animals(), @"
                  precision    recall  f1-score   support

             cat       0.60      0.75      0.67         4
             dog       0.67      0.67      0.67         3
             owl       0.50      0.33      0.40         3

        accuracy                           0.60        10
       macro avg       0.59      0.58      0.58        10
    weighted avg       0.59      0.60      0.59        10
    ");
}

#[test]
fn classes_without_samples_count_as_zero() {
    let matrix = ConfusionMatrix::of(&[0, 0], &[0, 2]).expect("classes");
    let matrix = matrix.class_names(["a", "b", "c", "a class with a long name"]).expect("names");
    assert_eq!(matrix.counts().dim(), (4, 4));
    insta::assert_snapshot!(matrix, @"
                              precision    recall  f1-score   support

                           a       1.00      0.50      0.67         2
                           b       0.00      0.00      0.00         0
                           c       0.00      0.00      0.00         0
    a class with a long name       0.00      0.00      0.00         0

                    accuracy                           0.50         2
                   macro avg       0.25      0.12      0.17         2
                weighted avg       1.00      0.50      0.67         2
    ");
}

#[test]
fn scores_stand_for_their_largest() {
    let scores = array![[0.1_f32, 0.9, 0.0], [0.5, 0.5, 0.0], [f32::NEG_INFINITY, -2.0, -1.0]];
    let one_hot = array![[0_u8, 1, 0], [0, 1, 0], [0, 0, 1]];
    let matrix = ConfusionMatrix::of(&one_hot, &scores).expect("scores");
    assert_eq!(matrix.counts(), array![[0, 0, 0], [1, 1, 0], [0, 0, 1]]);
    let column = array![[1_i64], [1], [2]];
    assert_eq!(ConfusionMatrix::of(&column, &scores).expect("scores"), matrix);
}

#[test]
fn what_is_no_class_is_an_error() {
    let error = |labels: &Array1<f64>, predictions: &Array2<f32>| {
        ConfusionMatrix::of(labels, predictions).expect_err("no classes").to_string()
    };
    let scores = array![[0.1_f32, 0.9], [0.5, 0.5]];
    insta::assert_snapshot!(error(&array![0.0, 1.0, 1.0], &scores), @"
    the array of labels has 3 samples, but the array of predictions has 2
      help: the first axis counts the samples; both need the same number
    ");
    insta::assert_snapshot!(error(&array![0.0, 2.0], &scores), @"
    sample 1 has the class 2, but there are scores of 2 classes
      help: classes go from 0 to 1
    ");
    insta::assert_snapshot!(error(&array![0.0, -1.0], &scores), @"
    labels have -1 at sample 1, which is no class
      help: classes are counted from 0. Probabilities of one class become classes by `.mapv(|p| u8::from(p > 0.5))`
    ");
    insta::assert_snapshot!(error(&array![0.0, 0.25], &scores), @"
    labels have 0.25 at sample 1, which is no class
      help: classes are counted from 0. Probabilities of one class become classes by `.mapv(|p| u8::from(p > 0.5))`
    ");
    insta::assert_snapshot!(error(&array![0.0, f64::NAN], &scores), @"
    labels have NaN at sample 1, which is no class
      help: classes are counted from 0. Probabilities of one class become classes by `.mapv(|p| u8::from(p > 0.5))`
    ");
    insta::assert_snapshot!(error(&array![0.0, 1.0], &array![[0.1, 0.9], [f32::NAN, 0.0]]), @"
    predictions have NaN at sample 1, class 0
      help: give numbers of which one is the largest
    ");
    insta::assert_snapshot!(error(&array![0.0, 1.0], &array![[0.1], [0.9]]), @"
    predictions have 0.10000000149011612 at sample 0, which is no class
      help: classes are counted from 0. Probabilities of one class become classes by `.mapv(|p| u8::from(p > 0.5))`
    ");
    insta::assert_snapshot!(error(&Array1::zeros(0), &Array2::zeros((0, 2))), @"
    the array of labels is empty: its shape is [0]
      help: there must be at least one sample, and no axis of extent 0
    ");
    let volumes = ConfusionMatrix::of(&[0], &Array3::<f32>::zeros((1, 2, 2)));
    insta::assert_snapshot!(volumes.expect_err("no classes"), @"
    predictions of shape [1, 2, 2] are no classes
      help: give class numbers of shape [samples], or scores of shape [samples, classes]
    ");
    let unnamed = animals().class_names(["cat"]);
    insta::assert_snapshot!(unnamed.expect_err("three classes"), @"
    3 classes have 1 names
      help: give each class a name, in the order of their numbers
    ");
}

#[test]
fn numbers_that_no_matrix_holds_are_errors() {
    for class in [1_u64 << 40, 8_999_999_999_999_999] {
        let error = ConfusionMatrix::of(&[class], &[0]).expect_err("too many classes").to_string();
        assert!(error.contains("memory"), "{error}");
    }
    insta::assert_snapshot!(ConfusionMatrix::of(&[u64::MAX], &[0]).expect_err("no class"), @"
    labels have 9223372036854776000 at sample 0, which is no class
      help: classes are counted from 0. Probabilities of one class become classes by `.mapv(|p| u8::from(p > 0.5))`
    ");
}

#[test]
fn the_picture_has_counts_and_names() {
    insta::assert_snapshot!(animals().to_svg(), @r##"
    <svg font-family="Helvetica, Arial, DejaVu Sans, sans-serif" height="219" viewBox="0 0 300.55 219" width="300.55" xmlns="http://www.w3.org/2000/svg">
    <title>Confusion matrix: accuracy 60.00 % of 10 samples</title>
    <rect fill="white" height="219" width="300.55" x="0" y="0"/>
    <text fill="#1f2a3c" font-size="13" text-anchor="start" x="70.7" y="31.55">
    accuracy 60.00 % of 10 samples
    </text>
    <g>
    <rect fill="#f7fafe" height="102" width="102" x="70.7" y="49"/>
    <rect fill="#4a6c97" height="34" width="34" x="70.7" y="49"/>
    <text fill="white" font-size="13" text-anchor="middle" x="87.7" y="70.55">
    3
    </text>
    <rect fill="#bdcbdc" height="34" width="34" x="104.7" y="49"/>
    <text fill="#1f2a3c" font-size="13" text-anchor="middle" x="121.7" y="70.55">
    1
    </text>
    <rect fill="#5d7ba2" height="34" width="34" x="104.7" y="83"/>
    <text fill="white" font-size="13" text-anchor="middle" x="121.7" y="104.55">
    2
    </text>
    <rect fill="#aabbd0" height="34" width="34" x="138.7" y="83"/>
    <text fill="#1f2a3c" font-size="13" text-anchor="middle" x="155.7" y="104.55">
    1
    </text>
    <rect fill="#5d7ba2" height="34" width="34" x="70.7" y="117"/>
    <text fill="white" font-size="13" text-anchor="middle" x="87.7" y="138.55">
    2
    </text>
    <rect fill="#aabbd0" height="34" width="34" x="138.7" y="117"/>
    <text fill="#1f2a3c" font-size="13" text-anchor="middle" x="155.7" y="138.55">
    1
    </text>
    <path d="M104.7,49 v102 M70.7,83 h102 M138.7,49 v102 M70.7,117 h102" stroke="#d5dce6"/>
    <rect fill="none" height="102" stroke="#8b95a5" width="102" x="70.7" y="49"/>
    </g>
    <text fill="#1f2a3c" font-size="13" text-anchor="end" x="62.7" y="70.55">
    cat
    </text>
    <text fill="#1f2a3c" font-size="13" text-anchor="middle" x="87.7" y="174.55">
    cat
    </text>
    <text fill="#1f2a3c" font-size="13" text-anchor="end" x="62.7" y="104.55">
    dog
    </text>
    <text fill="#1f2a3c" font-size="13" text-anchor="middle" x="121.7" y="174.55">
    dog
    </text>
    <text fill="#1f2a3c" font-size="13" text-anchor="end" x="62.7" y="138.55">
    owl
    </text>
    <text fill="#1f2a3c" font-size="13" text-anchor="middle" x="155.7" y="174.55">
    owl
    </text>
    <text fill="#66707f" font-size="13" text-anchor="middle" x="121.7" y="196.55">
    predicted class
    </text>
    <text fill="#66707f" font-size="13" text-anchor="middle" transform="rotate(-90 27 100)" x="27" y="104.55">
    class
    </text>
    </svg>
    "##);
    let names: Vec<String> = (0..10).map(|class| format!("class number {class}")).collect();
    let labels: Vec<usize> = (0..2000).map(|i| i * i % 10).collect();
    let predictions: Vec<usize> =
        (0..2000).map(|i| if i % 7 == 0 { i % 10 } else { i * i % 10 }).collect();
    let matrix = ConfusionMatrix::of(&labels, &predictions).expect("classes");
    let svg = matrix.class_names(&names).expect("ten names").to_svg();
    if let Ok(folder) = std::env::var("BROLGA_PICTURES") {
        std::fs::write(Path::new(&folder).join("animals.svg"), animals().to_svg())
            .expect("a folder");
        std::fs::write(Path::new(&folder).join("confusion.svg"), &svg).expect("a folder");
    }
    assert_eq!(svg.matches("class number 3").count(), 2);
    assert_eq!(svg.matches("rotate").count(), 11);
}

#[test]
fn files_are_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("matrix.svg");
    std::fs::write(&path, "old").expect("a file");
    animals().save_svg(&path).expect("a writable folder");
    assert!(std::fs::read_to_string(&path).is_ok_and(|text| text.starts_with("<svg")));
    assert!(animals().save_svg(folder.path()).is_err());
}
