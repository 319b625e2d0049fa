//! Speech: which digits are spoken, by voices that were never heard before?
//!
//!     cargo run --release --example 13_speech
//!     cargo run --release --example 13_speech -- --strings
//!
//! The program `espeak-ng` (Debian's package of that name) speaks. A sound is one digit or, with
//! `--strings`, three to five of them, which nobody says the places of: the loss is CTC. The sounds
//! are kept beside the pictures, for the next time.

#![expect(clippy::print_stdout, reason = "an example talks to its user")]

mod shared;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use brolga::data::spoken_digits::{self, Voice, WORDS};
use brolga::nn::ctc::{Strategy, decode};
use brolga::prelude::*;
use clap::Parser;
use ndarray::{Array2, Axis, s};
use rayon::prelude::*;
use shared::{Arguments, Outcome};

/// Speech: which digits are spoken, by voices that were never heard before?
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    shared: Arguments,
    /// Three to five digits in a sound, in place of one.
    #[arg(long)]
    strings: bool,
}

fn main() -> ExitCode {
    shared::run(recognize)
}

/// Where the voices come from. (`en-gb` alone would be heard in place of any voice of it.)
const ACCENTS: [&str; 8] = [
    "en",
    "en-us",
    "en-gb-scotland",
    "en-gb-x-gbclan",
    "en-gb-x-rp",
    "en-gb-x-gbcwmd",
    "en-029",
    "en-us-nyc",
];

/// The voices of the training.
const HEARD: [&str; 30] = [
    "m1", "m2", "m3", "m4", "m5", "m8", "f1", "f2", "f4", "adam", "Alex", "Alicia", "Andrea",
    "Andy", "Annie", "aunty", "belinda", "benjamin", "boris", "caleb", "Denis", "Diogo", "ed",
    "edward", "grandma", "Henrique", "Hugo", "john", "paul", "robert",
];

/// The voices of the test.
const UNHEARD: [&str; 12] = [
    "m6", "m7", "f3", "f5", "anika", "Lee", "linda", "max", "Michael", "sandro", "steph", "victor",
];

/// The samples a second: half of those that are spoken.
const RATE: usize = 11_025;

/// What is spoken in all sounds of a set: as many samples for each, and so many digits.
#[derive(Clone, Copy)]
struct Form {
    samples: usize,
    digits: (usize, usize),
}

const ONE: Form = Form { samples: RATE * 12 / 10, digits: (1, 1) };
const STRING: Form = Form { samples: RATE * 36 / 10, digits: (3, 5) };

/// Random numbers, the same for each sound however many there are: SplitMix64.
struct Random(u64);

impl Random {
    fn of(seed: u64, sound: usize) -> Self {
        Self((seed << 32) + ((sound as u64) << 8))
    }

    /// From `low` to `high`.
    fn between(&mut self, low: usize, high: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        low + ((z ^ (z >> 31)) % (high - low + 1) as u64) as usize
    }

    fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.between(0, words.len() - 1)]
    }
}

/// The digits of a sound.
fn digits(random: &mut Random, form: Form) -> Vec<usize> {
    let count = random.between(form.digits.0, form.digits.1);
    (0..count).map(|_| random.between(0, 9)).collect()
}

/// The samples of a sound, at half the rate, with some silence before it.
fn spoken(random: &mut Random, form: Form, voices: &[&str]) -> brolga::data::Result<Vec<i16>> {
    let text: Vec<&str> = digits(random, form).into_iter().map(|digit| WORDS[digit]).collect();
    let name = format!("{}+{}", random.one_of(&ACCENTS), random.one_of(voices));
    let voice = Voice::new(name)
        .speed(random.between(120, 260) as u32)
        .pitch(random.between(20, 80) as u32);
    let audio = spoken_digits::speak(&text.join(" "), &voice)?;
    let samples = audio.samples.as_slice().unwrap_or_default();
    let mut sound = vec![0; random.between(0, RATE / 10)];
    sound.extend(samples.chunks(2).map(|pair| (16_384.0 * pair.iter().sum::<f32>()) as i16));
    sound.resize(form.samples, 0);
    Ok(sound)
}

/// Sounds and their digits.
struct Sounds {
    x: Array2<f32>,
    digits: Vec<Vec<usize>>,
    form: Form,
}

