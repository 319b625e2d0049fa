//! Philox 4x32-10, the counter-based random number generator of Salmon, Moraes, Dror and Shaw,
//! "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), and the numbering of a tensor's random
//! bits.

use super::{Lanes, ScalarF32};

/// The number of consecutive elements that sixteen calls with consecutive counters give (see
/// [`random_bits_at`]).
pub const PHILOX_BLOCK: usize = 64;

/// The number of rounds of [`philox4x32`].
pub const PHILOX_ROUNDS: usize = 10;
/// The factors of the words 0 and 2 in each round.
pub const PHILOX_MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// The increments of the key between rounds: the golden ratio and √3 − 1, as fractions of 2³².
pub const PHILOX_WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// Philox 4x32-10: four random words from a counter of four words and a key of two.
///
/// A round multiplies words 0 and 2 by constants. The upper halves of the products, mixed with
/// words 3 and 1 and the key, become words 2 and 0; the lower halves become words 3 and 1. The key
/// grows by a constant between the ten rounds.
///
/// Integer lanes must have 32 bits, so that [`Lanes::imul`] gives the lower half of a product.
///
/// Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
pub fn philox4x32<L: Lanes>(l: &mut L, counter: [L::I; 4], key: [L::I; 2]) -> [L::I; 4] {
    let multipliers = PHILOX_MULTIPLIERS.map(|value| l.int(value.into()));
    let weyl = PHILOX_WEYL.map(|value| l.int(value.into()));
    let mut words = counter;
    let mut key = key;
    for round in 0..PHILOX_ROUNDS {
        if round > 0 {
            key = [l.iadd(key[0], weyl[0]), l.iadd(key[1], weyl[1])];
        }
        let high = [l.umulhi(multipliers[0], words[0]), l.umulhi(multipliers[1], words[2])];
        let low = [l.imul(multipliers[0], words[0]), l.imul(multipliers[1], words[2])];
        let mixed = [l.ixor(high[1], words[1]), l.ixor(high[0], words[3])];
        words = [l.ixor(mixed[0], key[0]), low[1], l.ixor(mixed[1], key[1]), low[0]];
    }
    words
}

/// The random bits of one element of a tensor.
///
/// Element e is word ⌊(e mod 64) / 16⌋ of the [`philox4x32`] call with
///
/// * counter words 0 and 1: ⌊e / 64⌋·16 + e mod 16, low and high half,
/// * counter word 2: the step of the training, counter word 3: the stream (which op asks),
/// * key: the seed, low and high half.
///
/// Sixteen lanes with consecutive counters therefore give four vectors of sixteen consecutive
/// elements, a block of [`PHILOX_BLOCK`].
pub fn random_bits_at(seed: [u32; 2], step: u32, stream: u32, element: u64) -> u32 {
    let block = PHILOX_BLOCK as u64;
    let lanes = block / 4;
    let call = element / block * lanes + element % lanes;
    let counter = [call as u32, (call >> 32) as u32, step, stream].map(|word| word as i32);
    let key = seed.map(|word| word as i32);
    let words = philox4x32(&mut ScalarF32, counter, key);
    words[(element % block / lanes) as usize] as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
        let counter = counter.map(|word| word as i32);
        philox4x32(&mut ScalarF32, counter, key.map(|word| word as i32)).map(|word| word as u32)
    }

    /// The lines `philox4x32 10` of `kat_vectors` in the authors' library Random123.
    #[test]
    fn known_answers() {
        assert_eq!(words([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(
            words([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            words([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn an_element_is_the_word_that_the_layout_names() {
        let (seed, step, stream) = ([7, 8], 9, 10);
        for (element, call, word) in [
            (0_u64, [0, 0], 0),
            (15, [15, 0], 0),
            (16, [0, 0], 1),
            (63, [15, 0], 3),
            (64, [16, 0], 0),
            (64 * 5 + 37, [85, 0], 2),
            (1 << 34, [0, 1], 0),
            ((1 << 34) - 1, [u32::MAX, 0], 3),
        ] {
            let expected = words([call[0], call[1], step, stream], seed)[word];
            assert_eq!(random_bits_at(seed, step, stream, element), expected, "element {element}");
        }
    }

    #[test]
    fn no_two_elements_of_a_tensor_share_a_word() {
        let mut bits: Vec<_> = (0..4096).map(|e| random_bits_at([1, 2], 3, 4, e)).collect();
        bits.sort_unstable();
        bits.dedup();
        // Of 4096 random words, two are equal with probability 0.2 %; these are not.
        assert_eq!(bits.len(), 4096);
    }

    #[test]
    fn seed_step_and_stream_all_count() {
        let bits = |seed, step, stream| -> Vec<u32> {
            (0..64).map(|element| random_bits_at(seed, step, stream, element)).collect()
        };
        let base = bits([1, 2], 3, 4);
        for other in
            [bits([0, 2], 3, 4), bits([1, 0], 3, 4), bits([1, 2], 0, 4), bits([1, 2], 3, 0)]
        {
            assert!(base.iter().zip(&other).all(|(a, b)| a != b));
        }
    }
}
