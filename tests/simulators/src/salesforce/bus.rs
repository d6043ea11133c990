//! The event bus: platform events and change data capture by topic, in order with replay ids, kept 72 hours by the
//! simulator's clock. Source: Platform Events and Change Data Capture guides, the published Pub/Sub protocol.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use apache_avro::{Schema as AvroSchema, types::Value as Avro};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::schema::{ObjectSchema, Schema};
use super::triggers::{Change, Operation, Published};
use crate::clock::Clock;

/// Events are kept so long.
const KEPT_MS: i64 = 72 * 3600 * 1000;
const HOUR_MS: i64 = 3600 * 1000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Topic of all change events.
const ALL_CHANGES: &str = "/data/ChangeEvents";
/// The package's own event.
const OWN_EVENT: &str = "Tandem_Change__e";

/// One event on the bus.
#[derive(Clone, Debug)]
pub struct BusEvent {
    /// Grows; gaps are allowed.
    pub replay: u64,
    /// UUID.
    pub id: String,
    pub schema_id: String,
    payload: Payload,
    at: i64,
}

#[derive(Clone, Debug)]
enum Payload {
    Avro(Vec<u8>),
    /// A change event, encoded when somebody reads it.
    Change(Arc<ChangeEvent>),
}

#[derive(Debug)]
struct ChangeEvent {
    change: Change,
    header: Header,
}

#[derive(Debug)]
struct Header {
    kind: &'static str,
    changed: Vec<String>,
    transaction: String,
    sequence: i32,
    commit: i64,
    at: i64,
    user: &'static str,
}

/// A declared event: what its fields are, and the Avro schema that follows from them.
struct Kind {
    schema_id: String,
    json: String,
    avro: AvroSchema,
    /// Name and type, in order.
    fields: Vec<(String, String)>,
}

/// See the module's words.
pub struct Bus {
    /// Platform events by API name, such as `Tandem_Change__e`.
    events: BTreeMap<String, Kind>,
    /// Change events by object.
    changes: BTreeMap<String, Kind>,
    /// Every schema there ever was, by id.
    schemas: HashMap<String, String>,
    topics: BTreeMap<String, Vec<BusEvent>>,
    next: u64,
    commits: i64,
    /// Every event is delivered so many times.
    pub copies: usize,
    /// Groups of so many events are delivered in reverse.
    pub reverse: usize,
    held: Vec<(String, BusEvent)>,
    /// Platform events published in the hour that begins at this time.
    hour: (i64, u64),
    /// Platform events an hour; more are refused.
    pub hourly_limit: u64,
    /// Events delivered in the day that begins at this time, to all who listen together.
    day: (i64, u64),
    /// Deliveries a day; whoever listens when they are used up is cut off.
    pub daily_limit: u64,
    /// So many of the package's next events are refused, at once or after they were accepted.
    pub refuse: u64,
    /// How often it has begun anew.
    begun: u64,
    clock: Clock,
    tip: watch::Sender<u64>,
}

impl Bus {
    /// With the events and the objects of the schema; `captured` objects have change events.
    pub fn new(schema: &Schema, captured: &[String], clock: Clock) -> anyhow::Result<Self> {
        // Replay ids go on growing over restarts.
        let next = (clock.millis() / 1000).unsigned_abs() * 1000;
        let mut bus = Self {
            events: BTreeMap::new(),
            changes: BTreeMap::new(),
            schemas: HashMap::new(),
            topics: BTreeMap::new(),
            next,
            commits: 10_000_000_000,
            copies: 1,
            reverse: 0,
            held: Vec::new(),
            hour: (0, 0),
            hourly_limit: 250_000,
            day: (0, 0),
            daily_limit: 1_000_000,
            refuse: 0,
            begun: 0,
            clock,
            tip: watch::channel(0).0,
        };
        for (name, fields) in &schema.events {
            bus.declare_event(name, fields.clone())?;
        }
        for object in captured {
            if let Some((name, declared)) = schema.objects.get_key_value(object) {
                bus.declare_change(name, declared)?;
            }
        }
        if !captured.is_empty() {
            bus.topics.insert(ALL_CHANGES.into(), Vec::new());
        }
        Ok(bus)
    }

