CREATE INDEX CONCURRENTLY users_email ON app_users (email);
