ALTER TABLE invoices ADD COLUMN total numeric;
