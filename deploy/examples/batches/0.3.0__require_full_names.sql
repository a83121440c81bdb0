ALTER TABLE accounts ADD CONSTRAINT accounts_full_name CHECK (full_name IS NOT NULL) NOT VALID;
