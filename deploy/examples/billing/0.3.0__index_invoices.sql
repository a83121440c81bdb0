-- skein:allow create-index  a tenant has a few thousand invoices: built in milliseconds

-- The two questions that the application asks most: an account's invoices, and what is unpaid.
CREATE INDEX invoices_account_id_issued_on ON invoices (account_id, issued_on DESC);
-- skein:allow create-index  the same few thousand
-- skein:allow long-work  the same few thousand
CREATE INDEX invoices_unpaid ON invoices (issued_on) WHERE paid_at IS NULL;
