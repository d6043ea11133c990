-- How sources that compare their records saw each of them last: before, one text of all of them as the source's position, read and
-- written whole at every look.
CREATE TABLE seen (source TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (source, key)) WITHOUT ROWID;
INSERT INTO seen SELECT source, each.key, each.value FROM positions, json_each(position) each WHERE source LIKE 'b1:%:scan';
UPDATE positions SET position = 'true' WHERE source LIKE 'b1:%:scan';
