DROP TRIGGER invoices_before_update ON invoices;
DROP FUNCTION invoices_before_update();
ALTER TABLE invoices DROP COLUMN updated_at;
