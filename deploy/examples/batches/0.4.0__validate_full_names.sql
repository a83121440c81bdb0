-- Reads the table once, under a lock that lets others read and write.
ALTER TABLE accounts VALIDATE CONSTRAINT accounts_full_name;
