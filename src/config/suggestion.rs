//! "Did you mean": the nearest of the names that would have been right.

/// The candidate nearest to `typed`, if one is near enough to be meant.
pub(super) fn nearest<'a>(
    typed: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let typed = typed.to_ascii_lowercase();
    // One slip in short names, up to three in long ones; more is another word.
    let allowed = (typed.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (distance(&typed, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edit distance in insertions, deletions, replacements and swaps of neighbours (the optimal
/// string alignment distance).
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &to) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(from != to);
            let mut best = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            let swapped = i > 0 && j > 0 && from == b[j - 1] && a[i - 1] == to;
            if swapped {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_slips() {
        assert_eq!(distance("horizon", "horizon"), 0);
        assert_eq!(distance("horizn", "horizon"), 1);
        assert_eq!(distance("hroizon", "horizon"), 1);
        assert_eq!(distance("", "url"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn suggests_only_what_is_near() {
        let keys = ["url", "name", "password", "creds_file"];
        assert_eq!(nearest("pasword", keys), Some("password"));
        assert_eq!(nearest("URL", keys), Some("url"));
        assert_eq!(nearest("timeout", keys), None);
        assert_eq!(nearest("", keys), None);
    }
}
