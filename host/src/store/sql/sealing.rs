//! Values sealed with a key that lies outside the database: who has its file, or a backup, and not the key reads nobody's data.
//!
//! SQL seals and opens them itself, by two functions: `seal(name, row …, value)` and `unseal(name, row …, value)`. Name and
//! row are bound into what is sealed, so that a value moved to another place does not open. Without a key values are kept as they are; what was kept so
//! before a key was given stays readable. Ids, keys, dedup ids, states and times stay plain: they are looked for.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac};

use super::statement::{Connection, NONE, params};
use super::value::{Value, ValueRef};
use crate::store::{Millis, Result, StoreError};

/// What a sealed value begins with: no text, and no packed journal does.
const MAGIC: &[u8; 4] = b"TSv1";
/// Bytes of a key's id.
const ID: usize = 8;
/// Header: magic, id, nonce.
const HEADER: usize = MAGIC.len() + ID + NONCE_LEN;
/// Bytes of a key.
const KEY: usize = 32;
/// Below so many bytes packing gains nothing.
const PACKED_FROM: usize = 256;
const LEVEL: i32 = 3;
/// What is sealed begins with how it was: packed, and text or bytes.
const PACKED: u8 = 1;
const BYTES: u8 = 2;
/// Between two looks at where the keys are kept: a key that was added while the host runs is taken up.
const LOOK: Duration = Duration::from_secs(1);
/// What errors of a missing key begin with, as SQLite hands them on.
pub(in crate::store) const NO_KEY: &str = "sealed with another key: ";

/// Reads the text of the keys, whenever it is asked: one key a line, base64 of 32 bytes; the first seals, all open.
type Source = Box<dyn Fn() -> std::result::Result<String, String> + Send + Sync>;

/// The keys of a store, or none.
#[derive(Clone, Default)]
pub struct Keys(Option<Arc<Kept>>);

struct Kept {
    source: Source,
    ring: RwLock<Arc<Ring>>,
    looked: Mutex<Instant>,
    /// Why the keys that are there now are not taken up.
    refused: Mutex<Option<String>>,
}

/// Keys, as they were read at one time.
pub(super) struct Ring {
    text: String,
    keys: Vec<Key>,
}

struct Key {
    id: [u8; ID],
    sealing: LessSafeKey,
    words: hmac::Key,
}

/// The id by which a key is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId([u8; ID]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Keys(***)" } else { "Keys(none)" })
    }
}

/// A fresh key, as a line of its file.
pub fn fresh_key() -> Result<String> {
    let mut bytes = [0; KEY];
    random(&mut bytes)?;
    Ok(STANDARD.encode(bytes))
}

fn random(bytes: &mut [u8]) -> Result<()> {
    SystemRandom::new().fill(bytes).map_err(|_| StoreError::Database("the system gives no random bytes".into()))
}

impl Keys {
    /// Nothing is sealed.
    pub fn none() -> Self {
        Self(None)
    }

    /// Those that `source` gives, read anew when they change.
    pub fn of(source: impl Fn() -> std::result::Result<String, String> + Send + Sync + 'static) -> Result<Self> {
        let text = source().map_err(StoreError::Key)?;
        let ring = Arc::new(Ring::of(text)?);
        let kept = Kept {
            source: Box::new(source),
            ring: RwLock::new(ring),
            looked: Mutex::new(Instant::now()),
            refused: Mutex::default(),
        };
        Ok(Self(Some(Arc::new(kept))))
    }

    /// There are some.
    pub fn are_there(&self) -> bool {
        self.0.is_some()
    }

    /// The one that seals.
    pub fn current(&self) -> Option<KeyId> {
        self.ring().and_then(|ring| ring.keys.first().map(|key| KeyId(key.id)))
    }

    /// All, the one that seals first.
    pub fn ids(&self) -> Vec<KeyId> {
        self.ring().map(|ring| ring.ids()).unwrap_or_default()
    }

