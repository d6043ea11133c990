-- Format 2: what a human decides by.
ALTER TABLE events ADD COLUMN detail TEXT;
