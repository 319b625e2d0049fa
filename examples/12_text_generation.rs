//! Language models: the next character of a novel by Jane Austen.
//!
//!     cargo run --release --example 12_text_generation
//!     cargo run --release --example 12_text_generation -- --model lstm
//!
//! Five novels are read for training; the sixth, *Persuasion*, shows how well that went. They are
//! those of Debian's package `r-cran-janeaustenr`.

#![expect(clippy::print_stdout, reason = "an example talks to its user")]

mod shared;

use std::process::ExitCode;

use brolga::data::jane_austen;
use brolga::prelude::*;
use clap::{Parser, ValueEnum};
use ndarray::{Array2, Axis, s};
use shared::{Arguments, Outcome};

/// Language models: the next character of a novel by Jane Austen.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    shared: Arguments,
    /// What reads the characters.
    #[arg(long, value_enum, default_value = "transformer")]
    model: Kind,
    /// How many characters are written after the training.
    #[arg(long, default_value_t = 500)]
    characters: usize,
    /// How daring the writing is: below 1 the likely characters become likelier.
    #[arg(long, default_value_t = 0.7)]
    temperature: f64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// Two blocks of causal attention.
    Transformer,
    /// A recurrent layer.
    Lstm,
}

/// The characters that a model sees at once.
const LENGTH: usize = 128;

/// The features of a character.
const WIDTH: usize = 128;

fn main() -> ExitCode {
    shared::run(write)
}

/// What is known of each place from the places before it, then from itself; each is added to what
/// was there.
fn block(x: &Symbolic) -> Symbolic {
    let h = LayerNormalization::new().on(x);
    let causal = CallArguments::of([&h, &h]).use_causal_mask(true);
    let x = Add::new().on([x, &MultiHeadAttention::new(4, WIDTH / 4).on(causal)]);
    let h = LayerNormalization::new().on(&x);
    let h = Dense::new(4 * WIDTH).activation("gelu").on(&h);
    Add::new().on([&x, &Dense::new(WIDTH).on(&h)])
}

/// From characters, by their numbers, to scores of the next one after each.
fn network(kind: Kind, vocabulary: usize) -> Result<Model, NnError> {
    let text = Input::new([LENGTH]).dtype("int32").tensor();
    let x = match kind {
        Kind::Transformer => {
            let x = TokenAndPositionEmbedding::new(vocabulary, LENGTH, WIDTH).on(&text);
            LayerNormalization::new().on(block(&block(&x)))
        }
        Kind::Lstm => {
            let x = Embedding::new(vocabulary, WIDTH / 2).on(&text);
            LSTM::new(2 * WIDTH).return_sequences(true).on(&x)
        }
    };
    Model::new(&text, Dense::new(vocabulary).on(&x))
}

/// The characters of all novels; each has its place as its number.
struct Alphabet(Vec<char>);

impl Alphabet {
    fn numbers(&self, text: &str) -> Vec<i32> {
        // Characters that training knows nothing of are read as the first one, the end of a line.
        text.chars().map(|c| self.0.binary_search(&c).map_or(0, |place| place as i32)).collect()
    }

    fn text(&self, numbers: &[i32]) -> String {
        numbers.iter().map(|&number| self.0[number as usize]).collect()
    }
}

/// So many windows of a text from its beginning to its end, and the same one character further.
fn windows(text: &[i32], count: usize) -> (Array2<i32>, Array2<i32>) {
    let all = (text.len() - 1) / LENGTH;
    let count = count.min(all);
    let from = |shift| {
        Array2::from_shape_fn((count, LENGTH), |(i, place)| {
            text[i * all / count * LENGTH + place + shift]
        })
    };
    (from(0), from(1))
}

/// Random numbers from 0 up to 1: xorshift64*, by Marsaglia and Vigna.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Writes on: each character is drawn from what the model expects after the window before it.
fn continuation(args: &Args, model: &mut Model, prompt: &[i32]) -> Result<Vec<i32>, NnError> {
    let mut random = Random(args.shared.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut text = prompt.to_vec();
    for _ in 0..args.characters {
        let window = Array2::from_shape_fn((1, LENGTH), |(_, i)| text[text.len() - LENGTH + i]);
        let scores = model.predict_on_batch(&window)?;
        let scores = scores.slice(s![0, LENGTH - 1, ..]);
        let most = f64::from(scores.fold(f32::MIN, |most, &score| most.max(score)));
        let weight = |&score: &f32| ((f64::from(score) - most) / args.temperature).exp();
        let mut rest = random.next() * scores.iter().map(weight).sum::<f64>();
        let passed = |score: &&f32| {
            rest -= weight(score);
            rest > 0.0
        };
        let drawn = scores.iter().take_while(passed).count();
        text.push(drawn.min(scores.len() - 1) as i32);
    }
    Ok(text.split_off(prompt.len()))
}

fn write(args: &Args) -> Outcome {
    let Args { shared, model: kind, .. } = args;
    let folder = shared.folder("12_text_generation")?;
    let novels = jane_austen::load_data()?;
    let (last, novels) = novels.split_last().ok_or("no novels")?;

    let mut alphabet: Vec<char> = novels.iter().flat_map(|novel| novel.text.chars()).collect();
    alphabet.sort_unstable();
    alphabet.dedup();
    let alphabet = Alphabet(alphabet);
    let read: Vec<i32> = novels.iter().flat_map(|novel| alphabet.numbers(&novel.text)).collect();
    let unread = alphabet.numbers(&last.text);
    let (x_train, y_train) = windows(&read, shared.samples(usize::MAX));
    let (x_test, y_test) = windows(&unread, usize::MAX);
    let (count, tests) = (x_train.len_of(Axis(0)), x_test.len_of(Axis(0)));
    println!(
        "{count} windows to train with, {tests} of *{}*; {LENGTH} characters each",
        last.title
    );

    let mut model = network(*kind, alphabet.0.len())?;
    model.seed(shared.seed)?;
    model.summary()?;
    let epochs = shared.epochs(6);
    let steps = epochs * count.div_ceil(shared.batch_size);
    let rate = schedules::CosineDecay::new(3e-3, steps as f64);
    // The cross-entropy is the mean over characters, in nats.
    let loss = losses::SparseCategoricalCrossentropy::new().from_logits(true);
    let compile = shared.compile().optimizer(Adam::new(rate)).loss(loss);
    model.compile(compile.metrics(["accuracy"]))?;
    let fit =
        Fit::new().epochs(epochs).batch_size(shared.batch_size).validation_data(&x_test, &y_test);
    let history = model.fit(&x_train, &y_train, fit)?;

    let nats = model.evaluate(&x_test, &y_test)?.loss();
    println!("{nats:.3} nats a character of *{}*, {:.3} bits", last.title, nats / 2_f64.ln());
    let prompt = x_test.row(tests / 2).to_vec();
    let written = continuation(args, &mut model, &prompt)?;
    println!("\n{}|{}\n", alphabet.text(&prompt), alphabet.text(&written));

    let name = match kind {
        Kind::Transformer => "transformer",
        Kind::Lstm => "lstm",
    };
    model.save_weights(folder.join(format!("{name}.safetensors")))?;
    let title = format!("Nats a character, {name}");
    let curves = history.plot().title(title).quantities(["loss"]);
    curves.save_svg(folder.join(format!("{name}.svg")))?;
    println!("Wrote weights and curves of the {name} to {}", folder.display());
    Ok(())
}
