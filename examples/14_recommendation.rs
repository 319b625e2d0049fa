//! Recommendation: which films will a user like?
//!
//!     cargo run --release --example 14_recommendation
//!
//! The ratings are those of MovieLens-100k, which GroupLens makes available for research; they may
//! not be passed on, so they are read from a folder.

#![expect(clippy::print_stdout, reason = "an example talks to its user")]

mod shared;

use std::collections::HashSet;
use std::process::ExitCode;

use brolga::data::movielens::{self, MovieLens};
use brolga::nn::initializers::RandomNormal;
use brolga::nn::regularizers::L2;
use brolga::nn::{Data, arrays};
use brolga::prelude::*;
use ndarray::{Array1, Array2, Axis};
use shared::{Arguments, Outcome};

fn main() -> ExitCode {
    shared::run(recommend)
}

/// How many films are recommended to a user.
const RECOMMENDED: usize = 10;

/// The rating from which on a user likes a film.
const LIKED: f32 = 4.0;

/// The features of users and films: their numbers, and what is known of them.
struct Features {
    user: Array2<i32>,
    age: Array2<f32>,
    film: Array2<i32>,
    genres: Array2<f32>,
}

impl Features {
    /// The features of some pairs of a user and a film.
    fn of(data: &MovieLens, pairs: &[(usize, usize)]) -> Self {
        let column = |number: &dyn Fn(&(usize, usize)) -> i32| {
            Array1::from_iter(pairs.iter().map(number)).insert_axis(Axis(1))
        };
        let films: Vec<usize> = pairs.iter().map(|pair| pair.1).collect();
        let ages = pairs.iter().map(|pair| data.users.age[pair.0] as f32 / 100.0);
        Self {
            user: column(&|pair| pair.0 as i32),
            age: Array1::from_iter(ages).insert_axis(Axis(1)),
            film: column(&|pair| pair.1 as i32),
            genres: data.films.genres.select(Axis(0), &films),
        }
    }

    /// The inputs of the model, in its order.
    fn arrays(&self) -> Vec<Data<'_>> {
        arrays![&self.user, &self.age, &self.film, &self.genres]
    }
}

/// Factorization with side features: `mean + bᵤ + b_f + ⟨u, f⟩`, where the vectors `u` and `f` are
/// those of the user and the film and what a layer makes of age and genres.
fn network(data: &MovieLens, mean: f32) -> Result<Model, NnError> {
    const FACTORS: usize = 16;
    let number = |name: &str| Input::new([1]).dtype("int32").name(name).tensor();
    let (user, film) = (number("user"), number("film"));
    let age = Input::new([1]).name("age").tensor();
    let genres = Input::new([movielens::GENRES.len()]).name("genres").tensor();
    let table = |count: usize, width: usize| {
        Embedding::new(count, width)
            .embeddings_initializer(RandomNormal { stddev: 0.05, ..RandomNormal::default() })
            .embeddings_regularizer(L2::new(2e-6))
    };
    let vector = |table: Embedding, numbers: &Symbolic| Flatten::new().on(table.on(numbers));
    let (users, films) = (data.users.age.len(), data.films.title.len());
    let tower = |vectors: Symbolic, known: &Symbolic| {
        let side = Dense::new(FACTORS).use_bias(false).on(known);
        Dropout::new(0.2).on(Add::new().on([&vectors, &side]))
    };
    let u = tower(vector(table(users, FACTORS), &user), &age);
    let f = tower(vector(table(films, FACTORS), &film), &genres);
    let product = Dot::new(1).on([&u, &f]);
    let (user_bias, film_bias) = (vector(table(users, 1), &user), vector(table(films, 1), &film));
    let sum = Add::new().on([&product, &user_bias, &film_bias]);
    let rating = Rescaling::new(1.0).offset(f64::from(mean)).on(&sum);
    Ok(Model::new([&user, &age, &film, &genres], &rating)?.named("recommendation"))
}

