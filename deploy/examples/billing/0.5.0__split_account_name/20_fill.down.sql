-- What was typed into the new columns since then is written back before they go.
UPDATE accounts
   SET name = btrim(concat_ws(' ', given_name, family_name));
