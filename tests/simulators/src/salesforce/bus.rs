//! The event bus: what was published, in order, with replay ids, kept 72 hours by the simulator's clock.

use apache_avro::writer::datum::GenericDatumWriter;
use apache_avro::{Schema, types::Value as Avro};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::org::Published;

/// Events are kept so long.
const KEPT_MS: i64 = 72 * 3600 * 1000;

/// One event on the bus.
#[derive(Clone, Debug)]
pub struct BusEvent {
    /// Grows; gaps are allowed.
    pub replay: u64,
    /// UUID.
    pub id: String,
    pub schema_id: String,
    /// Avro.
    pub payload: Vec<u8>,
    pub at: i64,
}

/// The bus of one topic, `/event/Tandem_Change__e`.
pub struct Bus {
    pub schema_id: String,
    pub schema_json: String,
    schema: Schema,
    fields: Vec<(String, String)>,
    events: Vec<BusEvent>,
    next: u64,
    /// Every event is delivered so many times.
    pub copies: usize,
    /// Groups of so many events are delivered in reverse.
    pub reverse: usize,
    held: Vec<BusEvent>,
    /// Added to the clock, milliseconds.
    pub clock_offset: i64,
    tip: watch::Sender<u64>,
}

impl Bus {
    /// With the event's fields as the package declares them.
    pub fn new(fields: Vec<(String, String)>) -> anyhow::Result<Self> {
        let declared: Vec<Value> = fields
            .iter()
            .map(|(name, kind)| {
                let kind = if kind == "Number" { "double" } else { "string" };
                json!({ "name": name, "type": ["null", kind], "default": null })
            })
            .collect();
        let mut all =
            vec![json!({ "name": "CreatedDate", "type": "long" }), json!({ "name": "CreatedById", "type": "string" })];
        all.extend(declared);
        let schema =
            json!({ "name": "Tandem_Change__e", "namespace": "com.sforce.eventbus", "type": "record", "fields": all });
        let schema_json = schema.to_string();
        Ok(Self {
            schema_id: "dCb7r0lQvQ2tKq1rS0xWzA".into(),
            schema: Schema::parse_str(&schema_json)?,
            schema_json,
            fields,
            events: Vec::new(),
            next: 1_000,
            copies: 1,
            reverse: 0,
            held: Vec::new(),
            clock_offset: 0,
            tip: watch::channel(0).0,
        })
    }

    /// Now, by the simulator's clock.
    pub fn now(&self) -> i64 {
        chrono::Utc::now().timestamp_millis() + self.clock_offset
    }

    /// Told whenever something was published.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.tip.subscribe()
    }

    /// Publishes what triggers made.
    pub fn publish(&mut self, events: &[Published]) {
        for event in events {
            let values = json!({
                "Record_Id__c": event.record_id, "Object__c": event.object, "Operation__c": event.operation,
                "Changed_Fields__c": event.changed.join(","), "Sequence__c": event.sequence, "Version__c": "1",
            });
            let payload = self.encode(&values);
            self.append(payload);
        }
        self.notify();
    }

    /// Publishes any bytes: what a broken publisher would.
    pub fn publish_raw(&mut self, payload: Vec<u8>) {
        self.append(payload);
        self.notify();
    }

    /// Avro of a JSON object with the event's fields.
    pub fn encode(&self, values: &Value) -> Vec<u8> {
        let mut record = vec![
            ("CreatedDate".to_owned(), Avro::Long(self.now())),
            ("CreatedById".to_owned(), Avro::String("0055g00000ABCDEAA4".into())),
        ];
        for (name, kind) in &self.fields {
            let value = &values[name];
            let inner = match (kind.as_str(), value) {
                (_, Value::Null) => Avro::Union(0, Box::new(Avro::Null)),
                ("Number", value) => Avro::Union(1, Box::new(Avro::Double(value.as_f64().unwrap_or_default()))),
                (_, value) => Avro::Union(
                    1,
                    Box::new(Avro::String(value.as_str().map_or_else(|| value.to_string(), str::to_owned))),
                ),
            };
            record.push((name.clone(), inner));
        }
        let written = GenericDatumWriter::builder(&self.schema)
            .build()
            .and_then(|writer| writer.write_value_to_vec(Avro::Record(record)));
        written.unwrap_or_default()
    }

    fn append(&mut self, payload: Vec<u8>) {
        let id = format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            fastrand::u32(..),
            fastrand::u16(..),
            fastrand::u16(..) & 0xfff,
            fastrand::u16(..) & 0xfff,
            fastrand::u64(..) >> 16
        );
        let event = BusEvent { replay: 0, id, schema_id: self.schema_id.clone(), payload, at: self.now() };
        for _ in 0..self.copies.max(1) {
            self.held.push(event.clone());
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
        for mut event in held {
            event.replay = self.next;
            self.next += 1 + u64::from(fastrand::u8(0..3));
            self.events.push(event);
        }
        self.notify();
    }

    fn notify(&self) {
        self.tip.send_replace(self.next);
    }

    /// Up to `most` events after a replay id.
    pub fn after(&self, replay: u64, most: usize) -> Vec<BusEvent> {
        let from = self.events.partition_point(|event| event.replay <= replay);
        self.events[from..].iter().take(most).cloned().collect()
    }

    /// The replay id of the newest event, or of the time before the first.
    pub fn latest(&self) -> u64 {
        self.events.last().map_or(self.next - 1, |event| event.replay)
    }

    /// Just before the oldest event still kept.
    pub fn earliest(&self) -> u64 {
        let oldest = self.now() - KEPT_MS;
        let kept = self.events.iter().find(|event| event.at >= oldest);
        kept.map_or_else(|| self.latest(), |event| event.replay - 1)
    }

    /// False for a replay id whose successors are no longer all kept, or that was never given.
    pub fn is_valid(&self, replay: u64) -> bool {
        let oldest = self.now() - KEPT_MS;
        let lost = self.events.iter().any(|event| event.replay > replay && event.at < oldest);
        let own_expired = self.events.iter().any(|event| event.replay == replay && event.at < oldest);
        !lost && !own_expired && replay < self.next
    }
}
