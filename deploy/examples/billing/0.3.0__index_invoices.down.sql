DROP INDEX invoices_unpaid;
DROP INDEX invoices_account_id_issued_on;