    /// Declares a platform event, or declares it anew: what is published from then on has another schema id.
    pub fn declare_event(&mut self, name: &str, fields: Vec<(String, String)>) -> anyhow::Result<()> {
        let mut all =
            vec![json!({ "name": "CreatedDate", "type": "long" }), json!({ "name": "CreatedById", "type": "string" })];
        all.extend(
            fields
                .iter()
                .map(|(name, kind)| json!({ "name": name, "type": ["null", avro_type(kind)], "default": null })),
        );
        let record = json!({ "name": name, "namespace": "com.sforce.eventbus", "type": "record", "fields": all });
        let kind = self.kind(&record, fields)?;
        self.events.insert(name.to_owned(), kind);
        self.topics.entry(format!("/event/{name}")).or_default();
        Ok(())
    }

    /// Adds a field to a platform event, as a newer package would.
    pub fn add_field(&mut self, event: &str, field: &str, kind: &str) -> anyhow::Result<()> {
        let known = self.events.get(event).ok_or_else(|| anyhow::anyhow!("there is no event {event}"))?;
        let mut fields = known.fields.clone();
        fields.push((field.to_owned(), kind.to_owned()));
        fields.sort();
        self.declare_event(event, fields)
    }

    fn declare_change(&mut self, object: &str, declared: &ObjectSchema) -> anyhow::Result<()> {
        let fields: Vec<(String, String)> = declared
            .fields
            .iter()
            .filter(|(name, field)| {
                !matches!(name.as_str(), "Id" | "IsDeleted" | "SystemModstamp") && field.kind != "id"
            })
            .map(|(name, field)| (name.clone(), field.kind.clone()))
            .collect();
        let texts = json!({ "type": "array", "items": "string" });
        let header = json!({ "type": "record", "name": "ChangeEventHeader", "fields": [
            { "name": "entityName", "type": "string" },
            { "name": "recordIds", "type": texts },
            { "name": "changeType", "type": { "type": "enum", "name": "ChangeType", "symbols": ["CREATE", "UPDATE", "DELETE", "UNDELETE", "GAP_CREATE", "GAP_UPDATE", "GAP_DELETE", "GAP_UNDELETE", "GAP_OVERFLOW", "SNAPSHOT"] } },
            { "name": "changeOrigin", "type": "string" },
            { "name": "transactionKey", "type": "string" },
            { "name": "sequenceNumber", "type": "int" },
            { "name": "commitTimestamp", "type": "long" },
            { "name": "commitNumber", "type": "long" },
            { "name": "commitUser", "type": "string" },
            { "name": "nulledFields", "type": texts },
            { "name": "diffFields", "type": texts },
            { "name": "changedFields", "type": texts },
        ] });
        let mut all = vec![json!({ "name": "ChangeEventHeader", "type": header })];
        all.extend(
            fields
                .iter()
                .map(|(name, kind)| json!({ "name": name, "type": ["null", avro_type(kind)], "default": null })),
        );
        let event = change_event_name(object);
        let record = json!({ "name": event, "namespace": "com.sforce.eventbus", "type": "record", "fields": all });
        let kind = self.kind(&record, fields)?;
        self.changes.insert(object.to_owned(), kind);
        self.topics.entry(format!("/data/{event}")).or_default();
        Ok(())
    }

