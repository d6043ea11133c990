//! Ids of records, as Salesforce writes them.

/// A Salesforce id in its 18 letters: of the 15 that reports and addresses show, the others tell which are capitals. `None` for
/// what is no id.
pub fn full_id(text: &str) -> Option<String> {
    if !matches!(text.len(), 15 | 18) || !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let mut full = text.to_owned();
    if text.len() == 15 {
        const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
        for five in text.as_bytes().chunks(5) {
            let capitals = five.iter().rev().fold(0, |bits, byte| bits << 1 | usize::from(byte.is_ascii_uppercase()));
            full.push(char::from(LETTERS[capitals]));
        }
    }
    Some(full)
}
