ALTER TABLE app_users ADD COLUMN hot boolean;
