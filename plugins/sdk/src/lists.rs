//! Long lists in few requests: a query stands in an address, and an address has a length. Salesforce takes 16,384
//! characters, `https://` and the host's name among them; B1 8,190 in one line, which is its web server's own limit.

use crate::b1::encode;

/// Characters of a query's address below the host's name.
pub const SALESFORCE: usize = 15_500;
/// The same of B1; far below what its server takes, since a proxy before it may take less.
pub const B1: usize = 3_500;

/// Characters of a text as it stands in an address. A quote goes out as `%27`, whoever writes the address.
pub fn length(text: &str) -> usize {
    encode(text).len() + 2 * text.matches('\'').count()
}

/// The items in runs of at most `count`, each as long as `room` allows: an item counts as it stands in an address, with
/// `joint` more between it and the next. One that is too long by itself stands alone.
pub fn runs(items: &[String], joint: usize, room: usize, count: usize) -> Vec<&[String]> {
    let mut runs = Vec::new();
    let (mut begin, mut size) = (0, 0);
    for (place, item) in items.iter().enumerate() {
        let own = length(item) + joint;
        if place > begin && (size + own > room || place - begin >= count) {
            runs.push(&items[begin..place]);
            (begin, size) = (place, 0);
        }
        size += own;
    }
    if begin < items.len() {
        runs.push(&items[begin..]);
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_goes_in_runs_that_fit_and_none_is_lost() {
        let ids: Vec<String> = (0..2_000).map(|n| format!("'0065g000000{n:07}'")).collect();
        let found = runs(&ids, 1, 1_000, usize::MAX);
        assert!(found.iter().all(|run| run.iter().map(|id| id.len() + 5).sum::<usize>() <= 1_000));
        assert_eq!(found.concat(), ids);
        assert_eq!(runs(&ids, 1, usize::MAX, 25).len(), 80);
        assert!(runs(&[], 1, 10, 10).is_empty());
    }

    #[test]
    fn letters_count_as_they_stand_in_an_address() {
        let names = vec!["北京贸易".repeat(10); 4];
        assert_eq!(runs(&names, 1, 800, 10).len(), 2, "40 letters are 360 characters");
        let endless = vec!["x".repeat(900), "y".into()];
        assert_eq!(runs(&endless, 1, 800, 10).len(), 2, "too long by itself: alone");
    }
}