fn recommend(args: &Arguments) -> Outcome {
    let folder = args.folder("14_recommendation")?;
    let data = movielens::load_data()?;
    let (training, held_out) = data.hold_out_latest(0.2);
    let training = &training[..args.samples(training.len())];
    let pair = |&rating: &usize| (data.user[rating] as usize, data.film[rating] as usize);
    let ratings = |chosen: &[usize]| -> Array2<f32> {
        Array1::from_iter(chosen.iter().map(|&rating| data.rating[rating])).insert_axis(Axis(1))
    };
    let (train, test): (Vec<_>, Vec<_>) =
        (training.iter().map(pair).collect(), held_out.iter().map(pair).collect());
    let (y_train, y_test) = (ratings(training), ratings(&held_out));
    let mean = y_train.mean().unwrap_or(3.5);
    println!("{} ratings to train with, each user's latest {} to test", train.len(), test.len());

    let mut model = network(&data, mean)?;
    model.seed(args.seed)?;
    model.compile(args.compile().optimizer(Adam::new(2e-3)).loss("mean_squared_error"))?;
    let (x, x_test) = (Features::of(&data, &train), Features::of(&data, &test));
    let fit = Fit::new()
        .epochs(args.epochs(20))
        .batch_size(args.batch_size.max(256))
        .validation_data(x_test.arrays(), &y_test);
    let history = model.fit(x.arrays(), &y_train, fit)?;

    // Beside what anybody would guess: the mean of the film and that of the user.
    let guess = means(&data, training, mean);
    let error = |predicted: &dyn Fn(usize) -> f32| {
        let squares = test.iter().enumerate().map(|(place, _)| {
            (f64::from(predicted(place)) - f64::from(y_test[[place, 0]])).powi(2)
        });
        (squares.sum::<f64>() / test.len() as f64).sqrt()
    };
    let predicted = rate(&mut model, &data, &test)?;
    println!(
        "Error of ratings (RMSE): {:.4}, of user and film means {:.4}",
        error(&|place| predicted[place]),
        error(&|place| guess(test[place]))
    );

    // What of the films that a user came to like is among the ten recommended ones?
    let seen: HashSet<(usize, usize)> = train.iter().copied().collect();
    let (mut found, mut popular, mut liked_films) = (0, 0, 0);
    let films = data.films.title.len();
    let mut viewers = vec![0; films];
    train.iter().for_each(|pair| viewers[pair.1] += 1);
    for user in 0..data.users.age.len() {
        let is_liked = |place: &usize| test[*place].0 == user && y_test[[*place, 0]] >= LIKED;
        let liked: HashSet<usize> = (0..test.len()).filter(is_liked).map(|p| test[p].1).collect();
        if liked.is_empty() {
            continue;
        }
        let open: Vec<(usize, usize)> =
            (0..films).map(|film| (user, film)).filter(|pair| !seen.contains(pair)).collect();
        let scores = rate(&mut model, &data, &open)?;
        // A film that hardly anybody has seen is no recommendation, however it is rated.
        let weighed =
            |place: usize| scores[place] + 0.5 * (1.0 + viewers[open[place].1] as f32).ln();
        let best = |score: &dyn Fn(usize) -> f32| {
            let mut order: Vec<usize> = (0..open.len()).collect();
            order.sort_by(|&a, &b| score(b).total_cmp(&score(a)));
            order.iter().take(RECOMMENDED).filter(|&&p| liked.contains(&open[p].1)).count()
        };
        found += best(&weighed);
        popular += best(&|place| viewers[open[place].1] as f32);
        liked_films += liked.len();
    }
    let share = |count: usize| 100.0 * count as f64 / liked_films as f64;
    println!(
        "Recall@{RECOMMENDED}: {:.2} %, of the most popular films {:.2} %",
        share(found),
        share(popular)
    );

    model.save_weights(folder.join("recommendation.safetensors"))?;
    history.plot().title("Ratings").save_svg(folder.join("history.svg"))?;
    println!("Wrote weights and history (.svg) to {}", folder.display());
    Ok(())
}

/// The ratings that the model expects of some pairs of a user and a film.
fn rate(
    model: &mut Model,
    data: &MovieLens,
    pairs: &[(usize, usize)],
) -> Result<Vec<f32>, NnError> {
    let x = Features::of(data, pairs);
    let predict = Predict::new().verbose(false).batch_size(512);
    let y = model.predict_with(x.arrays(), predict)?;
    Ok(y.iter().copied().collect())
}

/// The mean of all ratings, and by how much those of the user and of the film differ from it.
fn means(data: &MovieLens, training: &[usize], mean: f32) -> impl Fn((usize, usize)) -> f32 {
    let offsets = |of: &Array1<i32>, count: usize| {
        let (mut sums, mut counts) = (vec![0.0; count], vec![0.0_f32; count]);
        for &rating in training {
            sums[of[rating] as usize] += data.rating[rating] - mean;
            counts[of[rating] as usize] += 1.0;
        }
        sums.iter().zip(counts).map(|(sum, count)| sum / count.max(1.0)).collect::<Vec<f32>>()
    };
    let users = offsets(&data.user, data.users.age.len());
    let films = offsets(&data.film, data.films.title.len());
    move |(user, film)| mean + users[user] + films[film]
}
