//! Regression on a table: what does a penguin weigh?
//!
//! Words become vectors by embeddings, numbers are normalized; a functional model joins them. The
//! table and its licence are in `examples/data`.
//!
//!     cargo run --release --example 04_tabular_regression

#![expect(clippy::print_stdout, reason = "an example talks to its user")]

mod shared;

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::process::ExitCode;

use brolga::nn::{Data, arrays};
use brolga::prelude::*;
use ndarray::{Array1, Array2, Axis, stack};
use shared::{Arguments, Outcome};

const TABLE: &str = include_str!("data/penguins.csv");

/// What is known of penguins, and their mass in kilograms.
struct Penguins {
    species: Array1<i32>,
    island: Array1<i32>,
    sex: Array1<i32>,
    numbers: Array2<f32>,
    mass: Array1<f32>,
}

impl Penguins {
    /// The rows of the table that have no gaps.
    fn read() -> Result<Self, Box<dyn Error>> {
        let mut table = csv::Reader::from_reader(TABLE.as_bytes());
        let all: Vec<HashMap<String, String>> = table.deserialize().collect::<Result<_, _>>()?;
        let rows: Vec<_> = all.iter().filter(|row| row.values().all(|x| x != "NA")).collect();
        let column = |name: &str| rows.iter().map(|row| row[name].as_str()).collect::<Vec<_>>();
        // Words are numbered in the order of the alphabet.
        let words = |name: &str| {
            let kinds: BTreeSet<&str> = column(name).into_iter().collect();
            let number = |word: &&str| kinds.iter().take_while(|kind| *kind < word).count() as i32;
            column(name).iter().map(number).collect()
        };
        let number =
            |name| column(name).iter().map(|x| x.parse()).collect::<Result<Array1<f32>, _>>();
        let [bill, depth] = [number("bill_length_mm")?, number("bill_depth_mm")?];
        let flipper = number("flipper_length_mm")?;
        Ok(Self {
            species: words("species"),
            island: words("island"),
            sex: words("sex"),
            numbers: stack(Axis(1), &[bill.view(), depth.view(), flipper.view()])?,
            mass: number("body_mass_g")? / 1000.0,
        })
    }

    fn select(&self, rows: &[usize]) -> Self {
        Self {
            species: self.species.select(Axis(0), rows),
            island: self.island.select(Axis(0), rows),
            sex: self.sex.select(Axis(0), rows),
            numbers: self.numbers.select(Axis(0), rows),
            mass: self.mass.select(Axis(0), rows),
        }
    }

    fn inputs(&self) -> Vec<(&str, Data<'_>)> {
        let Self { species, island, sex, numbers, .. } = self;
        arrays!["species" => species, "island" => island, "sex" => sex, "numbers" => numbers]
    }
}

fn main() -> ExitCode {
    shared::run(weigh)
}

/// An input of class numbers, and a vector for each of them.
fn embedded(name: &str, classes: usize) -> (Symbolic, Symbolic) {
    let input = Input::new([]).dtype("int32").name(name).tensor();
    (input.clone(), Embedding::new(classes, 2).on(input))
}

fn weigh(args: &Arguments) -> Outcome {
    let folder = args.folder("04_tabular_regression")?;
    let penguins = Penguins::read()?;
    // Every fifth row is for the test: the table is in the order of the species.
    let (test, train): (Vec<_>, Vec<_>) = (0..penguins.mass.len()).partition(|row| row % 5 == 0);
    let train = penguins.select(&train[..args.samples(train.len())]);
    let test = penguins.select(&test);
    let (species, a) = embedded("species", 3);
    let (island, b) = embedded("island", 3);
    let (sex, c) = embedded("sex", 2);
    let numbers = Input::new([3]).name("numbers").tensor();
    let d = Normalization::new().adapt(&train.numbers)?.on(&numbers);
    let x = Concatenate::new().on([&a, &b, &c, &d]);
    let x = Dense::new(32).activation("relu").on(&x);
    let x = Dense::new(16).activation("relu").on(&x);
    let mass = Dense::new(1).name("mass").on(&x);
    let mut model = Model::new([&species, &island, &sex, &numbers], &mass)?.named("penguins");
    model.seed(args.seed)?;
    model.summary()?;
    let compile = args.compile().optimizer(Adam::new(3e-3)).loss("mse");
    model.compile(compile.metrics(["mae", "r2_score"]))?;
    let fit = Fit::new()
        .epochs(args.epochs(100))
        .batch_size(args.batch_size)
        .validation_data(test.inputs(), &test.mass)
        .verbose(0);
    let history = model.fit(train.inputs(), &train.mass, fit)?;
    let scores = model.evaluate(test.inputs(), &test.mass)?;
    let score = |name: &str| scores.get(name).unwrap_or(f64::NAN);
    println!("Mean error: {:.0} g, R²: {:.2}", 1000.0 * score("mae"), score("r2_score"));
    let options = PlotModel::new().show_shapes(true).show_dtype(true).show_layer_names(true);
    plot_model(&mut model, folder.join("model.svg"), options)?;
    let curves = history.plot().log_scale(true).quantities(["loss", "mae"]);
    curves.save_svg(folder.join("history.svg"))?;
    println!("Wrote model and history (.svg) to {}", folder.display());
    Ok(())
}
