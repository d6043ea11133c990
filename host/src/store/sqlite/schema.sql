-- Format 1. Times are milliseconds since 1970 UTC. Event states: store/model.rs, EventState.
CREATE TABLE events (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  flow TEXT NOT NULL,
  topic TEXT NOT NULL,
  key TEXT NOT NULL,
  dedup TEXT NOT NULL,
  payload TEXT NOT NULL,
  trace TEXT NOT NULL,
  state INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  finished_at INTEGER,
  reason TEXT,
  choices TEXT,
  resolution TEXT,
  batch_max INTEGER,
  wait_scope TEXT, wait_kind TEXT, wait_side TEXT, wait_id TEXT
);
CREATE UNIQUE INDEX events_dedup ON events (flow, topic, dedup);
-- What holds up later events of a key: ready, leased, waiting.
CREATE INDEX events_unfinished ON events (flow, key, id) WHERE state < 3;
CREATE INDEX events_ready ON events (flow, id) WHERE state = 0;
CREATE INDEX events_due ON events (flow, due_at) WHERE state = 0;
CREATE INDEX events_waiting ON events (wait_scope, wait_kind, wait_side, wait_id) WHERE state = 2;
CREATE INDEX events_review ON events (flow, key) WHERE state = 3;
CREATE INDEX events_key ON events (key, id);
CREATE INDEX events_finished ON events (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE runs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  flow TEXT NOT NULL,
  digest TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  finished_at INTEGER,
  error TEXT
);
CREATE INDEX runs_open ON runs (id) WHERE finished_at IS NULL;

CREATE TABLE run_events (
  run INTEGER NOT NULL,
  event INTEGER NOT NULL,
  PRIMARY KEY (run, event)
) WITHOUT ROWID;
CREATE INDEX run_events_event ON run_events (event, run);

CREATE TABLE journal (
  run INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  item INTEGER NOT NULL,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  state INTEGER NOT NULL,
  at INTEGER NOT NULL,
  request TEXT NOT NULL,
  response TEXT NOT NULL,
  PRIMARY KEY (run, seq, item)
) WITHOUT ROWID;
CREATE INDEX journal_subject ON journal (subject, run) WHERE subject <> '';

CREATE TABLE storage (
  flow TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (flow, key)
) WITHOUT ROWID;

CREATE TABLE links (
  scope TEXT NOT NULL,
  kind TEXT NOT NULL,
  salesforce_id TEXT NOT NULL,
  b1_id TEXT NOT NULL,
  base TEXT NOT NULL,
  PRIMARY KEY (scope, kind, salesforce_id)
) WITHOUT ROWID;
CREATE INDEX links_b1 ON links (scope, kind, b1_id);
CREATE INDEX links_either_b1 ON links (b1_id);
CREATE INDEX links_either_salesforce ON links (salesforce_id);

CREATE TABLE wakes (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  flow TEXT NOT NULL,
  at INTEGER NOT NULL,
  key TEXT NOT NULL,
  payload TEXT NOT NULL
);
CREATE INDEX wakes_at ON wakes (at);

CREATE TABLE positions (source TEXT PRIMARY KEY, position TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE grants (
  digest TEXT PRIMARY KEY, plugin TEXT NOT NULL, permissions TEXT NOT NULL, granted_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
