-- Format 9: who signs in elsewhere. Both are null for an account of this host; by the subject a person is known to the issuer, whatever their name.
ALTER TABLE accounts ADD COLUMN issuer TEXT;
ALTER TABLE accounts ADD COLUMN subject TEXT;
CREATE UNIQUE INDEX accounts_outside ON accounts (issuer, subject) WHERE issuer IS NOT NULL;
