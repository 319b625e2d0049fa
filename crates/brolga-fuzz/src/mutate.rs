//! Damaged inputs: bytes, tokens, numbers, nesting.

use brolga_ir::draw::Rng;

/// Numbers at the limits of types and shapes, and nonsensical ones.
const NUMBERS: [&str; 26] = [
    "0",
    "1",
    "2",
    "3",
    "8",
    "9",
    "63",
    "64",
    "65",
    "255",
    "256",
    "-1",
    "-0",
    "0.5",
    "1e400",
    "nan",
    "-inf",
    "2147483647",
    "4294967296",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "35184372088832",
    "1e-46",
    "00",
];

/// The opening, the content and the end of a nested level.
const LEVELS: [(&str, &str); 7] = [
    ("[", "]"),
    ("(", ")"),
    ("{", "}"),
    ("{a=", "}"),
    ("\"", "\\"),
    ("%0: f32[2] = kernel %x {kind=\"rows\"} k(%x: f32[2]) { ", " return %x }\n"),
    ("graph g() {\n", "}\n"),
];

/// One of the seeds with up to eight damages.
pub(crate) fn mutated(rng: &mut Rng, seeds: &[Vec<u8>], words: &[&str]) -> Vec<u8> {
    let mut bytes = rng.pick(seeds);
    for _ in 0..rng.pick(&[1, 1, 2, 3, 5, 8]) {
        match rng.below(8) {
            0 | 1 => bytes = damaged(rng, bytes),
            2 => bytes = spliced(rng, &bytes, &rng.clone().pick(seeds)),
            _ => bytes = reworded(rng, &bytes, words),
        }
    }
    bytes
}

/// Single bytes and runs of them.
fn damaged(rng: &mut Rng, mut bytes: Vec<u8>) -> Vec<u8> {
    const BYTES: [u8; 12] = [0, b'\n', b'"', b'\\', b'{', b']', b'%', 0x7f, 0x80, 0xc3, 0xe2, 0xff];
    let at = rng.below(bytes.len() + 1);
    let length = rng.pick(&[1, 1, 2, 5, 40]).min(bytes.len() - at);
    match rng.below(6) {
        0 => bytes.truncate(at),
        1 => {
            bytes.drain(at..at + length);
        }
        2 => {
            let copy = bytes[at..at + length].to_vec();
            let to = rng.below(bytes.len() + 1);
            bytes.splice(to..to, copy);
        }
        3 => bytes.insert(at, rng.pick(&BYTES)),
        4 if at < bytes.len() => bytes[at] = rng.next_u64() as u8,
        _ if at < bytes.len() => bytes[at] ^= 1 << rng.below(8),
        _ => {}
    }
    bytes
}

/// The beginning of one and the end of another.
fn spliced(rng: &mut Rng, first: &[u8], second: &[u8]) -> Vec<u8> {
    let (a, b) = (rng.below(first.len() + 1), rng.below(second.len() + 1));
    [&first[..a], &second[b..]].concat()
}

/// Words, numbers and marks.
fn reworded(rng: &mut Rng, bytes: &[u8], words: &[&str]) -> Vec<u8> {
    let mut tokens: Vec<Vec<u8>> = tokens(bytes);
    if tokens.is_empty() {
        return bytes.to_vec();
    }
    let count = tokens.len();
    let at = rng.below(count);
    let is_number = |token: &Vec<u8>| token.first().is_some_and(u8::is_ascii_digit);
    match rng.below(8) {
        0 => tokens.swap(at, rng.below(count)),
        1 => {
            tokens.remove(at);
        }
        2 => {
            let end = (at + rng.between(1, 12)).min(count);
            let copy = tokens[at..end].to_vec();
            let to = rng.below(count + 1);
            tokens.splice(to..to, copy);
        }
        3 => tokens[at] = rng.pick(words).into(),
        4 => tokens.insert(at, rng.pick(words).into()),
        5 => {
            let (open, close) = rng.pick(&LEVELS);
            let levels = match rng.below(200) {
                0 => 5_000,
                _ => rng.pick(&[1, 2, 3, 63, 64, 65, 200]),
            };
            tokens.insert(at, open.repeat(levels).into());
            if rng.one_in(2) {
                let end = rng.between(at + 1, tokens.len());
                tokens.insert(end, close.repeat(levels).into());
            }
        }
        _ => {
            let numbers: Vec<usize> = (0..count).filter(|&i| is_number(&tokens[i])).collect();
            if !numbers.is_empty() {
                let index = rng.pick(&numbers);
                tokens[index] = rng.pick(&NUMBERS).into();
            }
        }
    }
    tokens.concat()
}

/// Runs of letters and digits, of blanks, and single other bytes.
fn tokens(bytes: &[u8]) -> Vec<Vec<u8>> {
    let kind = |byte: &u8| match byte {
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'.' => 1,
        byte if byte.is_ascii_whitespace() => 2,
        _ => 0,
    };
    bytes.chunk_by(|a, b| kind(a) != 0 && kind(a) == kind(b)).map(<[u8]>::to_vec).collect()
}
