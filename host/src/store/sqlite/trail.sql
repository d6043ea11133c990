-- Format 12: each line of the audit trail is bound to all before it (store/trail, trail.rs). `salts`: 16 bytes for each of who, what, why, address and client.
ALTER TABLE acts ADD COLUMN client TEXT;
ALTER TABLE acts ADD COLUMN salts BLOB;
ALTER TABLE acts ADD COLUMN chain BLOB;

-- Nobody changes what was done. A line gets its hash once; of a person who is forgotten a hash takes the place of what was told of them.
DROP TRIGGER acts_stay;
CREATE TRIGGER acts_stay BEFORE UPDATE ON acts WHEN NOT (
  new.id IS old.id AND new.at IS old.at AND new.who IS old.who AND new.via IS old.via AND new.act IS old.act AND new.outcome IS old.outcome
  AND new.address IS old.address AND new.client IS old.client AND (
    old.chain IS NULL AND new.what IS old.what AND new.why IS old.why
    OR new.chain IS old.chain AND (new.what IS old.what OR new.what GLOB 'hashed:*') AND (new.why IS old.why OR new.why GLOB 'hashed:*')
  )
) BEGIN SELECT RAISE(ABORT, 'the audit trail does not change'); END;
