-- "Ada Lovelace" is split at its last blank; a name of one word is a family name.
UPDATE accounts
   SET given_name  = CASE WHEN btrim(name) ~ '\s' THEN regexp_replace(btrim(name), '\s+\S+$', '') ELSE '' END,
       family_name = regexp_replace(btrim(name), '^.*\s', '');
