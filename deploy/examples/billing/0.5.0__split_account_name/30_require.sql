ALTER TABLE accounts
    ALTER COLUMN given_name SET DEFAULT '',
    ALTER COLUMN given_name SET NOT NULL,
    ALTER COLUMN family_name SET NOT NULL;