    fn ring(&self) -> Option<Arc<Ring>> {
        let kept = self.0.as_ref()?;
        Some(kept.ring.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Keys that were changed where they are kept, looked at once a second: none where they are as they were, or cannot be used.
    pub(super) fn changed(&self) -> Option<Arc<Ring>> {
        let kept = self.0.as_ref()?;
        {
            let mut looked = kept.looked.lock().unwrap_or_else(PoisonError::into_inner);
            if looked.elapsed() < LOOK {
                return None;
            }
            *looked = Instant::now();
        }
        let text = match (kept.source)() {
            Ok(text) => text,
            Err(error) => {
                self.refuse(format!("it cannot be read again: {error}"));
                return None;
            }
        };
        if kept.ring.read().unwrap_or_else(PoisonError::into_inner).text == text {
            kept.is_well();
            return None;
        }
        match Ring::of(text) {
            Ok(ring) => Some(Arc::new(ring)),
            Err(error) => {
                self.refuse(error.to_string());
                None
            }
        }
    }

    /// These seal and open from now on.
    pub(super) fn take_up(&self, ring: Arc<Ring>) {
        let Some(kept) = &self.0 else { return };
        *kept.ring.write().unwrap_or_else(PoisonError::into_inner) = ring;
        kept.is_well();
        tracing::info!(key = self.current().map(|key| key.to_string()), "the changed key of the store was taken up");
    }

    /// The host goes on with the keys it has; told when it begins.
    pub(super) fn refuse(&self, why: String) {
        let Some(kept) = &self.0 else { return };
        let mut refused = kept.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.as_ref() != Some(&why) {
            tracing::warn!(
                why,
                "the key of the store was changed and is not taken up; the host goes on with the one it has"
            );
        }
        *refused = Some(why);
    }

    /// Why the keys that are there now are not taken up.
    pub fn refused(&self) -> Option<String> {
        self.0.as_ref()?.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Digests under which the words of a text are found, of all beginnings that may be looked for; the words themselves where there is no key.
    pub(super) fn words(&self, text: &str) -> String {
        let Some(ring) = self.ring() else { return text.to_owned() };
        let Some(key) = ring.keys.first() else { return text.to_owned() };
        let mut digests = BTreeSet::new();
        for word in words_of(text) {
            for end in ends(&word) {
                digests.insert(key.word(&word[..end]));
            }
        }
        digests.into_iter().collect::<Vec<_>>().join(" ")
    }

    /// Digests of a word's beginning under each key; none where words are kept as they are.
    pub(super) fn sought(&self, beginning: &str) -> Option<Vec<String>> {
        let ring = self.ring()?;
        let word = words_of(beginning).into_iter().next()?;
        let end = ends(&word).last()?;
        Some(ring.keys.iter().map(|key| key.word(&word[..end])).collect())
    }
}

/// Letters of a word up to which it is found by its beginning; of a longer one what is behind them is not looked at.
const FOUND_BY: usize = 12;

/// Words in small letters.
fn words_of(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// Where the beginnings of a word end that are kept: from its second letter on.
fn ends(word: &str) -> impl Iterator<Item = usize> + '_ {
    let letters = word.chars().count();
    let places = word.char_indices().skip(1).map(|(at, _)| at).chain([word.len()]);
    places.enumerate().filter(move |(place, _)| (*place > 0 || letters == 1) && *place < FOUND_BY).map(|(_, at)| at)
}

impl Kept {
    fn is_well(&self) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Ring {
    pub(super) fn ids(&self) -> Vec<KeyId> {
        self.keys.iter().map(|key| KeyId(key.id)).collect()
    }

    fn of(text: String) -> Result<Self> {
        let mut keys: Vec<Key> = Vec::new();
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        for word in lines.flat_map(|line| line.split([',', ' ', '\t'])).map(str::trim).filter(|word| !word.is_empty()) {
            let key = Key::of(word)?;
            if keys.iter().all(|own| own.id != key.id) {
                keys.push(key);
            }
        }
        if keys.is_empty() {
            return Err(StoreError::Key("no key is in it; `tandem store make-key` writes one".into()));
        }
        Ok(Self { text, keys })
    }
}

impl Key {
    fn of(word: &str) -> Result<Self> {
        // What stands there may be a key that was cut: it is not repeated.
        let no_key = || {
            StoreError::Key(
                "what is in it is no key: base64 of 32 bytes, one a line; `tandem store make-key` writes one".into(),
            )
        };
        let bytes = STANDARD.decode(word).ok().filter(|bytes| bytes.len() == KEY).ok_or_else(no_key)?;
        let sealing = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| no_key())?;
        let told = digest::digest(&digest::SHA256, &[b"tandem key id".as_slice(), &bytes].concat());
        let mut id = [0; ID];
        id.iter_mut().zip(told.as_ref()).for_each(|(own, byte)| *own = *byte);
        let of_words = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &bytes), b"tandem words");
        let words = hmac::Key::new(hmac::HMAC_SHA256, of_words.as_ref());
        Ok(Self { id, sealing: LessSafeKey::new(sealing), words })
    }

    fn word(&self, word: &str) -> String {
        let tag = hmac::sign(&self.words, word.as_bytes());
        tag.as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }

    fn seal(&self, place: &[u8], value: ValueRef<'_>) -> Result<Option<Vec<u8>>> {
        let (kind, bytes) = match value {
            ValueRef::Text(text) => (0, text.as_bytes()),
            ValueRef::Blob(bytes) => (BYTES, bytes),
            _ => return Ok(None),
        };
        let failed = |error: std::io::Error| StoreError::Database(format!("a value cannot be packed: {error}"));
        let mut sealed = vec![kind];
        // What is packed already is bytes.
        let packed = match kind == 0 && bytes.len() >= PACKED_FROM {
            true => {
                Some(zstd::bulk::compress(bytes, LEVEL).map_err(failed)?).filter(|packed| packed.len() < bytes.len())
            }
            false => None,
        };
        match packed {
            Some(packed) => {
                sealed = vec![kind | PACKED];
                sealed.extend(packed);
            }
            None => sealed.extend(bytes),
        }
        let mut nonce = [0; NONCE_LEN];
        random(&mut nonce)?;
        let cannot = |_| StoreError::Database("a value cannot be sealed".into());
        let tag =
            self.sealing.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place), &mut sealed);
        let tag = tag.map_err(cannot)?;
        let mut whole = Vec::with_capacity(HEADER + sealed.len() + tag.as_ref().len());
        whole.extend(MAGIC);
        whole.extend(self.id);
        whole.extend(nonce);
        whole.extend(sealed);
        whole.extend(tag.as_ref());
        Ok(Some(whole))
    }

    fn open(&self, place: &[u8], nonce: [u8; NONCE_LEN], sealed: &[u8]) -> Result<Value> {
        let corrupt = |why: &str| StoreError::Corrupt(format!("a sealed value: {why}"));
        let mut bytes = sealed.to_vec();
        let opened = self
            .sealing
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(place), &mut bytes)
            .map_err(|_| corrupt("it was changed, or stands where it was not written"))?;
        let (kind, rest) = opened.split_first().ok_or_else(|| corrupt("it is empty"))?;
        let whole = match kind & PACKED {
            0 => rest.to_vec(),
            _ => zstd::decode_all(rest).map_err(|error| corrupt(&error.to_string()))?,
        };
        match kind & BYTES {
            0 => String::from_utf8(whole).map(Value::Text).map_err(|_| corrupt("it is no text")),
            _ => Ok(Value::Blob(whole)),
        }
    }
}

