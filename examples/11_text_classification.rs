//! Sequences: which language is a word of?
//!
//!     cargo run --release --example 11_text_classification
//!
//! The word lists are those of Debian's packages `wamerican`, `wfrench`, `wngerman`, `wspanish`,
//! `witalian` and `wdutch`.

#![expect(clippy::print_stdout, reason = "an example talks to its user")]

mod shared;

use std::process::ExitCode;

use brolga::data::word_lists::{self, CLASS_NAMES};
use brolga::prelude::*;
use ndarray::{Array1, Array2, Axis};
use shared::{Arguments, Outcome};

fn main() -> ExitCode {
    shared::run(classify)
}

/// The longest word; longer ones are left out.
const LENGTH: usize = 16;

/// The words of each language that are not trained with, one of so many.
const HELD_OUT: usize = 10;

fn classify(args: &Arguments) -> Outcome {
    let folder = args.folder("11_text_classification")?;
    let (words, languages) = word_lists::load_data()?;

    // Letters by numbers from 1 on; 0 fills up what a word is shorter than the longest.
    let mut letters: Vec<char> = words.iter().flat_map(|word| word.chars()).collect();
    letters.sort_unstable();
    letters.dedup();
    let number = |letter: char| letters.binary_search(&letter).map_or(0, |place| place as i32 + 1);
    let fits = |word: &String| word.chars().count() <= LENGTH;
    let kept: Vec<usize> = (0..words.len()).filter(|&word| fits(&words[word])).collect();
    let (mut training, mut test) = (Vec::new(), Vec::new());
    for (place, &word) in kept.iter().enumerate() {
        if place % HELD_OUT == 0 { test.push(word) } else { training.push(word) }
    }
    // The lists are sorted: a part of the words is one from here and there.
    let some = |words: Vec<usize>, count: usize| -> Vec<usize> {
        (0..count).map(|place| words[place * words.len() / count]).collect()
    };
    let (count, most) = (args.samples(training.len()), test.len().min(50_000));
    let (training, test) = (some(training, count), some(test, most));
    let numbers = |chosen: &[usize]| -> (Array2<i32>, Array1<i32>) {
        let mut x = Array2::zeros((chosen.len(), LENGTH));
        for (mut row, &word) in x.axis_iter_mut(Axis(0)).zip(chosen) {
            row.iter_mut().zip(words[word].chars()).for_each(|(x, letter)| *x = number(letter));
        }
        (x, chosen.iter().map(|&word| languages[word]).collect())
    };
    let ((x_train, y_train), (x_test, y_test)) = (numbers(&training), numbers(&test));
    println!("{} words to train with, {} to test", y_train.len(), y_test.len());

    let mut model = Sequential::new();
    model.seed(args.seed)?;
    model.add(Input::new([LENGTH]).dtype("int32"));
    model.add(Embedding::new(letters.len() + 1, 32).mask_zero(true));
    model.add(Bidirectional::new(LSTM::new(64)));
    model.add(Dense::new(CLASS_NAMES.len()).activation("softmax"));
    model.summary()?;

    let compile = args.compile().optimizer("adam").loss("sparse_categorical_crossentropy");
    model.compile(compile.metrics(["accuracy"]))?;
    let fit = Fit::new()
        .epochs(args.epochs(3))
        .batch_size(args.batch_size.max(128))
        .validation_data(&x_test, &y_test);
    let history = model.fit(&x_train, &y_train, fit)?;

    let predictions = model.predict(&x_test)?;
    let matrix = ConfusionMatrix::of(&y_test, &predictions)?.class_names(CLASS_NAMES)?;
    println!("{matrix}");
    println!("Test accuracy: {:.2} %", 100.0 * matrix.accuracy());
    for (word, row) in test.iter().zip(predictions.axis_iter(Axis(0))).step_by(test.len() / 8 + 1) {
        let likely = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        let Some((language, share)) = likely else { continue };
        println!("{:>16} is {} ({:.0} %)", words[*word], CLASS_NAMES[language], 100.0 * share);
    }

    model.save_weights(folder.join("languages.safetensors"))?;
    history.plot().title("Languages").save_svg(folder.join("history.svg"))?;
    matrix.save_svg(folder.join("confusion.svg"))?;
    println!("Wrote weights, history and confusion (.svg) to {}", folder.display());
    Ok(())
}
