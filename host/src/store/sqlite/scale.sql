-- Format 3: what a host looks at all day is found without looking at the rest, at a million events.
-- `head`: the one event of its key that may run or is under way. `ran`: it was in a run, whatever its journal's age.
-- `kind`: what kind of record the key names.
-- `planned_at`: when `due_at` was set, by the clock of then: of what was planned in a future that is gone the distance counts.
-- `lane`: 0 for what happens now, 1 for a backfill (store/model.rs, Lane). `attempts` no longer counts a run under way.
ALTER TABLE events ADD COLUMN head INTEGER NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN ran INTEGER NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN lane INTEGER NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN kind TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN planned_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE wakes ADD COLUMN planned_at INTEGER NOT NULL DEFAULT 0;
-- The attempt the plugin was told, and whether the event had run before: a replay and a recovery see the same.
ALTER TABLE run_events ADD COLUMN attempt INTEGER NOT NULL DEFAULT 1;
ALTER TABLE run_events ADD COLUMN again INTEGER NOT NULL DEFAULT 0;

UPDATE run_events SET
  attempt = coalesce((SELECT max(1, attempts) FROM events WHERE id = run_events.event), 1),
  again = EXISTS (SELECT 1 FROM run_events AS o WHERE o.event = run_events.event AND o.run < run_events.run);
UPDATE events SET ran = 1 WHERE state IN (0, 1, 2, 3, 5) AND EXISTS (SELECT 1 FROM run_events WHERE event = events.id);
UPDATE events SET planned_at = created_at;
UPDATE events SET attempts = max(0, attempts - 1) WHERE state = 1;
UPDATE events SET head = 1 WHERE id IN (
  SELECT id FROM (
    SELECT id, row_number() OVER (PARTITION BY flow, key ORDER BY state <> 1, id) AS place FROM events WHERE state < 3
  ) WHERE place = 1
);

DROP INDEX events_ready;
DROP INDEX events_due;
DROP INDEX events_key;
-- Two events of one key under way at once do not fit into the table.
CREATE UNIQUE INDEX events_head ON events (flow, key) WHERE head = 1;
CREATE INDEX events_ready ON events (flow, lane, due_at, id) WHERE state = 0 AND head = 1;
CREATE INDEX events_deadline ON events (due_at) WHERE state = 2;
CREATE INDEX events_by_state ON events (flow, state, id);
CREATE INDEX events_by_key ON events (key, state, id);

-- Kept, not counted.
CREATE TABLE counts (
  flow TEXT NOT NULL, state INTEGER NOT NULL, events INTEGER NOT NULL, PRIMARY KEY (flow, state)
) WITHOUT ROWID;
INSERT INTO counts SELECT flow, state, count(*) FROM events GROUP BY flow, state;
-- Grows with each event that enters or leaves review: who shows the questions looks here first.
CREATE TABLE revisions (name TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO revisions VALUES ('review', 1);

CREATE TRIGGER events_in AFTER INSERT ON events BEGIN
  INSERT OR IGNORE INTO counts VALUES (new.flow, new.state, 0);
  UPDATE counts SET events = events + 1 WHERE flow = new.flow AND state = new.state;
  UPDATE revisions SET number = number + 1 WHERE name = 'review' AND new.state = 3;
END;
CREATE TRIGGER events_moved AFTER UPDATE OF state ON events WHEN old.state <> new.state BEGIN
  INSERT OR IGNORE INTO counts VALUES (new.flow, new.state, 0);
  UPDATE counts SET events = events + 1 WHERE flow = new.flow AND state = new.state;
  UPDATE counts SET events = events - 1 WHERE flow = old.flow AND state = old.state;
  UPDATE revisions SET number = number + 1 WHERE name = 'review' AND 3 IN (old.state, new.state);
END;
CREATE TRIGGER events_out AFTER DELETE ON events BEGIN
  UPDATE counts SET events = events - 1 WHERE flow = old.flow AND state = old.state;
  UPDATE revisions SET number = number + 1 WHERE name = 'review' AND old.state = 3;
END;

-- Journals of runs that ended, packed (zstd over JSON, see packing.rs): the rows of `journal` are those of open runs and of the last
-- seconds. Subjects are those of effects: what `tandem explain` asks for.
ALTER TABLE runs ADD COLUMN packed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX runs_unpacked ON runs (id) WHERE packed = 0 AND finished_at IS NOT NULL;
CREATE TABLE packed (run INTEGER PRIMARY KEY, entries BLOB NOT NULL);
CREATE TABLE packed_subjects (subject TEXT NOT NULL, run INTEGER NOT NULL, PRIMARY KEY (subject, run)) WITHOUT ROWID;
CREATE INDEX packed_subjects_run ON packed_subjects (run);
