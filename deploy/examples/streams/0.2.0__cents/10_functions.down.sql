DROP FUNCTION account_after(jsonb, text, jsonb), account_in_cents(jsonb);
