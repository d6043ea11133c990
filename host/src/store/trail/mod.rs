//! The chain of the audit trail: each line is bound by a hash to all lines before it, so that one that was changed or is missing shows.
//! How it is reckoned stands in the operator guide (*The audit trail*), so that others can check an export with tools of their own.
//!
//! What may tell of a person (who, to what, why, from where, with which program) is hashed apart, text by text and with salt: a text goes, its hash
//! stays, and the chain holds.

mod verify;

use std::fmt;
use std::str::FromStr;

use ring::digest::{Context, SHA256};
use serde::{Serialize, Serializer};

pub use self::verify::{Break, PAGE, Verdict, Verifier, Wrong, verify};
use super::Millis;

/// What is hashed first: another way of reckoning has another word.
pub const KIND: &str = "tandem audit 1";
/// The line that says that those before it got their hashes when it was written, and which they are.
pub const CHAINED: &str = "audit.chain";
/// The line that says of which line a text was taken out.
pub const MASKED: &str = "audit.mask";
/// What stands before the hash of a text that was taken out.
const HASHED: &str = "hashed:";
/// Bytes of a salt.
pub const SALT: usize = 16;
/// The texts that are hashed apart, in their order.
pub const TEXTS: [&str; 5] = ["who", "what", "why", "address", "client"];

/// A SHA-256, 64 hex digits to people.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Stands before the first line.
    pub const NONE: Self = Self([0; 32]);

    /// Of these bytes, one behind the other.
    fn of(parts: &[&[u8]]) -> Self {
        let mut context = Context::new(&SHA256);
        parts.iter().for_each(|part| context.update(part));
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        Self(hash)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("a hash has 64 digits of 0-9 and a-f, and {text:?} has not");
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return Err(wrong());
        }
        let mut hash = [0; 32];
        for (own, [high, low]) in hash.iter_mut().zip(pairs) {
            *own = digit(*high).zip(digit(*low)).map(|(high, low)| high << 4 | low).ok_or_else(wrong)?;
        }
        Ok(Self(hash))
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Bytes as hex digits.
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A text that is hashed apart.
#[derive(Clone, Debug, PartialEq)]
pub enum Text {
    /// There was none.
    None,
    /// It is there.
    Told {
        /// What it says.
        text: String,
        /// Without which nobody guesses it from its hash.
        salt: [u8; SALT],
    },
    /// It was taken out.
    Hashed(Hash),
}

impl Text {
    /// As a row keeps it; none where no Tandem has written that.
    pub fn of_row(text: Option<&str>, salt: [u8; SALT]) -> Option<Self> {
        match (text, salt == [0; SALT]) {
            (None, true) => Some(Self::None),
            (None, false) => None,
            (Some(text), true) => Some(Self::Hashed(text.strip_prefix(HASHED)?.parse().ok()?)),
            (Some(text), false) => Some(Self::Told { text: text.to_owned(), salt }),
        }
    }

    /// The same, to be kept.
    pub fn into_row(self) -> (Option<String>, [u8; SALT]) {
        match self {
            Self::None => (None, [0; SALT]),
            Self::Told { text, salt } => (Some(text), salt),
            Self::Hashed(hash) => (Some(format!("{HASHED}{hash}")), [0; SALT]),
        }
    }

    /// What it says, where it is there.
    pub fn told(&self) -> Option<&str> {
        match self {
            Self::Told { text, .. } => Some(text),
            Self::None | Self::Hashed(_) => None,
        }
    }

    fn digest(&self) -> Hash {
        match self {
            Self::None => Hash::NONE,
            Self::Told { text, salt } => Hash::of(&[salt, text.as_bytes()]),
            Self::Hashed(hash) => *hash,
        }
    }

    /// Its hash in its place.
    pub fn masked(&self) -> Self {
        match self {
            Self::None => Self::None,
            text => Self::Hashed(text.digest()),
        }
    }
}

/// One line, as it is hashed.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its number.
    pub id: i64,
    /// When.
    pub at: Millis,
    /// By which way.
    pub via: String,
    /// What was done.
    pub act: String,
    /// What became of it.
    pub outcome: String,
    /// See [`TEXTS`].
    pub texts: [Text; TEXTS.len()],
}

