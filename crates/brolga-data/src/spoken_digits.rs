//! Spoken digits, which the program `espeak-ng` makes in many voices, at many speeds and pitches.

use std::io::{Cursor, ErrorKind};
use std::process::Command;

use crate::audio::{Audio, decode_stream};
use crate::error::{Error, Result};

/// The English words of the digits 0 to 9.
pub const WORDS: [&str; 10] =
    ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

/// How a text is spoken. Names and ranges are those of `espeak-ng`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Voice {
    /// The language, with a variant behind `+`: `en-us+f3`. `espeak-ng --voices` lists them.
    pub name: String,
    /// Words a minute, 80 to 450.
    pub speed: u32,
    /// The pitch, 0 to 99.
    pub pitch: u32,
}

impl Voice {
    /// A voice at 175 words a minute, with the pitch 50.
    pub fn new(name: impl Into<String>) -> Voice {
        Voice { name: name.into(), speed: 175, pitch: 50 }
    }

    /// Words a minute, 80 to 450.
    pub fn speed(mut self, speed: u32) -> Voice {
        self.speed = speed;
        self
    }

    /// The pitch, 0 to 99.
    pub fn pitch(mut self, pitch: u32) -> Voice {
        self.pitch = pitch;
        self
    }
}

const PROGRAM: &str = "espeak-ng";

/// Lets `espeak-ng` speak a text: one channel of 22,050 samples a second.
///
/// ```no_run
/// use brolga_data::spoken_digits::{self, Voice, WORDS};
///
/// let voice = Voice::new("en-us+f3").speed(150);
/// let sounds = WORDS.iter().map(|word| spoken_digits::speak(word, &voice));
/// let sounds = sounds.collect::<Result<Vec<_>, _>>()?;
/// # let _ = sounds;
/// # Ok::<(), brolga_data::Error>(())
/// ```
///
/// # Errors
///
/// The program is not installed (the message says how to get it), there is no such voice, or it
/// gives no sound.
pub fn speak(text: &str, voice: &Voice) -> Result<Audio> {
    speak_with(PROGRAM, text, voice)
}

/// The same, given the program.
fn speak_with(program: &str, text: &str, voice: &Voice) -> Result<Audio> {
    let error =
        |message: String, help| Error::Program { program: program.to_owned(), message, help };
    let [speed, pitch] = [voice.speed, voice.pitch].map(|number| number.to_string());
    let arguments = ["--stdout", "-v", &voice.name, "-s", &speed, "-p", &pitch, "--", text];
    let output = Command::new(program).args(arguments).output().map_err(|failure| {
        let help = match failure.kind() {
            ErrorKind::NotFound => "install it: apt install espeak-ng    (Debian, Ubuntu)",
            _ => "check the program and the permissions",
        };
        error(failure.to_string(), help)
    })?;
    let wav = with_lengths(output.stdout);
    if !output.status.success() || wav.len() <= HEADER {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let message = if said.is_empty() { output.status.to_string() } else { said };
        return Err(error(message, "`espeak-ng --voices` lists the voices"));
    }
    decode_stream(Cursor::new(wav), program).map_err(|_| {
        error("its output is no WAV file".to_owned(), "install espeak-ng from 1.50 on")
    })
}

/// The length of the header of a WAV file.
const HEADER: usize = 44;

/// A WAV file that is written to a pipe does not know its length: the header gets it.
fn with_lengths(mut wav: Vec<u8>) -> Vec<u8> {
    let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes();
    if wav.len() >= HEADER && wav.starts_with(b"RIFF") && wav[36..40] == *b"data" {
        let [all, samples] = [length(wav.len() - 8), length(wav.len() - HEADER)];
        wav[4..8].copy_from_slice(&all);
        wav[40..HEADER].copy_from_slice(&samples);
    }
    wav
}

#[cfg(test)]
mod tests;
