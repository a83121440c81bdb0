-- A line that gives money back is a credit note, not a negative line. A tenant that has one anyway
-- fails the dry run here, before anything is changed anywhere.
ALTER TABLE invoice_lines
    ADD CONSTRAINT invoice_lines_amount CHECK (quantity > 0 AND unit_cents >= 0);
