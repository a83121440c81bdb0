-- Folds streams of events, one after another: a row for each, in their order, until the answers have
-- more than `in_total_max` bytes. `in_read` yields a stream's events in their order, as (sequence
-- bigint, type text, payload jsonb, bytes bigint), from its name, $1, or from what was read of it in
-- another database, $2. `in_fold` makes a state of a state ($1) and an event's type and payload ($2,
-- $3), `in_migrate` a new state of one; both are the author's, and run with the session's
-- search_path. A stream that fails says so and stops no other; what is the server's trouble, or
-- somebody's cancel, does. No answer and no error: nothing to be done, because the stream has no
-- events, is of another kind than `in_kind`, or has been folded to NULL.
CREATE OR REPLACE FUNCTION skein.state_fold(
    in_streams text[], in_given text[], in_read text, in_fold text, in_migrate text,
    in_initial jsonb, in_kind text, in_events_max bigint, in_bytes_max bigint,
    in_answer_max bigint, in_total_max bigint
) RETURNS TABLE (out_sequence bigint, out_answer text, out_error text)
LANGUAGE plpgsql AS $skein$
DECLARE
    event record;
    state jsonb;
    place text;
    events bigint;
    bytes bigint;
    total bigint := 0;
BEGIN
    FOR i IN 1 .. cardinality(in_streams) LOOP
        EXIT WHEN total > in_total_max;
        out_sequence := NULL;
        out_answer := NULL;
        out_error := NULL;
        state := in_initial;
        place := '';
        events := 0;
        bytes := 0;
        BEGIN
            FOR event IN EXECUTE in_read USING in_streams[i], in_given[i]::jsonb LOOP
                EXIT WHEN events = 0 AND in_kind IS NOT NULL AND event.type IS DISTINCT FROM in_kind;
                events := events + 1;
                bytes := bytes + event.bytes;
                IF events > in_events_max OR bytes > in_bytes_max THEN
                    RAISE EXCEPTION USING ERRCODE = 'program_limit_exceeded', MESSAGE =
                        format('the stream has more than %s events or %s bytes', in_events_max,
                               in_bytes_max);
                END IF;
                place := format('at event %s: ', event.sequence);
                EXECUTE in_fold INTO state USING state, event.type, event.payload;
                place := '';
                out_sequence := event.sequence;
            END LOOP;
            IF events > 0 AND state IS NOT NULL AND in_migrate IS NOT NULL THEN
                place := 'in the migration: ';
                EXECUTE in_migrate INTO state USING state;
            END IF;
            IF events > 0 AND state IS NOT NULL THEN
                out_answer := jsonb_build_object('state', state)::text;
                IF octet_length(out_answer) > in_answer_max THEN
                    RAISE EXCEPTION USING ERRCODE = 'program_limit_exceeded', MESSAGE =
                        format('its state is larger than %s bytes', in_answer_max);
                END IF;
                total := total + octet_length(out_answer);
            END IF;
        EXCEPTION WHEN OTHERS THEN
            IF left(SQLSTATE, 2) IN ('40', '53', '55', '57', '58', 'XX') THEN
                RAISE;
            END IF;
            out_answer := NULL;
            out_error := format('%s%s (%s)', place, SQLERRM, SQLSTATE);
        END;
        RETURN NEXT;
    END LOOP;
END
$skein$;
