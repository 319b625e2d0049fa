//! Suggestions for misspelled names.

/// The candidate nearest to a name, if one is near: no more than a third of the letters is wrong.
/// Upper and lower case are the same.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let far = |candidate: &str| edit_distance(&name, &candidate.to_lowercase());
    let near =
        |&(distance, candidate): &(usize, &str)| distance <= name.len().max(candidate.len()) / 3;
    let all = candidates.into_iter().map(|candidate| (far(candidate), candidate));
    all.filter(near).min().map(|(_, candidate)| candidate)
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

    #[test]
    fn near_names_share_most_letters() {
        assert_eq!(nearest("softmx", ["relu", "softmax"]), Some("softmax"));
        assert_eq!(nearest("Dence", ["Dot", "Dense"]), Some("Dense"));
        assert_eq!(nearest("DENSE", ["Dense"]), Some("Dense"));
        assert_eq!(nearest("l1", ["l2"]), None);
        assert_eq!(nearest("x", ["y"]), None);
        assert_eq!(nearest("lora_rank", ["units", "name"]), None);
    }
}
