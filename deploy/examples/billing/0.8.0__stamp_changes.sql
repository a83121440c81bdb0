-- Every change of an invoice leaves its time, and paying it twice is not possible.
ALTER TABLE invoices ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();

CREATE FUNCTION invoices_before_update() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF OLD.status = 'paid' AND NEW.status = 'open' THEN
        RAISE EXCEPTION 'invoice % is paid; it cannot be opened again', OLD.number
            USING ERRCODE = 'check_violation', HINT = 'Write a credit note.';
    END IF;
    NEW.updated_at := now();
    RETURN NEW;
END;
$body$;

CREATE TRIGGER invoices_before_update
    BEFORE UPDATE ON invoices
    FOR EACH ROW EXECUTE FUNCTION invoices_before_update();
