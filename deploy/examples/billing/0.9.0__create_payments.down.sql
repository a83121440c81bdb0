DROP FUNCTION invoice_due_cents(bigint);
DROP TABLE payments;
