-- Format 11: what a token is for (store/people.rs, Purpose).
ALTER TABLE tokens ADD COLUMN purpose TEXT NOT NULL DEFAULT 'api';