impl Sounds {
    /// Reads sounds from a file; the first time they are spoken and written to it.
    fn load(
        file: &Path,
        form: Form,
        voices: &[&str],
        (count, seed): (usize, u64),
    ) -> Result<Self, Box<dyn Error>> {
        let digits = (0..count).map(|sound| digits(&mut Random::of(seed, sound), form)).collect();
        let kept = fs::read(file).unwrap_or_default();
        let bytes = if kept.len() == 2 * count * form.samples {
            kept
        } else {
            println!("espeak-ng speaks {count} sounds, which are kept in {}", file.display());
            let sound = |sound| spoken(&mut Random::of(seed, sound), form, voices);
            let sounds: Result<Vec<_>, _> = (0..count).into_par_iter().map(sound).collect();
            let bytes: Vec<u8> = sounds?.iter().flatten().flat_map(|s| s.to_le_bytes()).collect();
            fs::write(file, &bytes).map_err(|error| format!("{}: {error}", file.display()))?;
            bytes
        };
        let sample = |pair: &[u8]| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_768.0;
        let samples = bytes.chunks_exact(2).map(sample).collect();
        Ok(Self { x: Array2::from_shape_vec((count, form.samples), samples)?, digits, form })
    }

    /// The class of each digit, from `first` on; 0 fills up what a string is shorter than the
    /// longest.
    fn labels(&self, first: usize) -> Array2<i32> {
        let label = |digit: &usize| (digit + first) as i32;
        Array2::from_shape_fn((self.digits.len(), self.form.digits.1), |(sound, place)| {
            self.digits[sound].get(place).map_or(0, label)
        })
    }
}

/// How loud each of 40 bands is, 69 times a second: `[bands, frames]`.
fn spectrogram(form: Form) -> Sequential {
    let mut model = Sequential::new();
    model.add(Input::new([form.samples]));
    let bands = MelSpectrogram::new().sampling_rate(RATE as f64).num_mel_bins(40);
    // From -40 to 40 decibels, whatever else is in a batch.
    let bands = bands.min_power(1e-4).top_db(200.0);
    model.add(bands.fft_length(512).sequence_stride(160).min_freq(60.0));
    model
}

/// Convolutions hear what is near, a recurrent layer in both directions what is around: of all
/// frames, or of each one.
fn network(form: Form, each_frame: bool) -> Sequential {
    let mut model = spectrogram(form);
    model.add(Permute::new([2, 1]));
    model.add(Rescaling::new(1.0 / 40.0));
    model.add(Conv1D::new(64, 5).padding("same").activation("relu"));
    model.add(LayerNormalization::new());
    model.add(Conv1D::new(96, 5).strides(2).padding("same").activation("relu"));
    model.add(LayerNormalization::new());
    model.add(Dropout::new(0.2));
    model.add(Bidirectional::new(GRU::new(64).return_sequences(each_frame)));
    model.add(Dropout::new(0.2));
    model
}

/// How many digits have to be changed, added or left out to get from one string to another.
fn edits(a: &[usize], b: &[usize]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut before = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let changed = before + usize::from(x != y);
            before = row[j + 1];
            row[j + 1] = changed.min(before + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// The sounds of heard and unheard voices, and where pictures are written.
struct Task<'a> {
    shared: &'a Arguments,
    training: Sounds,
    test: Sounds,
    folder: PathBuf,
}

impl Task<'_> {
    /// Trains a model for whose output the digits are classes from `first` on.
    fn train(
        &self,
        model: &mut Sequential,
        compile: Compile,
        first: usize,
        epochs: usize,
    ) -> Result<(), NnError> {
        let Self { shared, training, test, folder } = self;
        model.seed(shared.seed)?;
        model.summary()?;
        let epochs = shared.epochs(epochs);
        let steps = epochs * training.digits.len().div_ceil(shared.batch_size);
        let rate = schedules::CosineDecay::new(3e-3, steps as f64);
        model.compile(compile.optimizer(Adam::new(rate).clipnorm(1.0)))?;
        let (y_train, y_test) = (training.labels(first), test.labels(first));
        let fit = Fit::new()
            .epochs(epochs)
            .batch_size(shared.batch_size)
            .validation_data(&test.x, &y_test);
        let history = model.fit(&training.x, &y_train, fit)?;
        model.save_weights(folder.join("speech.safetensors"))?;
        history.plot().title("Spoken digits").save_svg(folder.join("history.svg"))
    }

    /// Draws the first sounds of the test, with titles.
    fn draw(&self, titles: impl Iterator<Item = String>) -> Result<(), NnError> {
        let shown = self.test.digits.len().min(20);
        let bands = spectrogram(self.test.form).predict(&self.test.x.slice(s![..shown, ..]))?;
        // Low bands are below.
        let images = bands.slice(s![.., ..;-1, ..]);
        let (low, high) =
            images.iter().fold((f32::MAX, f32::MIN), |r, &x| (r.0.min(x), r.1.max(x)));
        let grid = ImageGrid::new(&images).value_range(low.into(), high.into()).columns(4);
        grid.titles(titles.take(shown)).save_svg(self.folder.join("spectrograms.svg"))
    }
}

