-- The end of what 0.5.0 began, and one account for each address.
ALTER TABLE accounts DROP COLUMN name;

CREATE UNIQUE INDEX accounts_email ON accounts (lower(email));
