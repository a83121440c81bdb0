-- What is billed: an invoice and its lines. Amounts are in cents; money does not float.
CREATE TABLE invoices (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES accounts (id),
    number     text NOT NULL UNIQUE,
    issued_on  date NOT NULL DEFAULT current_date,
    paid_at    timestamptz
);

CREATE TABLE invoice_lines (
    invoice_id  bigint NOT NULL REFERENCES invoices (id) ON DELETE CASCADE,
    position    integer NOT NULL,
    description text NOT NULL,
    quantity    integer NOT NULL DEFAULT 1,
    unit_cents  bigint NOT NULL,
    PRIMARY KEY (invoice_id, position)
);
