-- One name becomes two. The old column stays until every reader of it is gone (see 1.0.0).
ALTER TABLE accounts
    ADD COLUMN given_name  text,
    ADD COLUMN family_name text;
