//! The levels of the machine's memory.

/// A level of the machine's memory, from the nearest cache to the memory itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Level {
    /// `L1`, `L2`, `L3` or `memory`.
    pub name: &'static str,
    /// How many bytes each thread has of it; everything fits the memory.
    pub bytes: usize,
    /// The bytes of a thread's set by which the level is measured: too many for the level before,
    /// few enough for this one.
    pub measured: usize,
}

/// Names of the caches by their number.
const CACHES: [&str; 3] = ["L1", "L2", "L3"];
/// Sizes where the system does not tell them: what most machines have at least.
const USUAL: [(usize, usize); 2] = [(1, 32 << 10), (2, 512 << 10)];

/// The levels that each of so many threads has, the nearest first. A cache that threads share is
/// divided among them. Where the system does not tell its caches, usual sizes are taken.
#[must_use]
pub fn levels(threads: usize) -> Vec<Level> {
    let mut caches: Vec<(usize, usize)> =
        (0..8).filter_map(|index| cache(index, threads)).collect();
    if caches.is_empty() {
        caches = USUAL.to_vec();
    }
    of_caches(&mut caches)
}

fn of_caches(caches: &mut Vec<(usize, usize)>) -> Vec<Level> {
    caches.sort_unstable();
    caches.dedup_by_key(|&mut (number, _)| number);
    // A share that is no larger than the cache before is no level of its own.
    caches.dedup_by(|next, before| next.1 <= before.1);
    let mut levels: Vec<Level> = vec![];
    for &(number, bytes) in &*caches {
        let Some(name) = number.checked_sub(1).and_then(|index| CACHES.get(index)) else {
            continue;
        };
        // Half of a cache leaves room for what else is in it; of a large one that strangers may
        // share, less is enough.
        let enough = levels.last().map_or(usize::MAX, |before| 4 * before.bytes);
        levels.push(Level { name, bytes, measured: enough.min(bytes / 2) });
    }
    let last = levels.last().map_or(0, |level| level.bytes);
    let measured = last.saturating_mul(4).clamp(16 << 20, 256 << 20);
    levels.push(Level { name: "memory", bytes: usize::MAX, measured });
    levels
}

/// Number and size for each thread of a cache that holds data, as Linux tells it.
fn cache(index: usize, threads: usize) -> Option<(usize, usize)> {
    let read = |what: &str| {
        std::fs::read_to_string(format!("/sys/devices/system/cpu/cpu0/cache/index{index}/{what}"))
            .ok()
    };
    if read("type")?.trim() == "Instruction" {
        return None;
    }
    let number = read("level")?.trim().parse().ok()?;
    let sharers = read("shared_cpu_list").and_then(|list| count(list.trim())).unwrap_or(1);
    Some((number, size(read("size")?.trim())? / sharers.min(threads).max(1)))
}

/// A size as `32K` or `16M`.
fn size(text: &str) -> Option<usize> {
    let unit = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    let shift = match unit {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        _ => return None,
    };
    number.parse::<usize>().ok()?.checked_mul(1 << shift)
}

/// How many processors a list like `0-3,8` names.
fn count(list: &str) -> Option<usize> {
    list.split(',').try_fold(0_usize, |sum, part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        sum.checked_add(last.checked_sub(first)?.checked_add(1)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_tells_is_read() {
        assert_eq!(
            ["48K", "2M", "512", "1T", "K"].map(size),
            [Some(48 << 10), Some(2 << 20), Some(512), None, None]
        );
        assert_eq!(
            ["0", "0-3", "0-1,8-9", "", "3-1"].map(count),
            [Some(1), Some(4), Some(4), None, None]
        );
    }

    #[test]
    fn sets_lie_between_one_level_and_the_next() {
        let levels = of_caches(&mut vec![(3, 16 << 20), (1, 32 << 10), (2, 512 << 10)]);
        let told: Vec<_> = levels.iter().map(|level| (level.name, level.measured >> 10)).collect();
        assert_eq!(told, [("L1", 16), ("L2", 128), ("L3", 2048), ("memory", 65536)]);
        // So many threads that nothing is left of the last cache.
        let levels = of_caches(&mut vec![(1, 32 << 10), (2, 512 << 10), (3, 256 << 10)]);
        assert_eq!(
            levels.iter().map(|level| level.name).collect::<Vec<_>>(),
            ["L1", "L2", "memory"]
        );
    }

    #[test]
    fn every_machine_has_levels() {
        for threads in [1, 2, 1000] {
            let levels = levels(threads);
            assert!(
                levels.is_sorted_by(|a, b| a.bytes < b.bytes && a.measured < b.measured),
                "{levels:?}"
            );
            assert_eq!(levels.last().map(|level| level.name), Some("memory"));
        }
    }
}
