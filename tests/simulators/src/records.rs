//! Records at rest and in use. A record that nobody looked at for a while is kept as a few bytes, in which names, and values that many
//! records have, stand once for all; looked at, it is the record that was put in. So a company of a million items fits into memory.

use std::borrow::{Borrow, Cow};
use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use serde_json::{Map, Number, Value};

/// A record.
pub type Record = Map<String, Value>;

/// Records of one kind that stay unpacked from one use to the next.
const MOST_OPEN: usize = 10_000;
/// Values of one field that stand once for all, the first ones met.
const MOST_COMMON: u16 = 256;

/// Records by key.
pub struct Records<K> {
    rows: BTreeMap<K, Row>,
    /// Keys of the rows that are open.
    open: RefCell<Vec<K>>,
    words: Words,
}

/// One record: packed, open, or both.
struct Row {
    /// Empty for a record that was not packed since it was put in.
    packed: Box<[u8]>,
    open: OnceCell<Box<Record>>,
}

impl<K> Default for Records<K> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), open: RefCell::default(), words: Words::default() }
    }
}

impl<K: Ord + Clone> Records<K> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// One record.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&Record>
    where
        K: Borrow<Q>,
    {
        self.rows.get_key_value(key).map(|(key, row)| self.look(key, row))
    }

    fn look<'a>(&'a self, key: &K, row: &'a Row) -> &'a Record {
        row.open.get_or_init(|| {
            self.open.borrow_mut().push(key.clone());
            Box::new(self.words.unpack(&row.packed))
        })
    }

    fn glance<'a>(&'a self, row: &'a Row) -> Cow<'a, Record> {
        match row.open.get() {
            Some(open) => Cow::Borrowed(open),
            None => Cow::Owned(self.words.unpack(&row.packed)),
        }
    }

    /// The key of a record as it is kept: shared, where keys can be.
    pub fn own_key<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&K>
    where
        K: Borrow<Q>,
    {
        self.rows.get_key_value(key).map(|(own, _)| own)
    }

    /// All keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.rows.keys()
    }

    /// All records, in the order of their keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = Cow<'_, Record>> + ExactSizeIterator {
        self.rows.values().map(|row| self.glance(row))
    }

    /// All records with their keys, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, Cow<'_, Record>)> {
        self.rows.iter().map(|(key, row)| (key, self.glance(row)))
    }

    /// The records that pass, in the order of their keys.
    pub fn find(&self, passes: impl FnMut(&Record) -> bool) -> impl Iterator<Item = &Record> {
        self.find_from(Bound::Unbounded, passes)
    }

    /// The same from a key on.
    pub fn find_from(&self, from: Bound<K>, mut passes: impl FnMut(&Record) -> bool) -> impl Iterator<Item = &Record> {
        self.rows.range((from, Bound::Unbounded)).filter_map(move |(key, row)| {
            let passing = match self.glance(row) {
                Cow::Borrowed(open) => return passes(open).then_some(open),
                Cow::Owned(record) => Some(record).filter(|record| passes(record))?,
            };
            self.open.borrow_mut().push(key.clone());
            Some(&**row.open.get_or_init(|| Box::new(passing)))
        })
    }

    /// Puts a record in, and gives the one that was there.
    pub fn insert(&mut self, key: K, record: Record) -> Option<Record> {
        self.rest();
        let row = Row { packed: Box::default(), open: OnceCell::from(Box::new(record)) };
        let before = self.rows.insert(key.clone(), row);
        if before.as_ref().is_none_or(|before| before.open.get().is_none()) {
            self.open.get_mut().push(key);
        }
        before.map(|before| self.taken(before))
    }

    /// Takes a record out.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<Record>
    where
        K: Borrow<Q>,
    {
        let row = self.rows.remove(key)?;
        Some(self.taken(row))
    }

    fn taken(&self, mut row: Row) -> Record {
        row.open.take().map_or_else(|| self.words.unpack(&row.packed), |open| *open)
    }

    /// Packs what is open, where that is much.
    pub fn rest(&mut self) {
        if self.open.get_mut().len() <= MOST_OPEN {
            return;
        }
        for key in std::mem::take(self.open.get_mut()) {
            let Some(row) = self.rows.get_mut(&key) else { continue };
            if let Some(record) = row.open.take().filter(|_| row.packed.is_empty()) {
                row.packed = self.words.pack(&record);
            }
        }
    }
}

