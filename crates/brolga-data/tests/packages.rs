//! Data sets of packages that other programs install: files like theirs, and what is wrong with
//! some.

use std::fs;
use std::io::Write;
use std::path::Path;

use brolga_data::{Result, jane_austen, movielens, word_lists};
use insta::assert_snapshot;
use tempfile::{TempDir, tempdir};

type TestResult = std::result::Result<(), Box<dyn std::error::Error>>;

/// A folder with these files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let dir = tempdir().expect("the system has a folder for temporary files");
    for (name, content) in files {
        fs::write(dir.path().join(name), content).expect("the folder can be written to");
    }
    dir
}

/// The message of a failure, with the test's own folder called DIR.
fn message<T>(dir: &Path, result: Result<T>) -> String {
    match result {
        Ok(_) => "no error".to_owned(),
        Err(error) => error.to_string().replace(&dir.display().to_string(), "DIR"),
    }
}

mod films {
    use super::*;

    const DATA: &[u8] = b"7\t3\t5\t881250949\n9\t3\t1\t891717742\n7\t4\t2\t881250950\n7\t3\t4\t1\n";
    const USERS: &[u8] = b"7|24|M|technician|85711\n9|53|F|other|94043\n";
    const ITEMS: &[u8] =
        b"3|Fant\xf4me (1995)|01-Jan-1995||http://a|0|0|0|1|1|1|0|0|0|0|0|0|0|0|0|0|0|0|0\n\
        4|Unknown|||http://b|1|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0\n";

    fn group_lens(data: &[u8], items: &[u8], users: &[u8]) -> TempDir {
        folder(&[("u.data", data), ("u.item", items), ("u.user", users)])
    }

    #[test]
    fn of_both_forms_are_the_same() -> TestResult {
        let dir = group_lens(DATA, ITEMS, USERS);
        let data = movielens::load_data_from(&dir)?;
        assert_eq!(data.user.to_vec(), [0, 1, 0, 0]);
        assert_eq!(data.film.to_vec(), [0, 0, 1, 0]);
        assert_eq!(data.rating.to_vec(), [5.0, 1.0, 2.0, 4.0]);
        assert_eq!(data.users.age, [24, 53]);
        assert_eq!(data.users.occupation, ["technician", "other"]);
        assert_eq!(data.films.title, ["Fantôme", "Unknown"]);
        assert_eq!(data.films.year, [Some(1995), None]);
        assert_eq!(data.films.genres.sum_axis(ndarray::Axis(1)).to_vec(), [3.0, 1.0]);

        let head = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n".as_bytes();
        let same = folder(&[
            ("ml-100k.inter", &[head, DATA].concat()),
            ("ml-100k.user", "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n7\t24\tM\ttechnician\t85711\n9\t53\tF\tother\t94043\n".as_bytes()),
            ("ml-100k.item", "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n3\tFantôme\t1995\tAnimation Children's Comedy\n4\tUnknown\t\tunknown\n".as_bytes()),
        ]);
        assert_eq!(movielens::load_data_from(&same)?, data);
        // Two thirds of the three ratings of the first user: the oldest one stays.
        assert_eq!(data.hold_out_latest(0.67), (vec![1, 3], vec![0, 2]));
        assert_eq!(data.hold_out_latest(0.0), (vec![0, 1, 2, 3], vec![]));
        Ok(())
    }

