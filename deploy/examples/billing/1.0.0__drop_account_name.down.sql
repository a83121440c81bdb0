DROP INDEX accounts_email;

ALTER TABLE accounts ADD COLUMN name text;
UPDATE accounts SET name = btrim(concat_ws(' ', given_name, family_name));
ALTER TABLE accounts ALTER COLUMN name SET NOT NULL;
