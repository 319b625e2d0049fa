//! Suggestions for misspelled names.

/// The candidate nearest to a name, if one is near.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near =
        |candidate: &&str| edit_distance(name, candidate) <= name.len().max(candidate.len()) / 3;
    candidates
        .into_iter()
        .filter(near)
        .min_by_key(|candidate| (edit_distance(name, candidate), *candidate))
}

/// The least number of insertions, removals, replacements and exchanges of adjacent letters that
/// turn `a` into `b`.
pub fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) =
        (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let moved = rows[i - 1][j].min(rows[i][j - 1]) + 1;
                let exchanged = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                let exchanged = if exchanged { rows[i - 2][j - 2] + 1 } else { usize::MAX };
                replaced.min(moved).min(exchanged)
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_edits() {
        assert_eq!(edit_distance("relu", "relu"), 0);
        assert_eq!(edit_distance("rleu", "relu"), 1);
        assert_eq!(edit_distance("", "relu"), 4);
        assert_eq!(edit_distance("softmx", "softmax"), 1);
    }
}
