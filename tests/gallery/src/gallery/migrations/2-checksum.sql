ALTER TABLE picture ADD COLUMN checksum TEXT NOT NULL DEFAULT '';
PRAGMA user_version = 2;
