ALTER TABLE app_users DROP COLUMN name;
