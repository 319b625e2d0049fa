//! What Keras's functions of data sets give for the same arguments.
//!
//! `reference.py` writes `values.json`.

use std::fs;
use std::path::{Path, PathBuf};

use brolga_data::{
    AudioOptions, End, Int, NoLabels, PadOptions, Subset, TextOptions, TimeseriesOptions,
    audio_dataset_from_directory, pad_sequences, read_audio, text_dataset_from_directory,
    text_datasets_from_directory, timeseries_dataset_from_array,
};
use ndarray::{Array1, Array2, ArrayView2};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

type TestResult = Result<(), Box<dyn std::error::Error>>;

/// The cases of a part of the file.
fn cases(part: &str) -> Vec<Value> {
    let values: Value = serde_json::from_str(include_str!("values.json")).expect("it is JSON");
    values[part].as_array().expect("a list of cases").clone()
}

fn count(value: &Value) -> Option<usize> {
    value.as_u64().map(|count| count as usize)
}

const FILES: [&str; 13] = [
    "b/10.txt",
    "b/2.txt",
    "b/below/1.txt",
    "b/below-b/1.txt",
    "b/below/deeper/x.TXT",
    "b/notes.md",
    "a/z.txt",
    "a/A.txt",
    "a/ä.txt",
    "c/1.txt",
    "c/.txt",
    ".hidden/1.txt",
    "top.txt",
];

/// The folder of the reference, whose files hold their names.
fn folder() -> TempDir {
    let dir = tempdir().expect("the system has a folder for temporary files");
    for file in FILES {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder is new");
        fs::write(path, file).expect("the folder can be written to");
    }
    fs::create_dir(dir.path().join("empty")).expect("the folder is new");
    dir
}

fn relative(dir: &Path, paths: &[PathBuf]) -> Value {
    let name = |path: &PathBuf| path.strip_prefix(dir).expect("below").display().to_string();
    paths.iter().map(name).collect()
}

#[test]
fn files_come_in_keras_order_and_parts() -> TestResult {
    let dir = folder();
    for case in cases("orders") {
        let mut options = TextOptions::new().shuffle(!case["seed"].is_null());
        options = options.seed(case["seed"].as_u64().unwrap_or(0) as u32);
        let list = |value: &Value| value.as_array().cloned();
        if let Some(names) = list(&case["class_names"]) {
            options = options.class_names(names.iter().filter_map(Value::as_str));
        }
        if let Some(labels) = list(&case["labels"]) {
            options = options.labels(labels.iter().filter_map(Value::as_i64).map(|x| x as i32));
        }
        let split = case["validation_split"].as_f64();
        if let Some(split) = split {
            options = options.validation_split(split);
        }
        for (subset, key) in [(Subset::Training, "training"), (Subset::Validation, "validation")] {
            let options =
                if split.is_some() { options.clone().subset(subset) } else { options.clone() };
            let (paths, labels, names): (_, Value, Value) = if case["labels"].is_null() {
                let data = text_dataset_from_directory(&dir, options.label_mode(NoLabels))?;
                (data.file_paths, Value::Null, Value::Null)
            } else {
                let data = text_dataset_from_directory(&dir, options.label_mode(Int))?;
                (data.file_paths, data.labels.into(), data.class_names.into())
            };
            assert_eq!(relative(dir.path(), &paths), case[key], "{case}");
            assert_eq!(labels, case[format!("{key}_labels")], "{case}");
            assert_eq!(names, case["names"], "{case}");
        }
    }
    Ok(())
}

/// Both parts at once are the parts one by one, and batches hold each file once.
#[test]
fn parts_are_read_batch_by_batch() -> TestResult {
    let dir = folder();
    let options = TextOptions::new().seed(3).validation_split(0.4).batch_size(2);
    let (training, validation) = text_datasets_from_directory(&dir, options.clone())?;
    for (data, subset) in [(training, Subset::Training), (validation, Subset::Validation)] {
        let alone = text_dataset_from_directory(&dir, options.clone().subset(subset))?;
        assert_eq!((&data.file_paths, &data.labels), (&alone.file_paths, &alone.labels));
        let (all, labels) = data.read_all()?;
        assert_eq!(relative(dir.path(), &data.file_paths), Value::from(all.clone()));
        assert_eq!(labels.to_vec(), data.labels);
        let mut orders = Vec::new();
        for _ in 0..3 {
            let batches = data.batches();
            assert_eq!(batches.len(), data.file_paths.len().div_ceil(2));
            let mut seen = Vec::new();
            for batch in batches {
                let (texts, labels) = batch?;
                for (text, label) in texts.into_iter().zip(labels) {
                    assert!(text.starts_with(&data.class_names[label as usize]));
                    seen.push(text);
                }
            }
            orders.push(seen);
        }
        let sorted = |mut texts: Vec<String>| {
            texts.sort();
            texts
        };
        assert!(orders.iter().all(|order| sorted(order.clone()) == sorted(all.clone())));
        let same = orders.iter().all(|order| *order == all);
        assert_eq!(same, subset == Subset::Validation);
    }
    Ok(())
}

