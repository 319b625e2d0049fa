//! The files of MovieLens-100k, in either of two forms.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ndarray::{Array1, Array2};

use super::{Films, GENRES, MovieLens, Users};
use crate::error::{Error, Result};

/// The form of the files.
#[derive(Clone, Copy)]
enum Form {
    GroupLens,
    RecBole,
}

impl Form {
    /// The names of the files: ratings, films, users.
    fn files(self) -> [&'static str; 3] {
        match self {
            Form::GroupLens => ["u.data", "u.item", "u.user"],
            Form::RecBole => ["ml-100k.inter", "ml-100k.item", "ml-100k.user"],
        }
    }

    /// The form of which a folder has all files.
    fn of(dir: &Path) -> Option<Form> {
        let whole = |form: &Form| form.files().iter().all(|file| dir.join(file).is_file());
        [Form::GroupLens, Form::RecBole].into_iter().find(whole)
    }
}

/// What a folder lacks to be the data set's.
pub(super) fn lack(dir: &Path) -> Option<String> {
    match Form::of(dir) {
        Some(_) => None,
        None => Some("has no u.data, u.item, u.user and no ml-100k.inter, .item, .user".to_owned()),
    }
}

/// A line of a file.
struct Line<'t> {
    file: &'t Path,
    number: usize,
    text: &'t str,
    fields: Vec<&'t str>,
}

impl Line<'_> {
    fn error(&self, message: &str, expected: &str) -> Error {
        Error::Line {
            file: self.file.display().to_string(),
            line: self.number,
            message: message.to_owned(),
            expected: expected.to_owned(),
            given: format!("{:?}", self.text.chars().take(80).collect::<String>()),
        }
    }

    /// The number in a field.
    fn number<T: FromStr>(&self, field: usize, name: &str) -> Result<T> {
        let number = self.fields[field].trim().parse().ok();
        number.ok_or_else(|| self.error(&format!("{name} is no number"), "a whole number"))
    }
}