    #[test]
    fn that_are_damaged() {
        let read = |dir: TempDir| message(dir.path(), movielens::load_data_from(&dir));
        assert_snapshot!(read(folder(&[("u.data", DATA)])), @r"
        DIR has no u.data, u.item, u.user and no ml-100k.inter, .item, .user
          expected: the files of MovieLens-100k, of GroupLens or of RecBole
          help: give the folder ml-100k
        ");
        assert_snapshot!(read(group_lens(b"7\t3\t5\n", ITEMS, USERS)), @r#"
        DIR/u.data, line 1: there are 3 fields
          expected: user, film, rating, time, separated by tabs
          given: "7\t3\t5"
          help: the file is damaged or of another data set, fetch it again
        "#);
        assert_snapshot!(read(group_lens(b"7\t5\t5\t1\n", ITEMS, USERS)), @r#"
        DIR/u.data, line 1: there is no film 5
          expected: numbers of the other files
          given: "7\t5\t5\t1"
          help: the file is damaged or of another data set, fetch it again
        "#);
        assert_snapshot!(read(group_lens(b"7\t3\t6\t1\n", ITEMS, USERS)), @r#"
        DIR/u.data, line 1: the rating is 6
          expected: a rating from 1 to 5
          given: "7\t3\t6\t1"
          help: the file is damaged or of another data set, fetch it again
        "#);
        assert_snapshot!(read(group_lens(b"7\t3\tgood\t1\n", ITEMS, USERS)), @r#"
        DIR/u.data, line 1: rating is no number
          expected: a whole number
          given: "7\t3\tgood\t1"
          help: the file is damaged or of another data set, fetch it again
        "#);
        assert_snapshot!(read(group_lens(DATA, b"3|A|1995\n", USERS)), @r#"
        DIR/u.item, line 1: there are 3 fields
          expected: number, title, date, video date, address, 19 genres, separated by |
          given: "3|A|1995"
          help: the file is damaged or of another data set, fetch it again
        "#);
    }
}

mod words {
    use super::*;

    #[test]
    fn of_several_languages_are_left_out() -> TestResult {
        let dir = folder(&[
            ("american-english", b"house\n\nzoo\n zebra \n"),
            ("french", "maison\nété\n".as_bytes()),
            ("ngerman", b"Haus\nZoo\n"),
            ("spanish", b"casa\nzoo\n"),
            ("italian", b"casa\nzebra\nvilla\n"),
            ("dutch", b"huis\n"),
        ]);
        let (words, language) = word_lists::load_data_from(&dir)?;
        assert_eq!(words, ["house", "maison", "été", "Haus", "Zoo", "villa", "huis"]);
        assert_eq!(language.to_vec(), [0, 1, 1, 2, 2, 4, 5]);
        Ok(())
    }

    #[test]
    fn of_no_list() {
        let dir = folder(&[("american-english", b"caf\xe9\n")]);
        assert_snapshot!(message(dir.path(), word_lists::load_data_from(&dir)), @r"
        DIR/american-english is not UTF-8
          expected: a text in UTF-8
          given: other bytes from byte 3 on
          help: convert it, for example with `iconv -f latin1 -t utf-8`, or take it out of the folder
        ");
        fs::write(dir.path().join("american-english"), "cafe")
            .expect("the folder can be written to");
        assert_snapshot!(message(dir.path(), word_lists::load_data_from(&dir)), @"cannot read DIR/french: No such file or directory (os error 2)");
    }
}

mod novels {
    use super::*;

    const NAMES: [&str; 6] = [
        "sensesensibility",
        "prideprejudice",
        "mansfieldpark",
        "emma",
        "northangerabbey",
        "persuasion",
    ];

    fn words(all: &[i32]) -> Vec<u8> {
        all.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    /// A serialized object of R.
    fn object(content: &[u8]) -> Vec<u8> {
        let head = [b"X\n".as_slice(), &words(&[3, 0x4_0201, 0x3_0500, 5]), b"UTF-8"].concat();
        [&head, content].concat()
    }

    fn text(text: &str) -> Vec<u8> {
        [&words(&[0x4_0009, text.len() as i32]), text.as_bytes()].concat()
    }

    fn texts(all: &[&str]) -> Vec<u8> {
        let texts = all.iter().flat_map(|line| text(line));
        words(&[16, all.len() as i32]).into_iter().chain(texts).collect()
    }

    /// A list with names: its items are followed by the attribute `names`.
    fn list(names: &[&str], items: &[Vec<u8>], symbol: &[u8]) -> Vec<u8> {
        let end = words(&[254]);
        [
            &words(&[0x213, items.len() as i32]),
            &items.concat(),
            &words(&[0x402]),
            symbol,
            &texts(names),
            &end,
        ]
        .concat()
    }

    fn zlib(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(vec![], flate2::Compression::fast());
        encoder.write_all(content).expect("a vector takes all bytes");
        encoder.finish().expect("a vector takes all bytes")
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        encoder.write_all(content).expect("a vector takes all bytes");
        encoder.finish().expect("a vector takes all bytes")
    }

    /// The index and the objects of a package with these novels.
    fn package(novels: &[(&str, Vec<u8>)]) -> [Vec<u8>; 2] {
        let mut file = vec![];
        let mut places = vec![];
        for (_, content) in novels {
            let start = file.len() as i32;
            file.extend(words(&[content.len() as i32]));
            file.extend(zlib(content));
            places.push([words(&[13, 2, start, file.len() as i32 - start])].concat());
        }
        let names: Vec<&str> = novels.iter().map(|(name, _)| *name).collect();
        let first = [&words(&[1]), text("names").as_slice()].concat();
        // The second time the symbol is the number of the first.
        let again = words(&[0x1ff]);
        let variables = list(&names, &places, &first);
        let index = list(&["variables", "compressed"], &[variables, words(&[10, 1, 1])], &again);
        [gzip(&object(&index)), file]
    }

    fn read([index, objects]: [Vec<u8>; 2]) -> std::result::Result<Vec<String>, String> {
        let dir = folder(&[("Rdata.rdx", &index), ("Rdata.rdb", &objects)]);
        let novels = jane_austen::load_data_from(&dir);
        let texts = |novels: Vec<jane_austen::Novel>| novels.into_iter().map(|novel| novel.text);
        let shown = |error: brolga_data::Error| {
            error.to_string().replace(&dir.path().display().to_string(), "DIR")
        };
        Ok(texts(novels.map_err(shown)?).collect())
    }

    fn whole() -> Vec<(&'static str, Vec<u8>)> {
        NAMES.iter().rev().map(|name| (*name, object(&texts(&[name, "", "«end»"])))).collect()
    }

    #[test]
    fn come_in_their_order() {
        let expected = NAMES.map(|name| format!("{name}\n\n«end»"));
        assert_eq!(read(package(&whole())).expect("six novels"), expected);
    }

    #[test]
    fn that_are_damaged() {
        let message = |package| read(package).expect_err("no novels");
        assert_snapshot!(message([b"no index".to_vec(), vec![]]), @r"
        DIR/Rdata.rdx is no data set of texts of R: unexpected end of file
          expected: data compressed with zlib
          help: install the package again: apt install r-cran-janeaustenr
        ");
        assert_snapshot!(message([gzip(b"A\n"), vec![]]), @r"
        DIR/Rdata.rdx is no data set of texts of R: it is in another format
          expected: texts and lists in the XDR format, version 2 or 3
          help: install the package again: apt install r-cran-janeaustenr
        ");
        assert_snapshot!(message([gzip(&object(&words(&[3]))), vec![]]), @r"
        DIR/Rdata.rdx is no data set of texts of R: it holds an object of kind 3
          expected: texts and lists in the XDR format, version 2 or 3
          help: install the package again: apt install r-cran-janeaustenr
        ");
        assert_snapshot!(message([gzip(&object(&texts(&["a"]))), vec![]]), @r"
        DIR/Rdata.rdx is no data set of texts of R: it has no list of variables
          expected: an index of a package's data
          help: install the package again: apt install r-cran-janeaustenr
        ");
        assert_snapshot!(message(package(&whole()[1..])), @r"
        DIR/Rdata.rdx is no data set of texts of R: there is no persuasion
          expected: the data of janeaustenr
          help: install the package again: apt install r-cran-janeaustenr
        ");
        let [index, objects] = package(&whole());
        assert_snapshot!(message([index.clone(), objects[..40].to_vec()]), @r"
        DIR/Rdata.rdb is no data set of texts of R: sensesensibility lies behind its end
          expected: the objects that Rdata.rdx lists
          help: install the package again: apt install r-cran-janeaustenr
        ");
        let mut other = whole();
        other[5].1 = object(&words(&[13, 1, 7]));
        assert_snapshot!(message(package(&other)), @r"
        DIR/Rdata.rdb is no data set of texts of R: sensesensibility is no list of texts
          expected: a list of texts
          help: install the package again: apt install r-cran-janeaustenr
        ");
        other[5].1 = object(&words(&[16, i32::MAX]));
        assert_snapshot!(message(package(&other)), @r"
        DIR/Rdata.rdb is no data set of texts of R: a length is out of range
          expected: texts and lists in the XDR format, version 2 or 3
          help: install the package again: apt install r-cran-janeaustenr
        ");
        // Lists in lists without end.
        other[5].1 = object(&words(&[19, 1].repeat(100)));
        assert_snapshot!(message(package(&other)), @r"
        DIR/Rdata.rdb is no data set of texts of R: objects are nested too deeply
          expected: texts and lists in the XDR format, version 2 or 3
          help: install the package again: apt install r-cran-janeaustenr
        ");
    }
}

/// The real data, on a machine that has them.
mod installed {
    use brolga_data::spoken_digits::{self, Voice, WORDS};

    use super::*;

    #[test]
    #[ignore = "needs MovieLens-100k on this machine"]
    fn films() -> Result<()> {
        let data = movielens::load_data()?;
        assert_eq!((data.user.len(), data.users.age.len()), (100_000, 943));
        assert_eq!((data.films.title.len(), data.films.genres.dim()), (1682, (1682, 19)));
        assert_eq!((data.films.title[0].as_str(), data.films.year[0]), ("Toy Story", Some(1995)));
        let mean = data.rating.mean().expect("there are ratings");
        assert!((mean - 3.52986).abs() < 1e-4, "{mean}");
        let (training, held_out) = data.hold_out_latest(0.2);
        assert_eq!(training.len() + held_out.len(), 100_000);
        assert!((19_000..20_000).contains(&held_out.len()), "{}", held_out.len());
        Ok(())
    }

    #[test]
    #[ignore = "needs Debian's r-cran-janeaustenr on this machine"]
    fn novels() -> Result<()> {
        let novels = jane_austen::load_data()?;
        let letters: Vec<usize> = novels.iter().map(|novel| novel.text.len()).collect();
        assert!(letters.iter().all(|&letters| letters > 400_000), "{letters:?}");
        assert!(novels[5].text.contains("Sir Walter Elliot, of Kellynch Hall"));
        Ok(())
    }

    #[test]
    #[ignore = "needs six word lists of Debian on this machine"]
    fn words() -> Result<()> {
        let (words, language) = word_lists::load_data()?;
        for class in 0..6 {
            let count = language.iter().filter(|&&label| label == class).count();
            assert!(count > 50_000, "{class}: {count} of {}", words.len());
        }
        Ok(())
    }

    #[test]
    #[ignore = "needs espeak-ng on this machine"]
    fn digits() -> Result<()> {
        for (word, speed) in WORDS.iter().zip([100, 150, 200].into_iter().cycle()) {
            let sound = spoken_digits::speak(word, &Voice::new("en-us+f3").speed(speed))?;
            let seconds = sound.samples.nrows() as f64 / f64::from(sound.sampling_rate);
            assert!((0.2..2.5).contains(&seconds), "{word}: {seconds} s");
            assert!(sound.samples.iter().any(|sample| sample.abs() > 0.05), "{word} is silent");
        }
        Ok(())
    }
}