#[test]
fn windows_are_those_of_keras() -> TestResult {
    let data = Array2::from_shape_fn((30, 2), |(step, column)| (2 * step + column) as i64);
    let targets = Array1::from_iter(100..130_i64);
    for case in cases("timeseries") {
        let arguments = &case["arguments"];
        let of = |name: &str| count(&arguments[name]);
        let mut options = TimeseriesOptions::new();
        options = of("sequence_stride").map_or(options, |n| options.sequence_stride(n));
        options = of("sampling_rate").map_or(options, |n| options.sampling_rate(n));
        options = of("batch_size").map_or(options, |n| options.batch_size(n));
        options = of("start_index").map_or(options, |n| options.start_index(n));
        options = of("end_index").map_or(options, |n| options.end_index(n));
        let length = of("sequence_length").expect("a length");
        let nested = |x: &ndarray::ArrayD<i64>| -> Value {
            let step = |step: ndarray::ArrayViewD<'_, i64>| step.iter().copied().collect::<Value>();
            let window = |window: ndarray::ArrayViewD<'_, i64>| {
                window.outer_iter().map(step).collect::<Value>()
            };
            x.outer_iter().map(window).collect()
        };
        let (x, y): (Vec<Value>, Vec<Value>) = if case["targets"] == true {
            let windows = timeseries_dataset_from_array(&data, targets.view(), length, options)?;
            let batch =
                |(x, y): (_, ndarray::ArrayD<i64>)| (nested(&x), y.iter().copied().collect());
            windows.batches().map(batch).unzip()
        } else {
            let windows = timeseries_dataset_from_array(&data, (), length, options)?;
            windows.batches().map(|(x, ())| (nested(&x), Value::Null)).unzip()
        };
        assert_eq!(Value::from(x), case["x"], "{arguments}");
        assert_eq!(Value::from(y), case["y"], "{arguments}");
    }
    Ok(())
}

#[test]
fn padded_sequences_are_those_of_keras() -> TestResult {
    for case in cases("padded") {
        let sequences: Vec<Vec<i32>> = serde_json::from_value(case["x"].clone())?;
        let arguments = &case["arguments"];
        let end = |name: &str| if arguments[name] == "pre" { End::Pre } else { End::Post };
        let options =
            PadOptions::new().padding(end("padding")).truncating(end("truncating")).value(-1);
        let options = count(&arguments["maxlen"]).map_or(options, |length| options.maxlen(length));
        let padded = pad_sequences(&sequences, options)?;
        let rows: Value =
            padded.outer_iter().map(|row| row.iter().copied().collect::<Value>()).collect();
        assert_eq!(rows, case["y"], "{arguments}");
    }
    Ok(())
}

/// The samples of each frame.
fn frames_of(sound: ArrayView2<'_, f32>) -> Vec<Vec<f32>> {
    sound.outer_iter().map(|frame| frame.to_vec()).collect()
}

/// The same of the reference.
fn frames(value: &Value) -> Vec<Vec<f32>> {
    serde_json::from_value(value.clone()).expect("a list of frames")
}

#[test]
fn sounds_are_those_of_tensorflow() -> TestResult {
    let dir = tempdir()?;
    fs::create_dir(dir.path().join("class"))?;
    for case in cases("sounds") {
        let channels = count(&case["channels"]).expect("a count");
        let spec = hound::WavSpec {
            channels: channels as u16,
            sample_rate: count(&case["rate"]).expect("a rate") as u32,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut file = hound::WavWriter::create(dir.path().join("class/1.wav"), spec)?;
        for sample in case["samples"].as_array().expect("a list") {
            file.write_sample(sample.as_i64().expect("a whole number") as i32)?;
        }
        file.finalize()?;
        let options = AudioOptions::new();
        let options = match count(&case["length"]) {
            Some(length) => options.output_sequence_length(length),
            None => options,
        };
        let data = audio_dataset_from_directory(dir.path(), options)?;
        assert_eq!(data.sampling_rate(), 8000);
        let (sounds, _) = data.read_all()?;
        let sound = sounds.index_axis(ndarray::Axis(0), 0);
        assert_eq!(frames_of(sound), frames(&case["y"]), "{case}");
    }
    Ok(())
}

#[test]
fn flac_files_hold_the_same_samples() -> TestResult {
    let dir = tempdir()?;
    let path = dir.path().join("sound");
    for case in cases("compressed") {
        let file = case["file"].as_str().expect("hexadecimal digits");
        let byte = |at: usize| u8::from_str_radix(&file[at..at + 2], 16);
        let bytes = (0..file.len()).step_by(2).map(byte).collect::<Result<Vec<u8>, _>>()?;
        fs::write(&path, &bytes)?;
        let audio = read_audio(&path)?;
        assert_eq!(audio.sampling_rate, 11_025);
        assert_eq!(frames_of(audio.samples.view()), frames(&case["y"]));
        // No file that breaks off is taken for a whole one.
        for length in [0, 10, 41, 60, bytes.len() - 1] {
            fs::write(&path, &bytes[..length])?;
            assert!(read_audio(&path).is_err(), "{length} bytes of {}", bytes.len());
        }
    }
    Ok(())
}
