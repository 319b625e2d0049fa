//! NumPy's order of shuffled lists.

use rand_mt::Mt;

/// Shuffles as `numpy.random.RandomState(seed).shuffle` does, from which Keras takes the order of
/// files: the same seed gives the same order, and so the same parts for training and validation.
pub(crate) fn shuffle<T>(seed: u32, items: &mut [T]) {
    with(&mut Mt::new(seed), items);
}

/// The order of one pass of many: another one for each number.
pub(crate) fn order_of_pass(seed: u32, pass: u32, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    with(&mut Mt::new_with_key([seed, pass]), &mut order);
    order
}

fn with<T>(random: &mut Mt, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, up_to(random, last as u64) as usize);
    }
}

/// A random number from 0 to `most`: numbers of as many bits are drawn until one is not above it.
fn up_to(random: &mut Mt, most: u64) -> u64 {
    let mask = u64::MAX >> most.leading_zeros();
    loop {
        let drawn = match u32::try_from(most) {
            Ok(_) => u64::from(random.next_u32()),
            Err(_) => random.next_u64(),
        };
        if drawn & mask <= most {
            return drawn & mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_those_of_numpy() {
        let order = |seed: u32, count: u8| {
            let mut items: Vec<u8> = (0..count).collect();
            shuffle(seed, &mut items);
            items
        };
        // RandomState(seed).shuffle(list(range(10)))
        assert_eq!(order(0, 10), [2, 8, 4, 9, 1, 6, 7, 3, 0, 5]);
        assert_eq!(order(1337, 0), Vec::<u8>::new());
        assert_eq!(order(1337, 1), [0]);
    }

    #[test]
    fn passes_differ() {
        let orders: Vec<_> = (0..3).map(|pass| order_of_pass(7, pass, 8)).collect();
        assert!(orders[0] != orders[1] && orders[1] != orders[2]);
        let mut sorted = orders[2].clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..8).collect::<Vec<_>>());
    }
}
