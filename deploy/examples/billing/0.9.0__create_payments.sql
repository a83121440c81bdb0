-- Money that came in. An invoice is paid when its payments reach its total.
CREATE TABLE payments (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    invoice_id  bigint NOT NULL REFERENCES invoices (id),
    cents       bigint NOT NULL CHECK (cents > 0),
    received_at timestamptz NOT NULL DEFAULT now(),
    reference   text
);

CREATE INDEX payments_invoice_id ON payments (invoice_id);

-- In the SQL standard's form the names are bound now, so a caller's search_path does not matter.
CREATE FUNCTION invoice_due_cents(wanted bigint) RETURNS bigint STABLE
BEGIN ATOMIC
    SELECT COALESCE((SELECT sum(l.quantity * l.unit_cents) FROM invoice_lines l WHERE l.invoice_id = wanted), 0)::bigint
         - COALESCE((SELECT sum(p.cents) FROM payments p WHERE p.invoice_id = wanted), 0)::bigint;
END;
