SELECT id FROM accounts WHERE full_name IS NOT NULL;

UPDATE accounts SET full_name = NULL FROM chunk WHERE accounts.id = chunk.id;
