ALTER TABLE users ADD COLUMN seat int;
