//! A reader of a folder of sounds.

mod decode;
mod resample;

use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use ndarray::{Array2, Array3, Axis, s};

pub(crate) use decode::decode_stream;
pub use decode::{Audio, read_audio};

use crate::directory::{FileReader, FolderDataset, FolderOptions, folder_setters};
use crate::error::{Error, Result};
use crate::folder::Search;
use crate::label_mode::{Int, LabelMode};
use crate::shape;

/// How [`audio_dataset_from_directory`] reads sounds. Names and defaults are those of Keras.
#[derive(Clone, Debug)]
pub struct AudioOptions<M = Int, F = Padded> {
    folder: FolderOptions,
    sampling_rate: Option<u32>,
    output_sequence_length: Option<usize>,
    form: PhantomData<(M, F)>,
}

/// Sounds of files, with labels.
pub type AudioDataset<M = Int, F = Padded> = FolderDataset<AudioReader<F>, M>;

/// Batches are arrays, `f32[n,samples,channels]`: shorter sounds end with zeros.
#[derive(Clone, Copy, Debug, Default)]
pub struct Padded;

/// Batches are lists of arrays, `f32[samples,channels]` each.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ragged;

/// Reads files of sounds.
#[derive(Clone, Debug)]
pub struct AudioReader<F> {
    /// The samples a second of what is read.
    sampling_rate: u32,
    resamples: bool,
    channels: usize,
    /// The file that the rate and the channels are taken from.
    first: PathBuf,
    length: Option<usize>,
    form: PhantomData<F>,
}

const SEARCH: Search =
    Search { what: "sounds", extensions: &[".flac", ".wav"], follow_links: false };

impl AudioOptions {
    /// Class numbers as labels, batches of 32 files, which are shuffled, the rate of the files.
    pub fn new() -> AudioOptions {
        AudioOptions {
            folder: FolderOptions::default(),
            sampling_rate: None,
            output_sequence_length: None,
            form: PhantomData,
        }
    }
}

impl Default for AudioOptions {
    fn default() -> AudioOptions {
        AudioOptions::new()
    }
}

impl<M: LabelMode, F> AudioOptions<M, F> {
    folder_setters!();

    /// How labels are given: [`Int`], the default, [`Categorical`](crate::Categorical),
    /// [`Binary`](crate::Binary) or [`NoLabels`](crate::NoLabels).
    pub fn label_mode<N: LabelMode>(self, _: N) -> AudioOptions<N, F> {
        self.converted()
    }

    /// Sounds of different lengths, as lists of arrays.
    pub fn ragged(self) -> AudioOptions<M, Ragged> {
        self.converted()
    }

    fn converted<N, G>(self) -> AudioOptions<N, G> {
        let AudioOptions { folder, sampling_rate, output_sequence_length, .. } = self;
        AudioOptions { folder, sampling_rate, output_sequence_length, form: PhantomData }
    }

    /// The samples a second that all files are brought to. Without it all files must have the rate
    /// of the first one.
    pub fn sampling_rate(mut self, sampling_rate: u32) -> Self {
        self.sampling_rate = Some(sampling_rate);
        self
    }

    /// The samples of a sound, after its rate was changed: what is longer is cut off, what is
    /// shorter ends with zeros. By default the sounds of a batch have the length of its longest
    /// one.
    pub fn output_sequence_length(mut self, output_sequence_length: usize) -> Self {
        self.output_sequence_length = Some(output_sequence_length);
        self
    }

    /// A reader that gives what the first of these files has.
    fn reader(&self, function: &'static str, paths: &[&Path]) -> Result<AudioReader<F>> {
        let argument = |message: &str, expected: &str, given: &str, help| Error::Argument {
            function,
            message: message.to_owned(),
            expected: expected.to_owned(),
            given: given.to_owned(),
            help,
        };
        if self.sampling_rate == Some(0) {
            let help = "give the samples a second, such as 16000";
            return Err(argument("sampling_rate is too small", "at least 1", "0", help));
        }
        let first = paths.first().copied().unwrap_or(Path::new("."));
        let found = decode::format(first)?;
        Ok(AudioReader {
            sampling_rate: self.sampling_rate.unwrap_or(found.sampling_rate),
            resamples: self.sampling_rate.is_some(),
            channels: found.channels,
            first: first.to_owned(),
            length: self.output_sequence_length,
            form: PhantomData,
        })
    }
}

