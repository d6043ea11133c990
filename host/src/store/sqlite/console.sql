-- Format 8: what people see and do. Who may use the console, who is signed in, and what they did (store/people.rs). `flows`: JSON list; none: all.
CREATE TABLE accounts (
  name TEXT PRIMARY KEY, role TEXT NOT NULL, flows TEXT, password TEXT, made_at INTEGER NOT NULL, last_seen INTEGER
) WITHOUT ROWID;
CREATE TABLE sessions (
  id TEXT PRIMARY KEY, account TEXT NOT NULL, csrf TEXT NOT NULL, since INTEGER NOT NULL, last_seen INTEGER NOT NULL,
  ends_at INTEGER NOT NULL, address TEXT NOT NULL, agent TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE tokens (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, digest TEXT NOT NULL UNIQUE, role TEXT NOT NULL, flows TEXT, by TEXT NOT NULL,
  made_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, last_used INTEGER
) WITHOUT ROWID;
CREATE TABLE acts (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, who TEXT NOT NULL, via TEXT NOT NULL, act TEXT NOT NULL,
  what TEXT NOT NULL, why TEXT, address TEXT, outcome TEXT NOT NULL
);
-- Nobody changes what was done.
CREATE TRIGGER acts_stay BEFORE UPDATE ON acts BEGIN SELECT RAISE(ABORT, 'the audit trail does not change'); END;

-- How long each call took.
ALTER TABLE journal ADD COLUMN took INTEGER;

-- What people keep beside a question, and their own views of the events.
CREATE TABLE notes (event INTEGER PRIMARY KEY, note TEXT, assignee TEXT, due INTEGER);
CREATE TABLE views (
  name TEXT NOT NULL, by TEXT NOT NULL, query TEXT NOT NULL, shared INTEGER NOT NULL, PRIMARY KEY (name, by)
) WITHOUT ROWID;

-- How many events of a flow ended in a state, by the minute (since 1970).
CREATE TABLE rates (
  minute INTEGER NOT NULL, flow TEXT NOT NULL, state INTEGER NOT NULL, events INTEGER NOT NULL, PRIMARY KEY (minute, flow, state)
) WITHOUT ROWID;
CREATE TRIGGER events_rated AFTER UPDATE OF state ON events WHEN old.state <> new.state AND new.state IN (3, 4, 5) BEGIN
  INSERT OR IGNORE INTO rates VALUES (unixepoch() / 60, new.flow, new.state, 0);
  UPDATE rates SET events = events + 1 WHERE minute = unixepoch() / 60 AND flow = new.flow AND state = new.state;
END;

CREATE TRIGGER events_rated_in AFTER INSERT ON events WHEN new.state = 3 BEGIN
  INSERT OR IGNORE INTO rates VALUES (unixepoch() / 60, new.flow, new.state, 0);
  UPDATE rates SET events = events + 1 WHERE minute = unixepoch() / 60 AND flow = new.flow AND state = new.state;
END;

-- What one change brought about, and what brought it about: their traces begin alike (sandbox/trace.rs).
CREATE INDEX events_trace ON events (trace);

-- Words of events that ran: key and outcome, and apart from them, since not everybody may find by them, the short texts of what was told.
-- Filled beside the work (packing.rs).
CREATE VIRTUAL TABLE words USING fts5(
  said, told, content = '', contentless_delete = 1, detail = column, prefix = '2 3', tokenize = 'unicode61 remove_diacritics 2'
);
CREATE TRIGGER events_unsaid AFTER DELETE ON events BEGIN
  DELETE FROM words WHERE rowid = old.id;
  DELETE FROM notes WHERE event = old.id;
END;