/// A sealed value's key, nonce and the rest; none where it is not sealed.
fn parts(value: &[u8]) -> Option<(KeyId, [u8; NONCE_LEN], &[u8])> {
    let rest = value.strip_prefix(MAGIC.as_slice())?;
    let (id, rest) = rest.split_first_chunk::<ID>()?;
    let (nonce, rest) = rest.split_first_chunk::<NONCE_LEN>()?;
    Some((KeyId(*id), *nonce, rest))
}

impl Keys {
    /// A value as it is kept in `place`; none where it is kept as it is.
    pub(in crate::store) fn sealed(&self, place: &[u8], value: ValueRef<'_>) -> Result<Option<Vec<u8>>> {
        let ring = self.ring();
        let Some(key) = ring.as_ref().and_then(|ring| ring.keys.first()) else { return Ok(None) };
        key.seal(place, value)
    }

    /// What was kept in `place`; none where it is no sealed value.
    pub(in crate::store) fn opened(&self, place: &[u8], value: &[u8]) -> Result<Option<Value>> {
        let Some((id, nonce, sealed)) = parts(value) else { return Ok(None) };
        let ring = self.ring();
        let key = ring.iter().flat_map(|ring| &ring.keys).find(|key| key.id == id.0);
        let key = key.ok_or_else(|| StoreError::Key(format!("{NO_KEY}{id}")))?;
        key.open(place, nonce, sealed).map(Some)
    }
}