/// How a value begins in packed bytes.
mod tag {
    pub const NULL: u8 = 0;
    pub const FALSE: u8 = 1;
    pub const TRUE: u8 = 2;
    /// A whole number as it is usually written.
    pub const WHOLE: u8 = 3;
    /// Digits as they are.
    pub const NUMBER: u8 = 4;
    pub const TEXT: u8 = 5;
    /// A text of [`super::Words`].
    pub const COMMON: u8 = 6;
    /// A text that stands in the same record before.
    pub const AGAIN: u8 = 7;
    pub const LIST: u8 = 8;
    pub const RECORD: u8 = 9;
}

/// What stands once for all records of a kind.
#[derive(Default)]
struct Words {
    names: Texts,
    common: Texts,
    /// How many values of a field are in `common`, by the place of its name.
    counts: Vec<u16>,
}

/// Texts by place, and places by text.
#[derive(Default)]
struct Texts {
    by_place: Vec<Box<str>>,
    places: HashMap<Box<str>, usize>,
}

impl Texts {
    fn add(&mut self, text: &str) -> usize {
        let place = self.by_place.len();
        self.by_place.push(text.into());
        self.places.insert(text.into(), place);
        place
    }
}

impl Words {
    fn pack(&mut self, record: &Record) -> Box<[u8]> {
        let mut bytes = Vec::with_capacity(256);
        self.pack_record(record, &mut bytes, &mut Vec::new());
        bytes.into_boxed_slice()
    }

    fn pack_record<'a>(&mut self, record: &'a Record, bytes: &mut Vec<u8>, texts: &mut Vec<&'a str>) {
        write_number(bytes, record.len() as u64);
        for (name, value) in record {
            let place = self.names.places.get(name.as_str()).copied().unwrap_or_else(|| self.names.add(name));
            write_number(bytes, place as u64);
            self.pack_value(place, value, bytes, texts);
        }
    }

    fn pack_value<'a>(&mut self, name: usize, value: &'a Value, bytes: &mut Vec<u8>, texts: &mut Vec<&'a str>) {
        match value {
            Value::Null => bytes.push(tag::NULL),
            Value::Bool(false) => bytes.push(tag::FALSE),
            Value::Bool(true) => bytes.push(tag::TRUE),
            Value::Number(number) => {
                let digits = number.to_string();
                match number.as_i64().filter(|whole| whole.to_string() == digits) {
                    Some(whole) => {
                        bytes.push(tag::WHOLE);
                        write_number(bytes, ((whole << 1) ^ (whole >> 63)) as u64);
                    }
                    None => {
                        bytes.push(tag::NUMBER);
                        write_text(bytes, &digits);
                    }
                }
            }
            Value::String(text) => {
                if let Some(place) = self.common_place(name, text) {
                    bytes.push(tag::COMMON);
                    write_number(bytes, place as u64);
                } else if let Some(place) = texts.iter().position(|own| own == text) {
                    bytes.push(tag::AGAIN);
                    write_number(bytes, place as u64);
                } else {
                    bytes.push(tag::TEXT);
                    write_text(bytes, text);
                    texts.push(text);
                }
            }
            Value::Array(values) => {
                bytes.push(tag::LIST);
                write_number(bytes, values.len() as u64);
                for value in values {
                    self.pack_value(name, value, bytes, texts);
                }
            }
            Value::Object(record) => {
                bytes.push(tag::RECORD);
                self.pack_record(record, bytes, texts);
            }
        }
    }

    fn common_place(&mut self, name: usize, text: &str) -> Option<usize> {
        if let Some(place) = self.common.places.get(text) {
            return Some(*place);
        }
        self.counts.resize(self.names.by_place.len(), 0);
        let count = self.counts.get_mut(name).filter(|count| **count < MOST_COMMON)?;
        *count += 1;
        Some(self.common.add(text))
    }

    fn unpack(&self, bytes: &[u8]) -> Record {
        let mut reader = Reader { bytes, texts: Vec::new() };
        self.unpack_record(&mut reader)
    }

    fn unpack_record<'a>(&self, reader: &mut Reader<'a>) -> Record {
        let fields = reader.number() as usize;
        let mut record = Record::with_capacity(fields);
        for _ in 0..fields {
            let name = reader.number() as usize;
            record.insert(self.names.by_place[name].as_ref().to_owned(), self.unpack_value(reader));
        }
        record
    }

    fn unpack_value<'a>(&self, reader: &mut Reader<'a>) -> Value {
        match reader.byte() {
            tag::FALSE => false.into(),
            tag::TRUE => true.into(),
            tag::WHOLE => {
                let folded = reader.number();
                Value::Number(Number::from((folded >> 1) as i64 ^ -((folded & 1) as i64)))
            }
            tag::NUMBER => serde_json::from_str(reader.text()).unwrap_or_default(),
            tag::TEXT => {
                let text = reader.text();
                reader.texts.push(text);
                text.into()
            }
            tag::COMMON => self.common.by_place[reader.number() as usize].as_ref().into(),
            tag::AGAIN => {
                let place = reader.number() as usize;
                reader.texts[place].into()
            }
            tag::LIST => (0..reader.number()).map(|_| self.unpack_value(reader)).collect(),
            tag::RECORD => Value::Object(self.unpack_record(reader)),
            _ => Value::Null,
        }
    }
}

