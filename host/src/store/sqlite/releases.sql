-- Format 6: what each flow runs, as one digest. `contents`: parts by their SHA-256, packed. `activations`: the last of a flow is the live one;
-- `back` is the activation that a rollback returns to. `candidates`: what the files of a flow said last, and why it is not live.
-- A run of before this format names its plugin's digest where those of today name their release's.
ALTER TABLE runs RENAME COLUMN digest TO release;
CREATE TABLE contents (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, packed BLOB NOT NULL);
CREATE TABLE releases (
  flow TEXT NOT NULL, digest TEXT NOT NULL, manifest TEXT NOT NULL, origin TEXT NOT NULL, made_at INTEGER NOT NULL,
  signed_by TEXT, PRIMARY KEY (flow, digest)
) WITHOUT ROWID;
CREATE TABLE release_contents (
  flow TEXT NOT NULL, release TEXT NOT NULL, content TEXT NOT NULL, PRIMARY KEY (flow, release, content)
) WITHOUT ROWID;
CREATE INDEX release_contents_content ON release_contents (content);
CREATE TABLE activations (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  flow TEXT NOT NULL, release TEXT NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL, at INTEGER NOT NULL, back INTEGER
);
CREATE INDEX activations_flow ON activations (flow, id);
CREATE TABLE candidates (flow TEXT PRIMARY KEY, release TEXT NOT NULL, at INTEGER NOT NULL, held TEXT) WITHOUT ROWID;
CREATE INDEX runs_release ON runs (release);
-- The answer of a person that the run was given: a replay sees the same, whatever was answered since. Of those of before only the last is known,
-- and the run that it led to.
ALTER TABLE run_events ADD COLUMN answer TEXT;
UPDATE run_events SET answer = (SELECT resolution FROM events WHERE id = run_events.event)
  WHERE event IN (SELECT id FROM events WHERE resolution IS NOT NULL)
    AND run = (SELECT max(run) FROM run_events AS own WHERE own.event = run_events.event);
