CREATE OR REPLACE VIEW app_emails AS SELECT email FROM ${prefix}users;
