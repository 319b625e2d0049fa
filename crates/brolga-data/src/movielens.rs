//! MovieLens-100k: 100,000 ratings of 1,682 films by 943 users, collected by GroupLens.
//!
//! The licence of the data forbids to hand it on, so it is read from files that are there; see
//! [`load_data`] for where they are looked for.

mod read;

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::{Array1, Array2};

use crate::error::Result;
use crate::whereabouts::Whereabouts;

/// The genres that films can have, in the order of [`Films::genres`].
pub const GENRES: [&str; 19] = [
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
];

const WHEREABOUTS: Whereabouts = Whereabouts {
    name: "MovieLens-100k",
    variable: "BROLGA_MOVIELENS",
    keras: Some("ml-100k"),
    debian: None,
    help: "do one of\n    \
           pip download --no-deps recbole==1.2.1, and unzip recbole/dataset_example/ml-100k of the wheel\n    \
           fetch https://files.grouplens.org/datasets/movielens/ml-100k.zip, and unzip it\n    \
           and give the folder ml-100k to `load_data_from` or in the variable BROLGA_MOVIELENS",
};

/// Ratings, and what is known of users and films. Users and films are numbered from 0 on, in the
/// order of their numbers in the files.
#[derive(Clone, Debug, PartialEq)]
pub struct MovieLens {
    /// The user of each rating, `i32[n]`.
    pub user: Array1<i32>,
    /// The film of each rating, `i32[n]`.
    pub film: Array1<i32>,
    /// The ratings, from 1 to 5, `f32[n]`.
    pub rating: Array1<f32>,
    /// When each rating was given, in seconds since 1970.
    pub timestamp: Vec<i64>,
    /// All users.
    pub users: Users,
    /// All films.
    pub films: Films,
}

/// What is known of users: an entry for each of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Users {
    /// The age in years.
    pub age: Vec<u32>,
    /// `"F"` or `"M"`.
    pub gender: Vec<String>,
    /// One of 21 words, such as `"student"`.
    pub occupation: Vec<String>,
}

/// What is known of films: an entry for each of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Films {
    /// The titles, without the year.
    pub title: Vec<String>,
    /// The year of the release, where it is known.
    pub year: Vec<Option<i32>>,
    /// 1 for each of [`GENRES`] that a film has, `f32[films,19]`.
    pub genres: Array2<f32>,
}

/// Reads MovieLens-100k from the folder that the environment variable `BROLGA_MOVIELENS` names;
/// where it is not set, from Keras's cache, `$KERAS_HOME/datasets/ml-100k` or
/// `~/.keras/datasets/ml-100k`.
///
/// # Errors
///
/// The data set is in neither of them; the message says how to get it. Or as for
/// [`load_data_from`].
pub fn load_data() -> Result<MovieLens> {
    load_data_from(WHEREABOUTS.find(read::lack)?)
}

/// Reads MovieLens-100k from a folder with the files of GroupLens (`u.data`, `u.item`, `u.user`) or
/// those of RecBole (`ml-100k.inter`, `ml-100k.item`, `ml-100k.user`).
///
/// # Errors
///
/// A file is missing or damaged, or a rating is of a user or a film that is not there.
pub fn load_data_from(dir: impl AsRef<Path>) -> Result<MovieLens> {
    read::read(dir.as_ref())
}

impl MovieLens {
    /// The ratings for training and those that are held out: of each user the latest share,
    /// rounded down. Both are indices of ratings, in their order.
    ///
    /// ```no_run
    /// let data = brolga_data::movielens::load_data()?;
    /// let (training, held_out) = data.hold_out_latest(0.2);
    /// assert_eq!(training.len() + held_out.len(), 100_000);
    /// # Ok::<(), brolga_data::Error>(())
    /// ```
    #[must_use]
    pub fn hold_out_latest(&self, share: f64) -> (Vec<usize>, Vec<usize>) {
        let mut of_users: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
        for (rating, &user) in self.user.iter().enumerate() {
            of_users.entry(user).or_default().push(rating);
        }
        let mut training = Vec::new();
        let mut held_out = Vec::new();
        for mut ratings in of_users.into_values() {
            ratings.sort_by_key(|&rating| (self.timestamp[rating], rating));
            let latest = (share.clamp(0.0, 1.0) * ratings.len() as f64) as usize;
            held_out.extend(ratings.split_off(ratings.len() - latest));
            training.extend(ratings);
        }
        training.sort_unstable();
        held_out.sort_unstable();
        (training, held_out)
    }
}
