//! The hash of texts that Keras's layers use.

const K0: u64 = 0xc3a5_c85c_97cb_3127;
const K1: u64 = 0xb492_b66f_be98_f273;
const K2: u64 = 0x9ae1_6a3b_2f90_404f;

/// FarmHash's `Fingerprint64`, which is `NaHash64`: the same number on every machine and in every
/// version. TensorFlow's `to_hash_bucket_fast` is its remainder.
///
/// Source: <https://github.com/google/farmhash>, `src/farmhash.cc`, namespace `farmhashna`.
pub(crate) fn fingerprint64(text: &[u8]) -> u64 {
    match text.len() {
        0..=16 => up_to_16(text),
        17..=32 => up_to_32(text),
        33..=64 => up_to_64(text),
        _ => longer(text),
    }
}

/// The word of 8 bytes at an offset.
fn word(text: &[u8], at: usize) -> u64 {
    text[at..at + 8].iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// The word of 4 bytes at an offset.
fn half(text: &[u8], at: usize) -> u64 {
    text[at..at + 4].iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

fn mix(x: u64) -> u64 {
    x ^ (x >> 47)
}

/// `HashLen16` with a factor.
fn pair(u: u64, v: u64, factor: u64) -> u64 {
    let a = mix((u ^ v).wrapping_mul(factor));
    mix((v ^ a).wrapping_mul(factor)).wrapping_mul(factor)
}

fn factor(length: usize) -> u64 {
    K2.wrapping_add(length as u64 * 2)
}

fn up_to_16(text: &[u8]) -> u64 {
    let length = text.len();
    match length {
        0 => K2,
        1..=3 => {
            let [first, middle, last] = [0, length >> 1, length - 1].map(|at| u64::from(text[at]));
            let y = first + (middle << 8);
            let z = length as u64 + (last << 2);
            mix(y.wrapping_mul(K2) ^ z.wrapping_mul(K0)).wrapping_mul(K2)
        }
        4..=7 => {
            let u = length as u64 + (half(text, 0) << 3);
            pair(u, half(text, length - 4), factor(length))
        }
        _ => {
            let factor = factor(length);
            let a = word(text, 0).wrapping_add(K2);
            let b = word(text, length - 8);
            let c = b.rotate_right(37).wrapping_mul(factor).wrapping_add(a);
            let d = a.rotate_right(25).wrapping_add(b).wrapping_mul(factor);
            pair(c, d, factor)
        }
    }
}

fn up_to_32(text: &[u8]) -> u64 {
    let length = text.len();
    let factor = factor(length);
    let a = word(text, 0).wrapping_mul(K1);
    let b = word(text, 8);
    let c = word(text, length - 8).wrapping_mul(factor);
    let d = word(text, length - 16).wrapping_mul(K2);
    let u = a.wrapping_add(b).rotate_right(43).wrapping_add(c.rotate_right(30)).wrapping_add(d);
    let v = a.wrapping_add(b.wrapping_add(K2).rotate_right(18)).wrapping_add(c);
    pair(u, v, factor)
}

fn up_to_64(text: &[u8]) -> u64 {
    let length = text.len();
    let factor = factor(length);
    let a = word(text, 0).wrapping_mul(K2);
    let b = word(text, 8);
    let c = word(text, length - 8).wrapping_mul(factor);
    let d = word(text, length - 16).wrapping_mul(K2);
    let y = a.wrapping_add(b).rotate_right(43).wrapping_add(c.rotate_right(30)).wrapping_add(d);
    let v = a.wrapping_add(b.wrapping_add(K2).rotate_right(18)).wrapping_add(c);
    let z = pair(y, v, factor);
    let e = word(text, 16).wrapping_mul(factor);
    let f = word(text, 24);
    let g = y.wrapping_add(word(text, length - 32)).wrapping_mul(factor);
    let h = z.wrapping_add(word(text, length - 24)).wrapping_mul(factor);
    let u = e.wrapping_add(f).rotate_right(43).wrapping_add(g.rotate_right(30)).wrapping_add(h);
    let v = e.wrapping_add(f.wrapping_add(a).rotate_right(18)).wrapping_add(g);
    pair(u, v, factor)
}

/// `WeakHashLen32WithSeeds` of 32 bytes at an offset.
fn weak(text: &[u8], at: usize, a: u64, b: u64) -> [u64; 2] {
    let [w, x, y, z] = [0, 8, 16, 24].map(|offset| word(text, at + offset));
    let a = a.wrapping_add(w);
    let b = b.wrapping_add(a).wrapping_add(z).rotate_right(21);
    let c = a;
    let a = a.wrapping_add(x).wrapping_add(y);
    let b = b.wrapping_add(a.rotate_right(44));
    [a.wrapping_add(z), b.wrapping_add(c)]
}

/// What 64 bytes change.
struct State {
    x: u64,
    y: u64,
    z: u64,
    v: [u64; 2],
    w: [u64; 2],
}

impl State {
    /// Takes in 64 bytes. The last ones, of the whole text's end, have a factor and a multiple of
    /// their own.
    fn take(&mut self, text: &[u8], at: usize, factor: u64, [of_w, of_v]: [u64; 2]) {
        let Self { x, y, z, v, w } = self;
        let sum = x.wrapping_add(*y).wrapping_add(v[0]).wrapping_add(word(text, at + 8));
        *x = sum.rotate_right(37).wrapping_mul(factor);
        let sum = y.wrapping_add(v[1]).wrapping_add(word(text, at + 48));
        *y = sum.rotate_right(42).wrapping_mul(factor);
        *x ^= w[1].wrapping_mul(of_w);
        *y = y.wrapping_add(v[0].wrapping_mul(of_v)).wrapping_add(word(text, at + 40));
        *z = z.wrapping_add(w[0]).rotate_right(33).wrapping_mul(factor);
        *v = weak(text, at, v[1].wrapping_mul(factor), x.wrapping_add(w[0]));
        let b = y.wrapping_add(word(text, at + 16));
        *w = weak(text, at + 32, z.wrapping_add(w[1]), b);
        std::mem::swap(z, x);
    }
}

fn longer(text: &[u8]) -> u64 {
    const SEED: u64 = 81;
    let length = text.len();
    let y = SEED.wrapping_mul(K1).wrapping_add(113);
    let z = mix(y.wrapping_mul(K2).wrapping_add(113)).wrapping_mul(K2);
    let x = SEED.wrapping_mul(K2).wrapping_add(word(text, 0));
    let mut state = State { x, y, z, v: [0; 2], w: [0; 2] };
    for at in (0..length - 1).step_by(64).take((length - 1) / 64) {
        state.take(text, at, K1, [1, 1]);
    }
    let factor = K1.wrapping_add((state.z & 0xff) << 1);
    state.w[0] = state.w[0].wrapping_add((length as u64 - 1) & 63);
    state.v[0] = state.v[0].wrapping_add(state.w[0]);
    state.w[0] = state.w[0].wrapping_add(state.v[0]);
    state.take(text, length - 64, factor, [9, 9]);
    let State { x, y, z, v, w } = state;
    let u = pair(v[0], w[0], factor).wrapping_add(mix(y).wrapping_mul(K0)).wrapping_add(z);
    pair(u, pair(v[1], w[1], factor).wrapping_add(x), factor)
}
