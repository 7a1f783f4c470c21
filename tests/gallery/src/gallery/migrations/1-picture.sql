CREATE TABLE picture (id INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, data BLOB NOT NULL);
PRAGMA user_version = 1;