/// With which key a value is sealed; none where it is not.
pub(in crate::store) fn sealed_by(value: &[u8]) -> Option<KeyId> {
    parts(value).map(|(id, ..)| id)
}

/// The place of a value, in bytes that say no two places alike: of its name and its row.
pub(in crate::store) fn place_of<'a>(parts: impl IntoIterator<Item = ValueRef<'a>>) -> Vec<u8> {
    let mut place = Vec::with_capacity(64);
    for part in parts {
        let number;
        let bytes = match part {
            ValueRef::Text(text) => text.as_bytes(),
            ValueRef::Integer(integer) => {
                number = integer.to_string();
                number.as_bytes()
            }
            ValueRef::Null | ValueRef::Blob(_) => b"",
        };
        place.extend((bytes.len() as u64).to_le_bytes());
        place.extend(bytes);
    }
    place
}

/// An error where values may be sealed with keys that are not there; the key that seals from now on is noted, before anything is sealed with it.
pub(in crate::store) fn check(connection: &Connection, keys: &[KeyId], now: Millis) -> Result<()> {
    for id in noted(connection)? {
        if !keys.iter().any(|own| own.to_string() == id) {
            return Err(StoreError::Key(match keys.is_empty() {
                false => format!("the database is sealed with the key {id}, which is not among those of [store] key"),
                true => format!("the database is sealed with the key {id}, and [store] key of tandem.toml names none"),
            }));
        }
    }
    if let Some(current) = keys.first() {
        note(connection, *current, now)?;
    }
    Ok(())
}

/// Ids of keys with which anything may be sealed.
pub(in crate::store) fn noted(connection: &Connection) -> Result<Vec<String>> {
    let select = connection.prepare("SELECT key FROM seals ORDER BY since, key");
    select.all(NONE, |row| row.get(0))
}

/// From now on something may be sealed with it, and words are kept under it.
pub(super) fn note(connection: &Connection, key: KeyId, now: Millis) -> Result<()> {
    let key = key.to_string();
    let there: bool =
        connection.prepare("SELECT EXISTS (SELECT 1 FROM seals WHERE key = ?1)").one([&key], |row| row.get(0))?;
    if !there {
        connection
            .prepare("INSERT INTO seals (key, since) VALUES (?1, ?2) ON CONFLICT DO NOTHING")
            .execute(params![key, now])?;
    }
    match remembered(connection, WORDS)? {
        Some(words) if words != key => forget_mark(connection, WORDS),
        Some(_) => Ok(()),
        // Of a new database all words are under its first key.
        None if connection.worded(-1, 1)?.is_empty() => remember(connection, WORDS, &key, now),
        None => Ok(()),
    }
}

/// Under which it is kept which key all words of the index are under: where it says nothing, under more than one, or under none.
pub(super) const WORDS: &str = "words-key";
/// Under which it is kept which key the host that has the database open seals with.
const HELD: &str = "host-key";

/// The host that has the database open seals with this key, or with none.
pub(in crate::store) fn hold(connection: &Connection, key: Option<KeyId>, now: Millis) -> Result<()> {
    let key = key.map(|key| key.to_string()).unwrap_or_default();
    if remembered(connection, HELD)?.as_ref() == Some(&key) { Ok(()) } else { remember(connection, HELD, &key, now) }
}

/// The key of the host that has the database open, or had it last.
pub(super) fn held(connection: &Connection) -> Result<Option<String>> {
    Ok(remembered(connection, HELD)?.filter(|key| !key.is_empty()))
}

/// See [`WORDS`].
pub(super) fn of_words(connection: &Connection) -> Result<Option<String>> {
    remembered(connection, WORDS)
}

fn remembered(connection: &Connection, mark: &str) -> Result<Option<String>> {
    let select = connection.prepare("SELECT position FROM positions WHERE source = ?1");
    select.first([mark], |row| row.get(0))
}

pub(super) fn remember(connection: &Connection, mark: &str, key: &str, now: Millis) -> Result<()> {
    let put = "INSERT INTO positions (source, position, at) VALUES (?1, ?2, ?3) \
               ON CONFLICT (source) DO UPDATE SET position = ?2, at = ?3";
    connection.prepare(put).execute(params![mark, key, now])?;
    Ok(())
}

fn forget_mark(connection: &Connection, mark: &str) -> Result<()> {
    connection.prepare("DELETE FROM positions WHERE source = ?1").execute([mark])?;
    Ok(())
}
