-- Format 10: how much is kept of what is finished (store/model.rs, Kept): 0 all of it, 1 values as keyed hashes, 2 nothing but the ids, 3 a person was forgotten.
ALTER TABLE events ADD COLUMN kept INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN kept INTEGER NOT NULL DEFAULT 0;
-- Ids of the keys that values may be sealed with (sealing.rs): the keys themselves lie elsewhere.
CREATE TABLE seals (key TEXT PRIMARY KEY, since INTEGER NOT NULL) WITHOUT ROWID;
