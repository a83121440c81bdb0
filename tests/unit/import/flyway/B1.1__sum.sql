CREATE TABLE app_users (id bigint PRIMARY KEY);
