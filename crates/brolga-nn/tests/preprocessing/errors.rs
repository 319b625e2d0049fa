//! Every message of layers of texts, categories and sound.

use std::fmt::Display;
use std::fs;

use brolga_nn::Window;
use brolga_nn::initializers::STFT;
use brolga_nn::layers::{Conv1D, Discretization, IntegerLookup, Layer};
use brolga_nn::prelude::*;
use brolga_nn::preprocessing::{Split, Standardize};
use ndarray::{Array2, ArrayD, array};
use serde_json::json;

use crate::models::computed;

/// The message of a failure.
fn message<T, E: Display>(result: Result<T, E>) -> String {
    match result {
        Ok(_) => "no error".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// The messages, each on one line, without what depends on the machine.
fn all(messages: impl IntoIterator<Item = String>) -> String {
    let line = |message: String| {
        let message = message.replace('\n', ";");
        match message.split_once(", the machine grants") {
            None => message,
            Some((start, rest)) => format!("{start}{}", &rest[rest.find(';').unwrap_or(0)..]),
        }
    };
    messages.into_iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The message of a lookup of some texts.
fn looked_up(lookup: StringLookup) -> String {
    message(lookup.apply::<i64>(&array![["cat", "dog"], ["cow", "cat"]]))
}

fn pets() -> StringLookup {
    StringLookup::new().vocabulary(["cat", "dog"])
}

#[test]
fn lookups() {
    insta::assert_snapshot!(all([
        looked_up(StringLookup::new()),
        looked_up(StringLookup::new().vocabulary(["cat"; 0])),
        looked_up(pets().num_oov_indices(0)),
        looked_up(StringLookup::new().vocabulary(["cat", "dog", "cat", "dog", "cow"])),
        looked_up(pets().mask_token("dog")),
        looked_up(pets().invert(true).oov_token("dog")),
        looked_up(pets().max_tokens(2)),
        looked_up(pets().max_tokens(1)),
        looked_up(pets().num_oov_indices(usize::MAX)),
        looked_up(pets().pad_to_max_tokens(true)),
        looked_up(pets().output_mode("dense")),
        looked_up(pets().output_mode("tf_idf")),
        looked_up(pets().output_mode("tf_idf").idf_weights([1.0])),
        looked_up(pets().output_mode("tf_idf").idf_weights([1.0, 2.0])),
        looked_up(pets().idf_weights([1.0, 2.0])),
        looked_up(pets().output_mode("count").invert(true)),
        looked_up(pets().invert(true)),
        looked_up(pets().oov_method("modulo")),
        message(pets().tokens(&[1])),
        message(pets().invert(true).tokens(&[1.0, 0.5])),
        message(pets().adapt(&["cow"])),
        message(StringLookup::new().adapt(&[""; 0])),
        message(pets().set_vocabulary(["cat", "cat"], None)),
    ]), @r#"
    StringLookup: there is no vocabulary;  help: give one, .vocabulary([..]), or take it from data, .adapt(&data)?
    StringLookup: there is no vocabulary;  help: give one, .vocabulary([..]), or take it from data, .adapt(&data)?
    StringLookup: "cow" at [1, 0] is not in the vocabulary of 2 tokens;  help: with num_oov_indices 0 each token must be in the vocabulary: add it, or set num_oov_indices to 1
    StringLookup: the vocabulary repeats "cat", "dog";  help: give each token once
    StringLookup: the mask_token "dog" is the token 1 of the vocabulary;  help: leave the special tokens out, or let the vocabulary begin with all of them: ["dog", "[UNK]"]
    StringLookup: the oov_token "dog" is the token 1 of the vocabulary;  help: leave the special tokens out, or let the vocabulary begin with all of them: ["dog"]
    StringLookup: the vocabulary has 3 tokens, the special ones included, max_tokens is 2;  help: shorten the vocabulary, or leave max_tokens out
    StringLookup: max_tokens is 1;  help: it must be a whole number from 2 on
    StringLookup: num_oov_indices is 18446744073709551615;  help: it must be a whole number up to 16777216
    StringLookup: pad_to_max_tokens without max_tokens;  help: say how many elements vectors have: max_tokens
    StringLookup: there is no output_mode `dense`;  help: there are int, one_hot, multi_hot, count, tf_idf
    StringLookup: output_mode "tf_idf" needs idf_weights;  help: give a weight for each token, .idf_weights([..]), or take both from data, .adapt(&data)?
    StringLookup: the vocabulary has 2 tokens, idf_weights has 1 numbers;  help: give a weight for each token
    StringLookup: tf_idf gives fractions, i64 holds none;  help: ask for `f32`: apply::<f32>(..)
    StringLookup: idf_weights with output_mode "int";  help: weights belong to output_mode "tf_idf"
    StringLookup: invert with output_mode "count";  help: indices become tokens: output_mode is "int"
    StringLookup: tokens were given, invert takes indices;  help: call `tokens`, or leave invert out
    StringLookup: there is no oov_method `modulo`;  help: there are floormod, farmhash
    StringLookup: tokens: invert is not set;  help: set it: .invert(true)
    StringLookup: tokens: 0.5 at [1] is no index;  help: give whole numbers
    StringLookup: adapt: a vocabulary was given;  help: leave either out: a vocabulary is given, or taken from data
    StringLookup: adapt: the data hold no token;  help: give data with tokens in them
    StringLookup: the vocabulary repeats "cat";  help: give each token once
    "#);
    let numbers = |lookup: IntegerLookup| message(lookup.apply::<i64>(&array![[1, 2], [3, 4]]));
    insta::assert_snapshot!(all([
        numbers(IntegerLookup::new().vocabulary([1_i64, 2, 4]).num_oov_indices(0)),
        numbers(IntegerLookup::new().vocabulary([1_i64, 2, 1])),
        numbers(IntegerLookup::new().vocabulary([1_i64]).salt(3)),
        message(IntegerLookup::new().vocabulary([1_i64 << 40]).invert(true).tokens(&[f64::NAN])),
        message(IntegerLookup::new().vocabulary([1_i64 << 40]).max_tokens(usize::MAX).pad_to_max_tokens(true).output_mode("count").apply::<f32>(&[1])),
    ]), @r#"
    IntegerLookup: 3 at [1, 0] is not in the vocabulary of 3 tokens;  help: with num_oov_indices 0 each token must be in the vocabulary: add it, or set num_oov_indices to 1
    IntegerLookup: the vocabulary repeats 1;  help: give each token once
    IntegerLookup: salt with oov_method "floormod";  help: remainders have no salt: oov_method is "farmhash"
    IntegerLookup: tokens: NaN at [0] is no index;  help: give whole numbers
    IntegerLookup: 1 vectors of 18446744073709551615 elements do not fit into memory: 16777216.0 TiB of memory are needed;  help: encode fewer samples at a time, or use output_mode "int"
    "#);
}

/// Which arguments fit is decided before a vocabulary is replaced.
#[test]
fn vocabularies_stay_after_a_mistake() -> Result<(), NnError> {
    let mut lookup = pets();
    assert!(lookup.set_vocabulary(["cow", "cow"], None).is_err());
    assert_eq!(lookup.get_vocabulary(false)?, ["cat", "dog"]);
    lookup.set_vocabulary(["cow"], None)?;
    assert_eq!(lookup.get_vocabulary(true)?, ["[UNK]", "cow"]);
    Ok(())
}

#[test]
fn vocabulary_files() {
    let dir = tempfile::tempdir().expect("the system has a folder for temporary files");
    let write = |content: &[u8]| {
        let path = dir.path().join("words.txt");
        fs::write(&path, content).expect("the folder can be written to");
        path
    };
    let shown = |text: String| text.replace(&dir.path().display().to_string(), "DIR");
    insta::assert_snapshot!(shown(all([
        message(StringLookup::new().vocabulary_file(dir.path().join("nothing"))),
        message(TextVectorization::new().vocabulary_file(write(b"caf\xe9"))),
        message(IntegerLookup::new().vocabulary_file(write(b"3\n4\nfive\n"))),
        message(StringLookup::new().vocabulary_file(write(b"a\nb\na\n")).and_then(|lookup| lookup.vocabulary_size())),
    ])), @r#"
    DIR/nothing: No such file or directory (os error 2);  help: check the path: its folder must exist, and a file to be read too
    DIR/words.txt: byte 3 is not UTF-8;  help: save the vocabulary as UTF-8
    DIR/words.txt: line 3: "five" is no whole number;  help: each line holds one token of the vocabulary
    StringLookup: the vocabulary repeats "a";  help: give each token once
    "#);
    let lookup = StringLookup::new().vocabulary_file(write(b"a\r\nb\n")).expect("two words");
    assert_eq!(lookup.get_vocabulary(false).expect("two words"), ["a", "b"]);
}

#[test]
fn vectorizations() {
    let given =
        |layer: TextVectorization| message(layer.vocabulary(["cat"]).apply::<i64>(&["a cat"]));
    let new = TextVectorization::new;
    let words = ArrayD::from_elem(vec![2, 3], "cat");
    insta::assert_snapshot!(all([
        message(new().apply::<i64>(&["a cat"])),
        given(new().standardize("upper")),
        given(new().split("sentence")),
        given(new().ngrams(0)),
        given(new().ngrams([2, 0])),
        given(new().ngrams(vec![])),
        given(new().output_mode("multihot")),
        given(new().output_mode("one_hot")),
        given(new().output_mode("count").output_sequence_length(3)),
        given(new().output_mode("count").ragged(true)),
        given(new().ragged(true)),
        given(new().output_sequence_length(usize::MAX)),
        given(new().max_tokens(1)),
        given(new().output_mode("tf_idf")),
        message(new().vocabulary(["cat", "", "dog"]).vocabulary_size()),
        message(new().vocabulary(["cat"]).apply::<i64>(&words)),
        message(new().vocabulary(["cat"]).apply_ragged::<i64>(&["cat"])),
        message(new().vocabulary(["cat"]).adapt(&["cat"])),
        message(new().adapt(&["...", " "])),
        message(new().standardize(Standardize::function(str::to_uppercase)).get_config()),
        message(new().split(Split::function(|text| vec![text.to_owned()])).get_config()),
        message(TextVectorization::from_config(&json!({ "max_token": 5 }))),
        message(TextVectorization::from_config(&json!({ "encoding": "latin-1" }))),
        message(TextVectorization::from_config(&json!({ "sparse": true }))),
        message(StringLookup::from_config(&json!({ "vocabulary": "words.txt" }))),
    ]), @r#"
    TextVectorization: there is no vocabulary;  help: give one, .vocabulary([..]), or take it from data, .adapt(&data)?
    TextVectorization: there is no standardize `upper`;  help: there are lower_and_strip_punctuation, lower, strip_punctuation, `Standardize::None` and `Standardize::function(|text| ..)`
    TextVectorization: there is no split `sentence`;  help: there are whitespace, character, `Split::None` and `Split::function(|text| ..)`
    TextVectorization: ngrams is 0;  help: a token consists of at least one part: give whole numbers from 1 on
    TextVectorization: ngrams is [2, 0];  help: a token consists of at least one part: give whole numbers from 1 on
    TextVectorization: ngrams is [];  help: a token consists of at least one part: give whole numbers from 1 on
    TextVectorization: there is no output_mode `multihot`;  help: there are int, one_hot, multi_hot, count, tf_idf
    TextVectorization: output_mode "one_hot" of texts that are split;  help: use "multi_hot", or leave the texts as they are: Split::None
    TextVectorization: output_sequence_length with output_mode "count";  help: vectors have no sequence: output_mode is "int"
    TextVectorization: ragged with output_mode "count";  help: vectors have no sequence: output_mode is "int"
    TextVectorization: ragged texts are no array;  help: `apply_ragged` gives a list for each text, `pad_sequences` makes an array of them
    TextVectorization: 1 texts of 18446744073709551615 tokens do not fit into memory: 16777216.0 TiB of memory are needed;  help: encode fewer texts, or give a smaller output_sequence_length
    TextVectorization: max_tokens is 1;  help: it must be a whole number from 2 on
    TextVectorization: output_mode "tf_idf" needs idf_weights;  help: give a weight for each token, .idf_weights([..]), or take both from data, .adapt(&data)?
    TextVectorization: the mask_token "" is the token 1 of the vocabulary;  help: leave the special tokens out, or let the vocabulary begin with all of them: ["", "[UNK]"]
    TextVectorization splits texts (n) or (n, 1), given shape [2, 3];  help: give an array of one axis, or texts that are not split: Split::None
    TextVectorization: apply_ragged: ragged is not set;  help: set it: .ragged(true)
    TextVectorization: adapt: a vocabulary was given;  help: leave either out: a vocabulary is given, or taken from data
    TextVectorization: adapt: the data hold no token;  help: give data with tokens in them
    TextVectorization: a function is a part of the program, and no config can hold it;  help: write a class of your own that has arguments instead, with `layer!`, `loss!`, `metric!` or `object!`, and give it to the registry that reads the config
    TextVectorization: a function is a part of the program, and no config can hold it;  help: write a class of your own that has arguments instead, with `layer!`, `loss!`, `metric!` or `object!`, and give it to the registry that reads the config
    TextVectorization: `max_token` = 5 is not supported; did you mean `max_tokens`?
    TextVectorization: `encoding` = "latin-1" is not supported
    TextVectorization: `sparse` = true is not supported
    StringLookup: `vocabulary`: invalid type: string "words.txt", expected a sequence
    "#);
}

#[test]
fn hashings() {
    let given = |layer: Hashing| message(layer.apply::<i64, _>(&["A"]));
    insta::assert_snapshot!(all([
        given(Hashing::new(0)),
        given(Hashing::new(3).output_mode("tf_idf")),
        given(Hashing::new(3).mask_value(0)),
        message(Hashing::new(3).mask_value("").apply::<i64, _>(&[1])),
        given(Hashing::new(usize::MAX).output_mode("count")),
        message(Hashing::from_config(&json!({ "num_bins": 3, "salt": [1, 2, 3] }))),
    ]), @r#"
    Hashing: `num_bins` is 0;  help: it must be a whole number from 1 on
    Hashing: there is no output_mode `tf_idf`;  help: there are int, one_hot, multi_hot, count
    Hashing: mask_value is 0, the elements are texts;  help: give a text
    Hashing: mask_value is "", the elements are whole numbers;  help: give a whole number
    Hashing: 1 vectors of 18446744073709551615 elements do not fit into memory: 16777216.0 TiB of memory are needed;  help: encode fewer samples at a time, or use output_mode "int"
    Hashing: `salt`: expected a whole number or a list of two
    "#);
}

#[test]
fn discretizations() {
    let new = Discretization::new;
    let given = |layer: Discretization| message(layer.apply::<i64>(&[0.5]));
    insta::assert_snapshot!(all([
        given(new()),
        given(new().bin_boundaries([0.0, 2.0, 1.0])),
        given(new().bin_boundaries([f64::NAN])),
        given(new().bin_boundaries([0.0]).output_mode("tf_idf")),
        message(new().adapt(&[1.0])),
        message(new().num_bins(0).adapt(&[1.0])),
        message(new().num_bins(2).adapt(&[0.0_f32; 0])),
        message(new().num_bins(2).adapt(&[f32::NAN; 3])),
        message(new().num_bins(2).epsilon(0.0).adapt(&[1.0])),
        message(new().bin_boundaries([0.0]).adapt(&[1.0])),
    ]), @r"
    Discretization: there are no boundaries;  help: give them, .bin_boundaries([..]), or take them from data, .num_bins(4).adapt(&data)?
    Discretization: the boundary 2 comes before 1;  help: give the boundaries in ascending order
    Discretization: `bin_boundaries` is NaN;  help: it must be a number that f32 can hold
    Discretization: there is no output_mode `tf_idf`;  help: there are int, one_hot, multi_hot, count
    Discretization: adapt: num_bins is not set, or 0;  help: say how many bins there shall be: .num_bins(4).adapt(&data)?
    Discretization: adapt: num_bins is not set, or 0;  help: say how many bins there shall be: .num_bins(4).adapt(&data)?
    Discretization: adapt: there are no data, or not all of them are finite;  help: give at least one finite number
    Discretization: adapt: there are no data, or not all of them are finite;  help: give at least one finite number
    Discretization: `epsilon` is 0;  help: it must be a number from 1e-6 to 1
    Discretization: adapt: num_bins is not set, or 0;  help: say how many bins there shall be: .num_bins(4).adapt(&data)?
    ");
}

/// The message of a layer with an input of this shape.
fn layer(layer: impl Layer, shape: &[usize]) -> String {
    message(computed(&layer, &ArrayD::ones(shape)))
}

#[test]
fn layers_of_categories() {
    let lookup = || IntegerLookup::new().vocabulary([1_i64, 2]);
    insta::assert_snapshot!(all([
        layer(IntegerLookup::new(), &[2, 3]),
        layer(lookup().num_oov_indices(0), &[2, 3]),
        layer(lookup().num_oov_indices(2).oov_method("farmhash"), &[2, 3]),
        layer(IntegerLookup::new().vocabulary([1_i64 << 40]), &[2, 3]),
        layer(lookup().output_mode("count"), &[2]),
        layer(Discretization::new(), &[2, 3]),
        layer(Discretization::new().bin_boundaries([0.0]).output_mode("one_hot"), &[2]),
    ]), @r"
    IntegerLookup: there is no vocabulary;  help: give one, .vocabulary([..]), or take it from data, .adapt(&data)?
    IntegerLookup: a program cannot fail on a number that is not in the vocabulary;  help: look the numbers up before `fit`: lookup.apply::<i32>(&numbers)?
    IntegerLookup: hashes are computed on the host;  help: look the numbers up before `fit`: lookup.apply::<i32>(&numbers)?
    IntegerLookup: i32 does not hold 1099511627776 of the vocabulary;  help: look the numbers up before `fit`: lookup.apply::<i32>(&numbers)?
    IntegerLookup takes (None, .., numbers), given (None,);  help: numbers, one for each sample, need an axis of extent 1
    Discretization: there are no boundaries;  help: give them, .bin_boundaries([..]), or take them from data, .num_bins(4).adapt(&data)?
    Discretization takes (None, .., numbers), given (None,);  help: numbers, one for each sample, need an axis of extent 1
    ");
}

#[test]
fn spectrograms() {
    let new = STFTSpectrogram::new;
    insta::assert_snapshot!(all([
        layer(new(), &[2, 300]),
        layer(new(), &[2, 100, 1]),
        layer(new().mode("power"), &[2, 300, 1]),
        layer(new().frame_step(257), &[2, 300, 1]),
        layer(new().frame_length(1), &[2, 300, 1]),
        layer(new().fft_length(255), &[2, 300, 1]),
        layer(new().frame_length(usize::MAX), &[2, 300, 1]),
        layer(new().window("kaiser"), &[2, 300, 1]),
        layer(new().window([1.0, 2.0]), &[2, 300, 1]),
        layer(new().scaling("power"), &[2, 300, 1]),
        layer(new().padding("causal"), &[2, 300, 1]),
        layer(Conv1D::new(3, 4).kernel_initializer(STFT::new("left")), &[2, 8, 1]),
        layer(Conv1D::new(3, 4).kernel_initializer(STFT::new("real")), &[2, 8, 2]),
        layer(Conv1D::new(3, 4).kernel_initializer(STFT::new("imag").window(Window::None).scaling("all")), &[2, 8, 1]),
    ]), @r#"
    STFTSpectrogram takes sequences (None, steps, channels), given (None, 300);  help: sequences without a channel axis need one of extent 1: Input::new([28, 1])
    `conv`: a window of length 256 is larger than its input of length 100;  help: make the window smaller, the input larger, or use padding
    STFTSpectrogram: there is no mode `power`;  help: there are log, magnitude, psd, real, imag, angle, stft
    STFTSpectrogram: frame_step is 257, frame_length is 256;  help: a step is from 1 up to the length of a frame
    STFTSpectrogram: frame_step is 0, frame_length is 1;  help: a step is from 1 up to the length of a frame
    STFTSpectrogram: fft_length is 255, frame_length is 256;  help: a transform is at least as long as a frame
    STFT: a frame has 18446744073709551615 samples;  help: give frames of at most 16777216
    STFT: there is no window `kaiser`;  help: there are barthann, bartlett, blackman, blackmanharris, bohman, boxcar, cosine, flattop, hamming, hann, lanczos, nuttall, parzen, triang, or give a list of weights
    STFT: the window has 2 weights, a frame has 256 samples;  help: give a weight for each sample
    STFT: there is no scaling `power`;  help: there are "density" and "spectrum", or none
    there is no padding `causal`;  help: padding is "valid" or "same"
    STFT: there is no side `left`;  help: there are "real" and "imag"
    STFT initializes [frame_length, 1, n/2 + 1], not [4,2,3];  help: give the initializer to the kernel of a Conv1D
    STFT: there is no scaling `all`;  help: there are "density" and "spectrum", or none
    "#);
    let new = || MelSpectrogram::new().fft_length(64);
    insta::assert_snapshot!(all([
        layer(new(), &[2, 300, 1]),
        layer(new(), &[2, 32]),
        layer(new().sequence_length(65), &[2, 300]),
        layer(new().min_freq(8000.0), &[2, 300]),
        layer(new().num_mel_bins(usize::MAX), &[2, 300]),
        layer(new().window("hanning"), &[2, 300]),
        layer(new().window([1.0]), &[2, 300]),
    ]), @r"
    MelSpectrogram takes signals (None, samples), given (None, 300, 1);  help: drop an axis of channels: Reshape::new([-1])
    MelSpectrogram: a signal has 32 samples, half a frame has 32;  help: give longer signals, padded with zeros, or a smaller fft_length
    MelSpectrogram: sequence_length is 65, fft_length is 64;  help: a window is at most as long as a frame
    MelSpectrogram: the bands go from 8000 to 8000 Hz;  help: min_freq is below max_freq
    MelSpectrogram: num_mel_bins is 18446744073709551615;  help: there are at most 16384 bands
    MelSpectrogram: there is no window `hanning`;  help: there are barthann, bartlett, blackman, blackmanharris, bohman, boxcar, cosine, flattop, hamming, hann, lanczos, nuttall, parzen, triang, or give a list of weights
    MelSpectrogram: the window has 1 weights, a frame has 64 samples;  help: give a weight for each sample
    ");
    let mut model = Sequential::new();
    model.add(Input::new([100]));
    model.add(MelSpectrogram::new().sequence_stride(0).top_db(-1.0));
    let message = message(model.predict(&Array2::<f32>::zeros((1, 100))));
    let lines: Vec<&str> = message.lines().filter(|line| !line.contains("errors.rs")).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    layer `mel_spectrogram`: MelSpectrogram: `sequence_stride` is 0
      help: it must be a whole number from 1 on
    ");
}