/// A file whose lines have fields.
struct Table {
    path: PathBuf,
    text: String,
    /// The lines before the first one of the table.
    head: usize,
    separator: char,
    /// The least number of fields, and what they are.
    fields: (usize, &'static str),
}

impl Table {
    fn read(
        dir: &Path,
        file: &str,
        form: Form,
        fields: [(usize, &'static str); 2],
    ) -> Result<Table> {
        let path = dir.join(file);
        let bytes = brolga_memory::read(&path).map_err(|error| Error::io(path.display(), error))?;
        // GroupLens's files are in Latin-1, of which each byte is a character of Unicode.
        let text = String::from_utf8(bytes)
            .unwrap_or_else(|error| error.as_bytes().iter().copied().map(char::from).collect());
        let [of_group_lens, of_rec_bole] = fields;
        Ok(match form {
            Form::GroupLens if file == "u.data" => {
                Table { path, text, head: 0, separator: '\t', fields: of_group_lens }
            }
            Form::GroupLens => Table { path, text, head: 0, separator: '|', fields: of_group_lens },
            Form::RecBole => Table { path, text, head: 1, separator: '\t', fields: of_rec_bole },
        })
    }

    fn lines(&self) -> impl Iterator<Item = Result<Line<'_>>> {
        let lines = self.text.lines().enumerate().skip(self.head);
        lines.filter(|(_, text)| !text.trim().is_empty()).map(|(index, text)| {
            let fields = text.split(self.separator).collect();
            let line = Line { file: &self.path, number: index + 1, text, fields };
            let (least, what) = self.fields;
            if line.fields.len() < least {
                return Err(line.error(&format!("there are {} fields", line.fields.len()), what));
            }
            Ok(line)
        })
    }
}

pub(super) fn read(dir: &Path) -> Result<MovieLens> {
    let Some(form) = Form::of(dir) else {
        let folder = dir.display().to_string();
        let lack = lack(dir).unwrap_or_default();
        return Err(Error::NoMovieLens { folder, lack });
    };
    let [ratings, films, users] = form.files();
    let (user_numbers, users) = self::users(dir, users, form)?;
    let (film_numbers, films) = self::films(dir, films, form)?;
    let what = "user, film, rating, time, separated by tabs";
    let table = Table::read(dir, ratings, form, [(4, what), (4, what)])?;
    let (mut user, mut film, mut rating, mut timestamp) = (vec![], vec![], vec![], vec![]);
    for line in table.lines() {
        let line = line?;
        let number = |field: usize, name: &str, known: &HashMap<u32, i32>| {
            let number = line.number(field, name)?;
            known.get(&number).copied().ok_or_else(|| {
                line.error(&format!("there is no {name} {number}"), "numbers of the other files")
            })
        };
        user.push(number(0, "user", &user_numbers)?);
        film.push(number(1, "film", &film_numbers)?);
        let stars: f32 = line.number(2, "rating")?;
        if !(1.0..=5.0).contains(&stars) {
            return Err(line.error(&format!("the rating is {stars}"), "a rating from 1 to 5"));
        }
        rating.push(stars);
        timestamp.push(line.number::<f64>(3, "time")? as i64);
    }
    let [user, film] = [user, film].map(Array1::from);
    Ok(MovieLens { user, film, rating: rating.into(), timestamp, users, films })
}

/// The users, and the index of each by its number.
fn users(dir: &Path, file: &str, form: Form) -> Result<(HashMap<u32, i32>, Users)> {
    let fields = [
        (4, "number, age, gender, occupation, separated by |"),
        (4, "number, age, gender, occupation, separated by tabs"),
    ];
    let table = Table::read(dir, file, form, fields)?;
    let (mut numbers, mut users) = (HashMap::new(), Users::default());
    for line in table.lines() {
        let line = line?;
        numbers.insert(line.number(0, "the user")?, users.age.len() as i32);
        users.age.push(line.number(1, "the age")?);
        users.gender.push(line.fields[2].to_owned());
        users.occupation.push(line.fields[3].to_owned());
    }
    Ok((numbers, users))
}

/// The films, and the index of each by its number.
fn films(dir: &Path, file: &str, form: Form) -> Result<(HashMap<u32, i32>, Films)> {
    let fields = [
        (24, "number, title, date, video date, address, 19 genres, separated by |"),
        (4, "number, title, year, genres, separated by tabs"),
    ];
    let table = Table::read(dir, file, form, fields)?;
    let (mut numbers, mut titles, mut years, mut genres) = (HashMap::new(), vec![], vec![], vec![]);
    for line in table.lines() {
        let line = line?;
        numbers.insert(line.number(0, "the film")?, titles.len() as i32);
        let (title, year) = match form {
            Form::GroupLens => {
                let date = line.fields[2].rsplit('-').next().and_then(|year| year.parse().ok());
                (without_year(line.fields[1]), date)
            }
            Form::RecBole => (line.fields[1], line.fields[2].trim().parse().ok()),
        };
        titles.push(title.to_owned());
        years.push(year);
        genres.extend(GENRES.iter().enumerate().map(|(index, genre)| {
            let has = match form {
                Form::GroupLens => line.fields[5 + index].trim() == "1",
                Form::RecBole => line.fields[3].split_whitespace().any(|word| word == *genre),
            };
            f32::from(u8::from(has))
        }));
    }
    let shape = (titles.len(), GENRES.len());
    let genres = Array2::from_shape_vec(shape, genres).expect("19 numbers for each film");
    Ok((numbers, Films { title: titles, year: years, genres }))
}

/// `Toy Story` of `Toy Story (1995)`.
fn without_year(title: &str) -> &str {
    match title.rsplit_once(" (") {
        Some((name, year)) if year.trim_end_matches(')').parse::<i32>().is_ok() => name,
        _ => title,
    }
}
