-- How support calls an account. A repeatable script: it runs again wherever it has changed.
CREATE OR REPLACE FUNCTION account_label(account accounts) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT account.family_name || ', ' || account.given_name
$$;
