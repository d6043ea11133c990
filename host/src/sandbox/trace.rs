//! The trace id of an emitted event: that of the event which made it, with its place in the chain: `<32 hex digits>-1` for
//! what an event from a source brought about, `-2` for what that brought about, and so on. A chain without an end would
//! keep the host busy for ever; this is how it is seen. Neither may a short one spread without an end: behind a dot stands how many
//! events that one may bring about in all (`-1.9`), and what it emits shares what is left of that.

/// The trace of what an event with this trace emits; the error is the number of links a chain may have.
pub fn next(trace: &str, most: u32) -> Result<String, u32> {
    let (id, place) = parts(trace);
    let place = place.saturating_add(1);
    if place > most { Err(most) } else { Ok(format!("{id}-{place}")) }
}

/// The trace with how many events its own may bring about.
pub fn with_left(trace: &str, left: u64) -> String {
    let (id, place) = parts(trace);
    format!("{id}-{place}.{left}")
}

/// How many events one with this trace may bring about; `most` where that was not said: it comes from a source.
pub fn left(trace: &str, most: u64) -> u64 {
    let place = trace.split_once('-').map_or("", |(_, place)| place);
    place.split_once('.').map_or(most, |(_, left)| left.parse().map_or(0, |left: u64| left.min(most)))
}

/// Of a batch, the trace furthest down its chain, and of those the first: what the batch emits goes on from there.
pub fn furthest<'a>(traces: impl Iterator<Item = &'a str>) -> &'a str {
    traces.fold("", |kept, trace| if kept.is_empty() || parts(trace).1 > parts(kept).1 { trace } else { kept })
}

fn parts(trace: &str) -> (&str, u32) {
    let (id, place) = trace.split_once('-').unwrap_or((trace, "0"));
    let place = place.split_once('.').map_or(place, |(place, _)| place);
    (id, place.parse().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_counts_its_links_and_ends() {
        let source = "0af7651916cd43dd8448eb211c80319c";
        let first = next(source, 2).unwrap();
        let second = next(&first, 2).unwrap();
        assert_eq!(second, format!("{source}-2"));
        assert_eq!(next(&second, 2), Err(2));
        assert_eq!(next(&with_left(&first, 7), 2), Ok(second.clone()), "whatever is left");
        assert_eq!((left(source, 10), left(&with_left(&first, 7), 10)), (10, 7));
        assert_eq!(with_left(&with_left(&first, 7), 3), with_left(&first, 3));
        assert_eq!(furthest([source, second.as_str(), first.as_str()].into_iter()), second);
    }
}
