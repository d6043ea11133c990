-- Bytes of keys and values that a flow has stored, kept by triggers: before, added up at each run that stores something.
CREATE TABLE storage_bytes (flow TEXT PRIMARY KEY, bytes INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO storage_bytes
  SELECT flow, sum(length(CAST(key AS BLOB)) + length(CAST(value AS BLOB))) FROM storage GROUP BY flow;

CREATE TRIGGER storage_in AFTER INSERT ON storage BEGIN
  INSERT OR IGNORE INTO storage_bytes VALUES (new.flow, 0);
  UPDATE storage_bytes SET bytes = bytes + length(CAST(new.key AS BLOB)) + length(CAST(new.value AS BLOB)) WHERE flow = new.flow;
END;
CREATE TRIGGER storage_changed AFTER UPDATE OF value ON storage BEGIN
  UPDATE storage_bytes SET bytes = bytes + length(CAST(new.value AS BLOB)) - length(CAST(old.value AS BLOB)) WHERE flow = new.flow;
END;
CREATE TRIGGER storage_out AFTER DELETE ON storage BEGIN
  UPDATE storage_bytes SET bytes = bytes - length(CAST(old.key AS BLOB)) - length(CAST(old.value AS BLOB)) WHERE flow = old.flow;
END;
