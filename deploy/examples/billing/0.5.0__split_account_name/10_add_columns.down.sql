ALTER TABLE accounts
    DROP COLUMN given_name,
    DROP COLUMN family_name;
