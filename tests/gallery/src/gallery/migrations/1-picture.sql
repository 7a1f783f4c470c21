CREATE TABLE picture (id INTEGER PRIMARY KEY, caption TEXT NOT NULL, checksum TEXT NOT NULL, data BLOB NOT NULL);
PRAGMA user_version = 1;
