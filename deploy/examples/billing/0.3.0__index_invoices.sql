-- skein:allow add-index-blocking  a tenant has a few thousand invoices: built in milliseconds

-- The two questions that the application asks most: an account's invoices, and what is unpaid.
CREATE INDEX invoices_account_id_issued_on ON invoices (account_id, issued_on DESC);
CREATE INDEX invoices_unpaid ON invoices (issued_on) WHERE paid_at IS NULL;