    fn kind(&mut self, record: &Value, fields: Vec<(String, String)>) -> anyhow::Result<Kind> {
        use base64::Engine as _;
        let json = record.to_string();
        let digest = ring::digest::digest(&ring::digest::SHA256, json.as_bytes());
        let schema_id = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&digest.as_ref()[..16]);
        self.schemas.insert(schema_id.clone(), json.clone());
        Ok(Kind { schema_id, avro: AvroSchema::parse_str(&json)?, json, fields })
    }

    /// Told whenever something was published.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.tip.subscribe()
    }

    /// True for a topic somebody can subscribe to.
    pub fn knows(&self, topic: &str) -> bool {
        self.topics.contains_key(topic)
    }

    /// The schema id of a topic's events as they are published now; none for a topic of many kinds.
    pub fn schema_of(&self, topic: &str) -> Option<&str> {
        let kind = match topic.strip_prefix("/event/") {
            Some(event) => self.events.get(event),
            None => self
                .changes
                .iter()
                .find(|(object, _)| topic == format!("/data/{}", change_event_name(object)))
                .map(|(_, kind)| kind),
        };
        kind.map(|kind| kind.schema_id.as_str())
    }

    /// A schema by its id.
    pub fn schema(&self, id: &str) -> Option<&str> {
        self.schemas.get(id).map(String::as_str)
    }

    /// Publishes the package's own event; Salesforce's code where it is refused.
    pub fn publish(&mut self, event: &Published) -> Result<(), &'static str> {
        let values = json!({
            "Record_Id__c": event.record_id, "Object__c": event.object, "Operation__c": event.operation,
            "Changed_Fields__c": event.changed.join(","), "Sequence__c": event.sequence, "Version__c": "1",
        });
        if self.refuse > 0 {
            self.refuse -= 1;
            return Err("PLATFORM_EVENT_PUBLISH_FAILED");
        }
        let payload = self.encode(OWN_EVENT, &values).ok_or("INVALID_EVENT")?;
        self.publish_raw(&format!("/event/{OWN_EVENT}"), None, payload).map(|_| ())
    }

    /// Publishes the change events of a transaction.
    pub fn capture(&mut self, changes: &[Change]) {
        if self.changes.is_empty() {
            return;
        }
        self.commits += 1;
        let transaction = format!("{:08x}-0000-4000-8000-{:012x}", fastrand::u32(..), fastrand::u64(..) >> 16);
        let at = self.clock.millis();
        let (mut sequence, commit) = (0, self.commits);
        for change in changes {
            let Some(kind) = self.changes.get(&change.object) else { continue };
            let changed: Vec<String> = match (&change.before, change.operation) {
                (Some(before), Operation::Update) => kind
                    .fields
                    .iter()
                    .map(|(name, _)| name)
                    .filter(|name| {
                        before.get(*name).unwrap_or(&Value::Null) != change.after.get(*name).unwrap_or(&Value::Null)
                    })
                    .cloned()
                    .collect(),
                _ => Vec::new(),
            };
            if change.operation == Operation::Update && changed.is_empty() {
                continue;
            }
            sequence += 1;
            let header = Header {
                kind: match change.operation {
                    Operation::Insert => "CREATE",
                    Operation::Update => "UPDATE",
                    Operation::Delete => "DELETE",
                    Operation::Undelete => "UNDELETE",
                },
                changed,
                transaction: transaction.clone(),
                sequence,
                commit,
                at,
                user: if change.silent { super::org::INTEGRATION_USER } else { super::org::SALES_USER },
            };
            let mut change = change.clone();
            change.before = None;
            let topic = format!("/data/{}", change_event_name(&change.object));
            let event = BusEvent {
                replay: 0,
                id: uuid(),
                schema_id: kind.schema_id.clone(),
                payload: Payload::Change(Arc::new(ChangeEvent { change, header })),
                at,
            };
            self.hold(topic, event.clone());
            self.hold(ALL_CHANGES.into(), event);
        }
        self.notify();
    }

    /// Publishes bytes, as any publisher does, and gives the replay id; the id is made when the publisher gives none. An error is Salesforce's
    /// own code: the hour's allocation is used up.
    pub fn publish_raw(&mut self, topic: &str, id: Option<String>, payload: Vec<u8>) -> Result<u64, &'static str> {
        let now = self.clock.millis();
        if now - self.hour.0 >= HOUR_MS {
            self.hour = (now, 0);
        }
        if self.hour.1 >= self.hourly_limit {
            return Err("LIMIT_EXCEEDED");
        }
        self.hour.1 += 1;
        let schema_id = self.schema_of(topic).unwrap_or_default().to_owned();
        let event =
            BusEvent { replay: 0, id: id.unwrap_or_else(uuid), schema_id, payload: Payload::Avro(payload), at: now };
        self.hold(topic.to_owned(), event);
        self.notify();
        Ok(self.latest(topic))
    }

    /// Platform events published since the hour began.
    pub fn published_this_hour(&self) -> u64 {
        if self.clock.millis() - self.hour.0 >= HOUR_MS { 0 } else { self.hour.1 }
    }

    /// Events delivered since the day began. The real service counts the last 24 hours.
    pub fn delivered_today(&self) -> u64 {
        if self.clock.millis() - self.day.0 >= DAY_MS { 0 } else { self.day.1 }
    }

    /// How many may be delivered yet.
    pub fn deliveries_left(&self) -> u64 {
        self.daily_limit.saturating_sub(self.delivered_today())
    }

    /// Counts what was delivered to one who listens.
    pub fn count_deliveries(&mut self, events: u64) {
        let now = self.clock.millis();
        if now - self.day.0 >= DAY_MS {
            self.day = (now, 0);
        }
        self.day.1 += events;
    }

    /// Avro of a JSON object with the event's fields.
    pub fn encode(&self, event: &str, values: &Value) -> Option<Vec<u8>> {
        let kind = self.events.get(event)?;
        let mut record = vec![
            ("CreatedDate".to_owned(), Avro::Long(self.clock.millis())),
            ("CreatedById".to_owned(), Avro::String(super::org::INTEGRATION_USER.into())),
        ];
        for (name, field) in &kind.fields {
            record.push((name.clone(), optional(field, &values[name])));
        }
        write(&kind.avro, record)
    }

    /// True when the bytes are an event of that topic by the schema with that id.
    pub fn fits(&self, topic: &str, schema_id: &str, payload: &[u8]) -> bool {
        let own = topic.strip_prefix("/event/").and_then(|event| self.events.get(event));
        let Some(kind) = own.filter(|kind| kind.schema_id == schema_id) else { return false };
        let mut payload = payload;
        let read = GenericDatumReader::builder(&kind.avro).build().and_then(|reader| reader.read_value(&mut payload));
        read.is_ok() && payload.is_empty()
    }

    fn hold(&mut self, topic: String, event: BusEvent) {
        for _ in 0..self.copies.max(1) {
            self.held.push((topic.clone(), event.clone()));
        }
        if self.held.len() >= self.reverse.max(1) {
            self.flush();
        }
    }

    /// Lets go of events held back to be reversed.
    pub fn flush(&mut self) {
        let mut held = std::mem::take(&mut self.held);
        if self.reverse > 1 {
            held.reverse();
        }
        for (topic, mut event) in held {
            event.replay = self.next;
            self.next += 1 + u64::from(fastrand::u8(0..3));
            self.topics.entry(topic).or_default().push(event);
        }
        self.notify();
    }

    fn notify(&self) {
        self.tip.send_replace(self.next);
    }

    fn of(&self, topic: &str) -> &[BusEvent] {
        self.topics.get(topic).map(Vec::as_slice).unwrap_or_default()
    }

    /// Up to `most` events of a topic after a replay id, with their payloads.
    pub fn after(&self, topic: &str, replay: u64, most: usize) -> Vec<(BusEvent, Vec<u8>)> {
        let events = self.of(topic);
        let from = events.partition_point(|event| event.replay <= replay);
        events[from..].iter().take(most).map(|event| (event.clone(), self.payload(event))).collect()
    }

    fn payload(&self, event: &BusEvent) -> Vec<u8> {
        match &event.payload {
            Payload::Avro(bytes) => bytes.clone(),
            Payload::Change(change) => self.encode_change(change).unwrap_or_default(),
        }
    }

    fn encode_change(&self, event: &ChangeEvent) -> Option<Vec<u8>> {
        let ChangeEvent { change, header } = event;
        let kind = self.changes.get(&change.object)?;
        let texts = |texts: Vec<String>| Avro::Array(texts.into_iter().map(Avro::String).collect());
        // Bit n, counted from the right, is the n-th field of the schema; the header is field 0.
        let bits: Vec<usize> = kind
            .fields
            .iter()
            .enumerate()
            .filter(|(_, (name, _))| header.changed.contains(name))
            .map(|(n, _)| n + 1)
            .collect();
        let bitmap = if bits.is_empty() { Vec::new() } else { vec![bitmap(&bits)] };
        let symbols = ["CREATE", "UPDATE", "DELETE", "UNDELETE"];
        let place = symbols.iter().position(|symbol| *symbol == header.kind).unwrap_or(1);
        let head = Avro::Record(vec![
            ("entityName".into(), Avro::String(change.object.clone())),
            ("recordIds".into(), texts(vec![change.id.clone()])),
            ("changeType".into(), Avro::Enum(place as u32, header.kind.into())),
            ("changeOrigin".into(), Avro::String("com/salesforce/api/rest/64.0;client=simulator".into())),
            ("transactionKey".into(), Avro::String(header.transaction.clone())),
            ("sequenceNumber".into(), Avro::Int(header.sequence)),
            ("commitTimestamp".into(), Avro::Long(header.at)),
            ("commitNumber".into(), Avro::Long(header.commit)),
            ("commitUser".into(), Avro::String(header.user.into())),
            ("nulledFields".into(), texts(Vec::new())),
            ("diffFields".into(), texts(Vec::new())),
            ("changedFields".into(), texts(bitmap)),
        ]);
        let mut record = vec![("ChangeEventHeader".to_owned(), head)];
        for (name, field) in &kind.fields {
            let told = match header.kind {
                "DELETE" => false,
                "UPDATE" => header.changed.contains(name),
                _ => true,
            };
            let value = if told { change.after.get(name).cloned().unwrap_or_default() } else { Value::Null };
            record.push((name.clone(), optional(field, &value)));
        }
        write(&kind.avro, record)
    }

    /// The replay id of a topic's newest event, or of the time before the first.
    pub fn latest(&self, topic: &str) -> u64 {
        self.of(topic).last().map_or(self.next - 1, |event| event.replay)
    }

    /// Just before the oldest event of a topic still kept.
    pub fn earliest(&self, topic: &str) -> u64 {
        let oldest = self.clock.millis() - KEPT_MS;
        let kept = self.of(topic).iter().find(|event| event.at >= oldest);
        kept.map_or_else(|| self.latest(topic), |event| event.replay - 1)
    }

    /// False for a replay id whose successors are no longer all kept, or that was never given.
    pub fn is_valid(&self, topic: &str, replay: u64) -> bool {
        let oldest = self.clock.millis() - KEPT_MS;
        let lost = self.of(topic).iter().any(|event| event.replay >= replay && event.at < oldest);
        !lost && replay < self.next
    }

    /// Begins anew, as after a sandbox refresh: replay ids given before are no longer its own, and streams that stand are cut.
    pub fn refresh(&mut self) {
        self.topics.values_mut().for_each(Vec::clear);
        self.held.clear();
        self.next = 1;
        self.begun += 1;
    }

    /// How often it has begun anew: a stream ends with the bus it was opened on.
    pub fn begun(&self) -> u64 {
        self.begun
    }

    /// False for a number that this bus has not come to.
    pub fn was_given(&self, replay: u64) -> bool {
        replay < self.next
    }

    /// The Avro schemas of all events, for the page of the simulator.
    pub fn declared(&self) -> Vec<(&str, &str)> {
        self.events.iter().chain(&self.changes).map(|(name, kind)| (name.as_str(), kind.json.as_str())).collect()
    }
}

