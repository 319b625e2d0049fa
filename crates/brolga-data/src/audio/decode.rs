//! From a file to samples.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek};
use std::path::Path;

use ndarray::Array2;

use crate::error::{Error, Result};

/// The samples of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Audio {
    /// The samples, `[samples, channels]`, from −1 up to 1.
    pub samples: Array2<f32>,
    /// The samples a second.
    pub sampling_rate: u32,
}

/// What a file says of its samples.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    pub(super) sampling_rate: u32,
    pub(super) channels: usize,
}

/// Reads a WAV file (PCM of 8 to 32 bits, or `f32`) or a FLAC file; which of them follows from the
/// content. Samples of b bits are divided by 2ᵇ⁻¹, as `tf.audio.decode_wav` does.
///
/// # Errors
///
/// The file cannot be read or decoded, or its samples do not fit into memory.
pub fn read_audio(path: impl AsRef<Path>) -> Result<Audio> {
    decode(path.as_ref(), usize::MAX)
}

/// The highest rate that is taken for one.
const MOST_HERTZ: u32 = 1 << 24;

/// What the head of a file says.
pub(super) fn format(path: &Path) -> Result<Format> {
    Ok(open(path)?.format())
}

/// Reads at most so many samples of each channel.
pub(super) fn decode(path: &Path, most: usize) -> Result<Audio> {
    decoded(open(path)?, &path.display().to_string(), most)
}

/// Reads a WAV or FLAC file from a stream, which messages call by this name.
pub(crate) fn decode_stream(stream: impl Read + Seek, name: &str) -> Result<Audio> {
    decoded(Decoder::new(stream, name)?, name, usize::MAX)
}

fn open(path: &Path) -> Result<Decoder<BufReader<File>>> {
    let file = File::open(path).map_err(|error| Error::io(path.display(), error))?;
    Decoder::new(BufReader::new(file), &path.display().to_string())
}

fn decoded<R: Read + Seek>(decoder: Decoder<R>, name: &str, most: usize) -> Result<Audio> {
    let Format { sampling_rate, channels } = decoder.format();
    let mut samples = decoder.samples(name, most.saturating_mul(channels))?;
    let shape = [samples.len() / channels, channels];
    samples.truncate(shape[0] * channels);
    let samples = Array2::from_shape_vec(shape, samples).expect("whole frames");
    Ok(Audio { samples, sampling_rate })
}

/// A file whose head has been read.
enum Decoder<R: Read> {
    Wav(hound::WavReader<R>),
    Flac(claxon::FlacReader<R>),
}

/// What a decoder says of a file.
enum Failure {
    Io(std::io::Error),
    Format(String),
}

impl From<hound::Error> for Failure {
    fn from(error: hound::Error) -> Failure {
        match error {
            hound::Error::IoError(error) => Failure::Io(error),
            error => Failure::Format(error.to_string()),
        }
    }
}

impl From<claxon::Error> for Failure {
    fn from(error: claxon::Error) -> Failure {
        match error {
            claxon::Error::IoError(error) => Failure::Io(error),
            error => Failure::Format(error.to_string()),
        }
    }
}

impl Failure {
    /// The error of a file. A decoder reports the end of a file as an error of the system.
    fn of(self, name: &str) -> Error {
        let file = name.to_owned();
        match self {
            Failure::Io(error)
                if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::Other) =>
            {
                Error::Audio { file, message: "the file ends too early".to_owned() }
            }
            Failure::Io(error) => Error::io(file, error),
            Failure::Format(message) => Error::Audio { file, message },
        }
    }
}

impl<R: Read + Seek> Decoder<R> {
    fn new(mut file: R, name: &str) -> Result<Decoder<R>> {
        let io = |error| Error::io(name, error);
        let mut magic = [0; 4];
        let is_flac = match file.read_exact(&mut magic) {
            Ok(()) => &magic == b"fLaC",
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => false,
            Err(error) => return Err(io(error)),
        };
        file.rewind().map_err(io)?;
        let failed = |failure: Failure| failure.of(name);
        let decoder = if is_flac {
            Decoder::Flac(claxon::FlacReader::new(file).map_err(|error| failed(error.into()))?)
        } else {
            Decoder::Wav(hound::WavReader::new(file).map_err(|error| failed(error.into()))?)
        };
        let Format { sampling_rate, channels } = decoder.format();
        if sampling_rate == 0 || sampling_rate > MOST_HERTZ || channels == 0 {
            let message = format!("{channels} channels of {sampling_rate} Hz");
            return Err(failed(Failure::Format(message)));
        }
        Ok(decoder)
    }

    fn format(&self) -> Format {
        let (sampling_rate, channels) = match self {
            Decoder::Wav(wav) => (wav.spec().sample_rate, wav.spec().channels as usize),
            Decoder::Flac(flac) => {
                (flac.streaminfo().sample_rate, flac.streaminfo().channels as usize)
            }
        };
        Format { sampling_rate, channels }
    }

    /// At most so many samples, the channels side by side.
    fn samples(self, name: &str, most: usize) -> Result<Vec<f32>> {
        match self {
            Decoder::Wav(wav) => {
                let spec = wav.spec();
                match spec.sample_format {
                    hound::SampleFormat::Float => collected(wav.into_samples(), name, most),
                    hound::SampleFormat::Int => {
                        let unit = scale(u32::from(spec.bits_per_sample));
                        let samples = wav.into_samples::<i32>();
                        collected(
                            samples.map(|x| Ok::<_, hound::Error>(x? as f32 * unit)),
                            name,
                            most,
                        )
                    }
                }
            }
            Decoder::Flac(mut flac) => {
                let unit = scale(flac.streaminfo().bits_per_sample);
                let samples = flac.samples().map(|x| Ok::<_, claxon::Error>(x? as f32 * unit));
                collected(samples, name, most)
            }
        }
    }
}

/// The value of the lowest of these bits: the highest one is the sign.
fn scale(bits: u32) -> f32 {
    (1.0 - bits as f32).exp2()
}

/// The samples, for which room is made while they come: a file may claim any length.
fn collected<E: Into<Failure>>(
    samples: impl Iterator<Item = std::result::Result<f32, E>>,
    name: &str,
    most: usize,
) -> Result<Vec<f32>> {
    let mut all = Vec::new();
    for sample in samples.take(most) {
        if all.len() == all.capacity() {
            brolga_memory::reserve(&mut all, 1 << 16).map_err(|_| Error::TooLarge {
                what: name.to_owned(),
                given: format!("more than {} samples", all.len()),
                help: "cut the file, or give `output_sequence_length`",
            })?;
        }
        all.push(sample.map_err(|error| error.into().of(name))?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_scale_is_one() {
        assert_eq!(
            [8, 16, 24, 32].map(scale),
            [1.0 / 128.0, 1.0 / 32768.0, 1.0 / 8388608.0, 1.0 / 2147483648.0]
        );
    }
}