fn write_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn write_text(bytes: &mut Vec<u8>, text: &str) {
    write_number(bytes, text.len() as u64);
    bytes.extend_from_slice(text.as_bytes());
}

/// Reads what [`Words::pack`] wrote.
struct Reader<'a> {
    bytes: &'a [u8],
    texts: Vec<&'a str>,
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.bytes.split_first().unwrap_or((&0, &[]));
        self.bytes = rest;
        *first
    }

    fn number(&mut self) -> u64 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return number;
            }
            shift += 7;
        }
    }

    fn text(&mut self) -> &'a str {
        let length = self.number() as usize;
        let (text, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        std::str::from_utf8(text).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let number = prop_oneof!["-?(0|[1-9][0-9]{0,22})(\\.[0-9]{1,8})?", "-?[1-9]\\.[0-9]e[0-9]"];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            number.prop_map(|text| serde_json::from_str(&text).unwrap()),
            "\\PC{0,9}|EUR|2026-01-01T00:00:00Z".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 30, 6, |inner| {
            let name = prop_oneof!["[A-Z][a-z]{1,3}", Just("Price".to_owned())];
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::vec((name, inner), 0..6).prop_map(|pairs| Value::Object(Map::from_iter(pairs))),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_packed_is_what_was_put_in(values in proptest::collection::vec(value(), 1..20)) {
            let mut words = Words::default();
            let record: Record = values.into_iter().enumerate().map(|(n, own)| (format!("F{}", n % 7), own)).collect();
            for _ in 0..2 {
                let packed = words.pack(&record);
                let again = words.unpack(&packed);
                prop_assert_eq!(&again, &record);
                // In the same order, and digit for digit.
                prop_assert_eq!(serde_json::to_string(&again).unwrap(), serde_json::to_string(&record).unwrap());
            }
        }
    }

    fn record(n: usize) -> Record {
        let json = json!({ "ItemCode": format!("A{n:06}"), "Price": 12.5, "UpdateDate": "2026-01-31T00:00:00Z" });
        json.as_object().cloned().unwrap()
    }

    #[test]
    fn many_records_rest_and_are_found_changed_and_removed_as_before() {
        let mut records: Records<usize> = Records::default();
        let many = MOST_OPEN * 3;
        for n in 0..many {
            assert_eq!(records.insert(n, record(n)), None);
        }
        assert!(records.rows.values().filter(|row| row.open.get().is_none()).count() >= MOST_OPEN, "most are packed");
        assert_eq!(records.len(), many);
        assert!(records.values().enumerate().all(|(n, own)| *own == record(n)));
        let found: Vec<&Record> =
            records.find_from(Bound::Excluded(7), |own| own["ItemCode"] != "A000009").take(2).collect();
        assert_eq!(found, [&record(8), &record(10)]);
        assert!(std::ptr::eq(found[0], records.get(&8).unwrap()), "one record, however it is found");
        let changed = Map::from_iter([("ItemCode".to_owned(), "new".into())]);
        assert_eq!(records.insert(5, changed.clone()), Some(record(5)));
        for n in 0..many {
            records.get(&n);
        }
        records.rest();
        assert_eq!(records.get(&5), Some(&changed));
        assert_eq!(records.remove(&9), Some(record(9)));
        assert_eq!((records.get(&9), records.len()), (None, many - 1));
    }
}
