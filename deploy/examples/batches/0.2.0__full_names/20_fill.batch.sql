-- skein:batch_rows 500
SELECT id FROM accounts WHERE full_name IS NULL;

UPDATE accounts
   SET full_name = first_name || ' ' || last_name
  FROM chunk
 WHERE accounts.id = chunk.id;
