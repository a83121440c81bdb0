ALTER TABLE accounts DROP CONSTRAINT accounts_full_name;
