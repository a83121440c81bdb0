DROP TABLE streams;
DROP TABLE snapshots;
DROP TABLE events;
