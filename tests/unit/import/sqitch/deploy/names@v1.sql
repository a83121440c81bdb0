-- Deploy shop:names to pg
-- requires: users

BEGIN;

ALTER TABLE users ADD COLUMN name text;

COMMIT;
