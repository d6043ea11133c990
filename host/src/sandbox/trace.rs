//! The trace id of an emitted event: that of the event which made it, with its place in the chain: `<32 hex digits>-1` for
//! what an event from a source brought about, `-2` for what that brought about, and so on. A chain without an end would
//! keep the host busy for ever; this is how it is seen.

/// The trace of what an event with this trace emits; the error is the number of links a chain may have.
pub fn next(trace: &str, most: u32) -> Result<String, u32> {
    let (id, place) = parts(trace);
    let place = place.saturating_add(1);
    if place > most { Err(most) } else { Ok(format!("{id}-{place}")) }
}

/// Of a batch, the trace furthest down its chain, and of those the first: what the batch emits goes on from there.
pub fn furthest<'a>(traces: impl Iterator<Item = &'a str>) -> &'a str {
    traces.fold("", |kept, trace| if kept.is_empty() || parts(trace).1 > parts(kept).1 { trace } else { kept })
}

fn parts(trace: &str) -> (&str, u32) {
    let (id, place) = trace.split_once('-').unwrap_or((trace, "0"));
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
        assert_eq!(furthest([source, second.as_str(), first.as_str()].into_iter()), second);
    }
}