impl Line {
    /// The hash of its texts.
    pub fn leaf(&self) -> Hash {
        let digests = self.texts.each_ref().map(Text::digest);
        Hash::of(&digests.each_ref().map(|digest| digest.0.as_slice()))
    }

    /// Its hash, which is that of all lines until it; `before`: that of the line before it.
    pub fn chain(&self, before: Hash) -> Hash {
        let Self { id, at, via, act, outcome, .. } = self;
        let plain = format!("{KIND}\n{id}\n{at}\n{via}\n{act}\n{outcome}");
        Hash::of(&[&before.0, &self.leaf().0, plain.as_bytes()])
    }

    /// With hashes in place of all texts.
    pub fn masked(mut self) -> Self {
        self.texts = self.texts.each_ref().map(Text::masked);
        self
    }

    /// Texts that were taken out.
    pub fn hashed(&self) -> Vec<&'static str> {
        let own = TEXTS.into_iter().zip(&self.texts);
        own.filter(|(_, text)| matches!(text, Text::Hashed(_))).map(|(name, _)| name).collect()
    }

    fn what(&self) -> Option<&str> {
        self.texts[1].told()
    }
}

/// A line as it stands in the database, whatever somebody has made of it.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its number.
    pub id: i64,
    /// When, where that can be read.
    pub at: Option<Millis>,
    /// What it says; none where no Tandem has written that.
    pub line: Option<Line>,
    /// Its hash; none where it has none.
    pub chain: Option<Hash>,
}

/// Some lines, in the order of their numbers.
#[derive(Clone, Debug)]
pub struct Page {
    /// Which.
    pub lines: Vec<Found>,
    /// The last number that was given to a line.
    pub given: i64,
}

/// The end of the trail: who keeps it sees later whether anything before it was changed, or cut off.
#[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
pub struct Head {
    /// The newest line.
    pub line: i64,
    /// When that was.
    pub at: Millis,
    /// Its hash.
    pub head: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        let told = |text: &str, salt: u8| Text::Told { text: text.into(), salt: [salt; SALT] };
        Line {
            id: 7,
            at: 1_767_225_600_000,
            via: "session".into(),
            act: "review.answer".into(),
            outcome: "done".into(),
            texts: [told("anna", 1), told("event 12", 2), told("für Müller", 3), Text::None, Text::None],
        }
    }

    #[test]
    fn a_hash_is_written_in_one_way_only() {
        let hash = line().leaf();
        assert_eq!(hash.to_string().parse(), Ok(hash));
        for wrong in ["", "ab", &hash.to_string().to_uppercase(), &format!("{hash}0"), &"ü".repeat(32)] {
            assert!(wrong.parse::<Hash>().is_err(), "{wrong}");
        }
    }

    /// What was handed out is checked by programs of others: it stays.
    #[test]
    fn it_is_reckoned_as_the_guide_says() {
        let own = line();
        assert_eq!(own.leaf().to_string(), LEAF);
        assert_eq!(own.chain(Hash::NONE).to_string(), CHAIN);
    }

    const LEAF: &str = "50ec0c2869edfc012f5437e9e78fa63f09e95172e0408c9d5c917d7352937031";
    const CHAIN: &str = "6e8a187d81cb5b031191b03702ec388126d6b7d681b29eef15e7ebe4daba7097";

    #[test]
    fn a_line_whose_texts_were_taken_out_has_the_hash_that_it_had() {
        let (own, masked) = (line(), line().masked());
        assert_eq!((masked.leaf(), masked.chain(own.leaf())), (own.leaf(), own.chain(own.leaf())));
        assert_eq!(masked.hashed(), ["who", "what", "why"]);
        for text in own.texts.iter().chain(&masked.texts) {
            let (kept, salt) = text.clone().into_row();
            assert_eq!(Text::of_row(kept.as_deref(), salt).as_ref(), Some(text));
        }
        assert_eq!(Text::of_row(Some("anna"), [0; SALT]), None, "a text without salt was never written");
    }
}