/// Which digit is it?
fn hear_digit(task: &Task<'_>) -> Outcome {
    let mut model = network(task.test.form, false);
    model.add(Dense::new(WORDS.len()).activation("softmax"));
    let compile = task.shared.compile().loss("sparse_categorical_crossentropy");
    task.train(&mut model, compile.metrics(["accuracy"]), 0, 8)?;

    let predictions = model.predict(&task.test.x)?;
    let y_test = task.test.labels(0);
    let matrix = ConfusionMatrix::of(&y_test, &predictions)?.class_names(WORDS)?;
    println!("{matrix}");
    println!("Accuracy for unheard voices: {:.2} %", 100.0 * matrix.accuracy());
    matrix.save_svg(task.folder.join("confusion.svg"))?;
    let titles = predictions.axis_iter(Axis(0)).zip(&task.test.digits).map(|(row, said)| {
        let likely = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        format!("{} ({})", WORDS[likely.map_or(0, |(digit, _)| digit)], WORDS[said[0]])
    });
    Ok(task.draw(titles)?)
}

/// Which digits are they? Class 0 says that nothing new is heard in a frame; the digits follow it.
fn hear_string(task: &Task<'_>) -> Outcome {
    let form = task.test.form;
    let mut model = network(form, true);
    model.add(Dense::new(1 + WORDS.len()));
    let loss = losses::CTC::new().max_length(form.digits.1);
    task.train(&mut model, task.shared.compile().loss(loss), 1, 12)?;

    let logits = model.predict(&task.test.x)?;
    let said = &task.test.digits;
    let mut heard: Vec<Vec<usize>> = vec![];
    for (name, strategy) in [("greedy", Strategy::Greedy), ("beam", Strategy::Beam { width: 16 })] {
        let classes = |sound| decode(logits.slice(s![sound, .., ..]), strategy).labels;
        let digits = |sound| classes(sound).iter().map(|class| class - 1).collect();
        heard = (0..said.len()).map(digits).collect();
        let wrong: usize = heard.iter().zip(said).map(|(heard, said)| edits(heard, said)).sum();
        let share = wrong as f64 / said.iter().map(Vec::len).sum::<usize>() as f64;
        println!("Wrong digits of unheard voices, {name}: {:.2} %", 100.0 * share);
    }
    let text = |digits: &Vec<usize>| digits.iter().map(usize::to_string).collect::<String>();
    let titles =
        heard.iter().zip(said).map(|(heard, said)| format!("{} ({})", text(heard), text(said)));
    Ok(task.draw(titles)?)
}

fn recognize(args: &Args) -> Outcome {
    let shared = &args.shared;
    let (form, name) = if args.strings { (STRING, "strings") } else { (ONE, "digits") };
    let folder = shared.folder(&format!("13_speech/{name}"))?;
    let load = |name: &str, voices: &[&str], count: usize, seed: u64| {
        let file = folder.join(format!("{name}-{count}-{seed}.pcm"));
        Sounds::load(&file, form, voices, (count, seed))
    };
    let count = shared.samples(4000);
    let training = load("training", &HEARD, count, 2 * shared.seed)?;
    let test = load("test", &UNHEARD, count.div_ceil(4), 2 * shared.seed + 1)?;
    println!("{count} sounds to train with, {} of other voices", test.digits.len());

    let task = Task { shared, training, test, folder };
    if args.strings {
        hear_string(&task)?
    } else {
        hear_digit(&task)?
    }
    println!("Wrote weights and pictures (.svg) to {}", task.folder.display());
    Ok(())
}
