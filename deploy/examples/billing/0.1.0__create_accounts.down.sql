-- A repeatable script may have made it since; it stands on the table.
DROP FUNCTION IF EXISTS account_label(accounts);
DROP TABLE accounts;
