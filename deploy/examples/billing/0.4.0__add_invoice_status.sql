-- Where an invoice stands was guessed from paid_at; now it says so itself.
CREATE TYPE invoice_status AS ENUM ('draft', 'open', 'paid', 'void');

ALTER TABLE invoices ADD COLUMN status invoice_status NOT NULL DEFAULT 'draft';

UPDATE invoices
   SET status = CASE WHEN paid_at IS NULL THEN 'open' ELSE 'paid' END::invoice_status;
