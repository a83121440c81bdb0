ALTER TABLE app_users ADD COLUMN name text;
-- two lines
