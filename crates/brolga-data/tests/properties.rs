//! What holds for all sequences, series and sounds.

use std::collections::BTreeSet;

use brolga_data::{
    AudioOptions, End, NoLabels, PadOptions, TimeseriesOptions, audio_dataset_from_directory,
    pad_sequences, timeseries_dataset_from_array,
};
use ndarray::Array1;
use proptest::collection::vec;
use proptest::prelude::*;

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Pre), Just(End::Post)]
}

fn rate() -> impl Strategy<Value = u32> {
    prop::sample::select(vec![1000, 8000, 11_025, 16_000, 44_100, 48_000])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What is kept of a sequence stands at one end, the padding at the other.
    #[test]
    fn padded_sequences_hold_their_elements(
        sequences in vec(vec(1_i32..100, 0..9), 1..6), maxlen in any::<Option<u8>>(), padding in end(),
        truncating in end(),
    ) {
        let options = PadOptions::new().padding(padding).truncating(truncating);
        let maxlen = maxlen.map(|length| usize::from(length) % 12);
        let options = maxlen.map_or(options, |length| options.maxlen(length));
        let padded = pad_sequences(&sequences, options).expect("sequences of numbers");
        let longest = sequences.iter().map(Vec::len).max().unwrap_or(0);
        let length = maxlen.unwrap_or(longest);
        prop_assert_eq!(padded.shape(), [sequences.len(), length]);
        for (sequence, row) in sequences.iter().zip(padded.outer_iter()) {
            let kept = sequence.len().min(length);
            let kept = match truncating {
                End::Pre => &sequence[sequence.len() - kept..],
                End::Post => &sequence[..kept],
            };
            let zeros = vec![0; length - kept.len()];
            let expected = match padding {
                End::Pre => [&zeros[..], kept].concat(),
                End::Post => [kept, &zeros[..]].concat(),
            };
            prop_assert_eq!(row.iter().copied().collect::<Vec<i32>>(), expected);
        }
    }

    /// Windows are those that a loop finds, in each pass all of them once.
    #[test]
    fn windows_are_found_by_a_loop(
        steps in 2_usize..40, length in 1_usize..6, stride in 1_usize..4, rate in 1_usize..4, size in 1_usize..9,
        shuffle in any::<bool>(), start in 0_usize..5,
    ) {
        let series = Array1::from_iter(0..steps);
        let options = TimeseriesOptions::new().sequence_stride(stride).sampling_rate(rate).batch_size(size);
        let options = options.shuffle(shuffle).start_index(start);
        let last = |first: usize| first + (length - 1) * rate;
        let expected: BTreeSet<Vec<usize>> = (start..steps)
            .step_by(stride)
            .filter(|&first| last(first) < steps)
            .map(|first| (0..length).map(|element| first + element * rate).collect())
            .collect();
        let Ok(windows) = timeseries_dataset_from_array(&series, series.view(), length, options) else {
            prop_assert!(expected.is_empty() || stride >= steps || rate >= steps || start >= steps);
            return Ok(());
        };
        prop_assert_eq!(windows.windows(), expected.len());
        for _ in 0..2 {
            let mut found = BTreeSet::new();
            for (x, y) in windows.batches() {
                prop_assert!(x.shape()[0] <= size);
                for (x, y) in x.outer_iter().zip(&y) {
                    prop_assert_eq!(x[0], *y);
                    found.insert(x.iter().copied().collect::<Vec<usize>>());
                }
            }
            prop_assert_eq!(&found, &expected);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Sounds of any form and rate have the length that is asked for, and lists their own.
    #[test]
    fn sounds_have_the_length_that_is_asked_for(
        frames in vec(0_usize..300, 1..4), channels in 1_u16..3, bits in prop_oneof![Just(8_u16), Just(16), Just(24), Just(32)],
        rates in (rate(), rate()), length in 1_usize..400,
    ) {
        let dir = tempfile::tempdir().expect("the system has a folder for temporary files");
        let spec = hound::WavSpec {
            channels, sample_rate: rates.0, bits_per_sample: bits, sample_format: hound::SampleFormat::Int,
        };
        for (number, &frames) in frames.iter().enumerate() {
            let path = dir.path().join(format!("{number}.wav"));
            let mut file = hound::WavWriter::create(path, spec).expect("the folder can be written to");
            for _ in 0..frames * usize::from(channels) {
                file.write_sample((1_i32 << (bits - 2)) - 1).expect("the disk has room");
            }
            file.finalize().expect("the disk has room");
        }
        let options = AudioOptions::new().label_mode(NoLabels).shuffle(false).sampling_rate(rates.1);
        let lists = audio_dataset_from_directory(&dir, options.clone().ragged()).expect("files");
        let (lists, ()) = lists.read_all().expect("sounds");
        for (sound, &frames) in lists.iter().zip(&frames) {
            let expected = (frames as u64 * u64::from(rates.1)).div_ceil(u64::from(rates.0));
            prop_assert_eq!(sound.dim(), (expected as usize, usize::from(channels)));
        }
        let cut = options.output_sequence_length(length);
        let (sounds, ()) = audio_dataset_from_directory(&dir, cut).and_then(|data| data.read_all()).expect("sounds");
        prop_assert_eq!(sounds.dim(), (frames.len(), length, usize::from(channels)));
        for (row, list) in sounds.outer_iter().zip(&lists) {
            for (at, frame) in row.outer_iter().enumerate() {
                for (channel, &sample) in frame.iter().enumerate() {
                    let whole = list.get((at, channel)).copied().unwrap_or(0.0);
                    prop_assert_eq!(sample, whole, "{}", at);
                }
            }
        }
    }
}

/// A WAV file and a FLAC file.
fn sounds() -> [Vec<u8>; 2] {
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 8000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = std::io::Cursor::new(vec![]);
    let mut writer = hound::WavWriter::new(&mut wav, spec).expect("a vector takes all bytes");
    (0..40_i16).for_each(|sample| writer.write_sample(sample).expect("a vector takes all bytes"));
    writer.finalize().expect("a vector takes all bytes");
    let values = include_str!("keras/values.json");
    let values: serde_json::Value = serde_json::from_str(values).expect("it is JSON");
    let flac = values["compressed"][1]["file"].as_str().expect("hexadecimal digits");
    let byte = |at: usize| u8::from_str_radix(&flac[at..at + 2], 16).expect("two digits");
    [wav.into_inner(), (0..flac.len()).step_by(2).map(byte).collect()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// No bytes of a sound are trusted.
    #[test]
    fn damaged_sounds_do_not_end_the_process(
        flac in any::<bool>(), changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        length in any::<prop::sample::Index>(),
    ) {
        let mut file = sounds()[usize::from(flac)].clone();
        for (at, byte) in changes {
            // Most of what is read comes first.
            let at = at.index(file.len());
            let at = if byte % 2 == 0 { at.min(at % 64) } else { at };
            file[at] = byte;
        }
        if length.index(4) == 0 {
            file.truncate(length.index(file.len()));
        }
        let dir = tempfile::tempdir().expect("the system has a folder for temporary files");
        let path = dir.path().join("sound");
        std::fs::write(&path, &file).expect("the folder can be written to");
        drop(brolga_data::read_audio(&path));
    }
}