/// Finds the sounds of a folder with a folder for each class, as
/// `keras.utils.audio_dataset_from_directory` does, and reads them batch by batch.
///
/// The classes are the folders inside `directory` in the order of their names, without those that
/// begin with a dot; the label of a sound is the index of its class. The sounds of a class are all
/// `.wav` and `.flac` files in its folder and the folders below. Samples are from −1 up to 1: those
/// of b bits are divided by 2ᵇ⁻¹. With [`AudioOptions::sampling_rate`] sounds of other rates are
/// resampled: their spectrum is kept up to nine tenths of the smaller bandwidth.
///
/// ```
/// use brolga_data::{AudioOptions, audio_dataset_from_directory};
///
/// # let dir = tempfile::tempdir()?;
/// # let spec = hound::WavSpec {
/// #     channels: 1, sample_rate: 8000, bits_per_sample: 16,
/// #     sample_format: hound::SampleFormat::Int,
/// # };
/// # for class in ["yes", "no"] {
/// #     std::fs::create_dir(dir.path().join(class))?;
/// #     let mut file = hound::WavWriter::create(dir.path().join(class).join("1.wav"), spec)?;
/// #     (0..3).try_for_each(|_| file.write_sample(-16384_i16))?;
/// #     file.finalize()?;
/// # }
/// # let words = dir.path();
/// // words/no/1.wav, words/yes/1.wav, ...
/// let options = AudioOptions::new().output_sequence_length(4);
/// let data = audio_dataset_from_directory(words, options)?;
///
/// assert_eq!(data.sampling_rate(), 8000);
/// for batch in data.batches() {
///     let (sounds, labels) = batch?;
///     assert_eq!(sounds.dim(), (2, 4, 1));
///     assert_eq!(sounds[[0, 2, 0]], -0.5);
///     assert_eq!(sounds[[0, 3, 0]], 0.0);
/// #   assert_eq!(labels.len(), 2);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// A folder cannot be read, there is no class or no sound, a name in `class_names` is none of the
/// folders, or options do not fit together. Batches are errors where a file cannot be decoded, or
/// has another number of channels, or another rate and no `sampling_rate` is given.
pub fn audio_dataset_from_directory<M: LabelMode, F>(
    directory: impl AsRef<Path>,
    options: AudioOptions<M, F>,
) -> Result<AudioDataset<M, F>> {
    let function = "audio_dataset_from_directory";
    let reader = |paths: &[&Path]| options.reader(function, paths);
    options.folder.open(function, directory.as_ref(), SEARCH, reader)
}

/// As [`audio_dataset_from_directory`], the part for training and that for validation: `subset`
/// `"both"` of Keras. That for validation is not shuffled anew for each pass.
///
/// # Errors
///
/// As [`audio_dataset_from_directory`], or one of the parts is empty.
pub fn audio_datasets_from_directory<M: LabelMode, F: Clone>(
    directory: impl AsRef<Path>,
    options: AudioOptions<M, F>,
) -> Result<(AudioDataset<M, F>, AudioDataset<M, F>)> {
    let function = "audio_datasets_from_directory";
    let reader = |paths: &[&Path]| options.reader(function, paths);
    options.folder.open_both(function, directory.as_ref(), SEARCH, reader)
}

impl<M, F> AudioDataset<M, F> {
    /// The samples a second of all sounds.
    pub fn sampling_rate(&self) -> u32 {
        self.reader.sampling_rate
    }
}

impl<F> AudioReader<F> {
    /// The sounds of files, with as many samples as they have, at most the length that is asked
    /// for.
    fn sounds(&self, paths: &[&Path]) -> Result<Vec<Array2<f32>>> {
        paths.iter().map(|path| self.sound(path)).collect()
    }

    fn sound(&self, path: &Path) -> Result<Array2<f32>> {
        let format = decode::format(path)?;
        let other = |what, expected: String, given: String, help| {
            let (file, first) = (path.display().to_string(), self.first.display());
            let expected = format!("{expected}, as {first}");
            Err(Error::OtherAudio { file, what, expected, given, help })
        };
        if format.channels != self.channels {
            let [expected, given] = [self.channels, format.channels].map(|n| n.to_string());
            let help = "mix the channels into one, for example with `ffmpeg -i IN -ac 1 OUT.wav`";
            return other("number of channels", expected, given, help);
        }
        if format.sampling_rate != self.sampling_rate && !self.resamples {
            let [expected, given] =
                [self.sampling_rate, format.sampling_rate].map(|rate| format!("{rate} Hz"));
            let help = "give `sampling_rate`, to which all files are then resampled";
            return other("sampling rate", expected, given, help);
        }
        let rates = [format.sampling_rate, self.sampling_rate];
        let most = self.length.map(|length| resample::needed(length, rates));
        let audio = decode::decode(path, most.unwrap_or(usize::MAX))?;
        let mut samples =
            resample::resampled(audio.samples, rates).map_err(|_| Error::TooLarge {
                what: path.display().to_string(),
                given: format!("{} Hz instead of {} Hz", rates[1], rates[0]),
                help: "give a smaller `sampling_rate`",
            })?;
        if let Some(length) = self.length.filter(|&length| length < samples.nrows()) {
            samples = samples.slice_move(s![..length, ..]);
        }
        Ok(samples)
    }
}

impl FileReader for AudioReader<Padded> {
    type Batch = Array3<f32>;

    fn read(&self, paths: &[&Path]) -> Result<Array3<f32>> {
        let sounds = self.sounds(paths)?;
        let longest = sounds.iter().map(Array2::nrows).max().unwrap_or(0);
        let shape = [sounds.len(), self.length.unwrap_or(longest), self.channels];
        let elements = shape::checked_len(&shape, size_of::<f32>());
        let zeros = elements.and_then(|count| brolga_memory::filled(0.0, count).ok());
        let zeros = zeros.ok_or_else(|| Error::TooLarge {
            what: "a batch of sounds".to_owned(),
            given: shape::array_type("f32", &shape),
            help: "give a smaller `batch_size` or `output_sequence_length`",
        })?;
        let mut batch = Array3::from_shape_vec(shape, zeros).expect("as many zeros as the shape");
        for (sound, mut row) in sounds.iter().zip(batch.axis_iter_mut(Axis(0))) {
            row.slice_mut(s![..sound.nrows(), ..]).assign(sound);
        }
        Ok(batch)
    }
}

impl FileReader for AudioReader<Ragged> {
    type Batch = Vec<Array2<f32>>;

    fn read(&self, paths: &[&Path]) -> Result<Vec<Array2<f32>>> {
        self.sounds(paths)
    }
}
