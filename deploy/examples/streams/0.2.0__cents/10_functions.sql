-- The next state of an account, from the one before an event, and that event.
CREATE FUNCTION account_after(state jsonb, type text, payload jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    amount numeric := coalesce((payload->>'amount')::numeric, 0);
BEGIN
    CASE type
    WHEN 'opened' THEN RETURN jsonb_build_object('owner', payload->>'owner', 'balance', 0);
    WHEN 'paid in' THEN NULL;
    WHEN 'paid out' THEN amount := -amount;
    ELSE RAISE EXCEPTION 'an account knows no event "%"', type;
    END CASE;
    RETURN jsonb_set(state, '{balance}', to_jsonb((state->>'balance')::numeric + amount));
END
$$;

-- What the new release keeps of it.
CREATE FUNCTION account_in_cents(state jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_object('owner', state->'owner',
                              'cents', round((state->>'balance')::numeric * 100))
$$;
