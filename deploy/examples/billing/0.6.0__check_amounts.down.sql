ALTER TABLE invoice_lines DROP CONSTRAINT invoice_lines_amount;