/// `Account` → `AccountChangeEvent`, `Invoice__c` → `Invoice__ChangeEvent`.
fn change_event_name(object: &str) -> String {
    match object.strip_suffix("__c") {
        Some(name) => format!("{name}__ChangeEvent"),
        None => format!("{object}ChangeEvent"),
    }
}

/// Assumed for dates: that they travel as date-times do, in milliseconds. The shared facts do not say.
fn avro_type(kind: &str) -> &'static str {
    match kind {
        "double" | "currency" | "percent" => "double",
        "int" => "int",
        "boolean" => "boolean",
        "date" | "datetime" => "long",
        _ => "string",
    }
}

fn optional(kind: &str, value: &Value) -> Avro {
    let inner = match (avro_type(kind), value) {
        (_, Value::Null) => return Avro::Union(0, Box::new(Avro::Null)),
        ("double", value) => Avro::Double(value.as_f64().unwrap_or_default()),
        ("int", value) => Avro::Int(value.as_i64().unwrap_or_default() as i32),
        ("boolean", value) => Avro::Boolean(value.as_bool().unwrap_or_default()),
        ("long", value) => Avro::Long(millis_of(value.as_str().unwrap_or_default())),
        (_, value) => Avro::String(value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
    };
    Avro::Union(1, Box::new(inner))
}

/// Milliseconds since 1970 UTC of a date or a date-time.
pub fn millis_of(text: &str) -> i64 {
    let full = if text.len() == 10 { format!("{text}T00:00:00.000Z") } else { text.replace("+0000", "Z") };
    chrono::DateTime::parse_from_rfc3339(&full).map_or(0, |at| at.timestamp_millis())
}

fn write(schema: &AvroSchema, record: Vec<(String, Avro)>) -> Option<Vec<u8>> {
    GenericDatumWriter::builder(schema).build().and_then(|writer| writer.write_value_to_vec(Avro::Record(record))).ok()
}

/// Hex of the bits set, the highest first: `0x0A` for bits 1 and 3.
fn bitmap(bits: &[usize]) -> String {
    let bytes = bits.iter().max().map_or(0, |most| most / 8 + 1);
    let mut map = vec![0_u8; bytes];
    for bit in bits {
        map[bytes - 1 - bit / 8] |= 1 << (bit % 8);
    }
    map.iter().fold("0x".to_owned(), |text, byte| text + &format!("{byte:02X}"))
}

fn uuid() -> String {
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        fastrand::u32(..),
        fastrand::u16(..),
        fastrand::u16(..) & 0xfff,
        fastrand::u16(..) & 0xfff,
        fastrand::u64(..) >> 16
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bitmap_counts_from_the_right() {
        assert_eq!(bitmap(&[1, 3]), "0x0A");
        assert_eq!(bitmap(&[9]), "0x0200");
    }
}
