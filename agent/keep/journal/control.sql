-- Operations of the scope control: what tenants of this fleet, wherever they are, had run in this
-- database. `tenant` is shard/name, `key` the rollout in which the tenant's journal has it begun: a
-- tenant that was made anew, or that was undone and goes up again, has another one.
CREATE TABLE IF NOT EXISTS skein.control (
    tenant     text NOT NULL,
    set_name   text NOT NULL,
    operation  text NOT NULL,
    key        text NOT NULL DEFAULT '',
    direction  text CHECK (direction IN ('up', 'down')), -- NULL: nothing yet
    fence      bigint NOT NULL DEFAULT 0,
    rollout    text,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, set_name, operation)
);

-- Begins such an operation inside its transaction, one at a time in this database, and raises
--   SK002 fenced    SK007 it was done already (of one to be undone: it was not done)
-- The row lock makes a second try wait for the first one, whatever agent it came from.
CREATE OR REPLACE FUNCTION skein.control_begin(
    in_tenant text, in_set text, in_operation text, in_key text, in_direction text, in_token bigint
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
DECLARE
    row_key text;
    row_direction text;
    row_fence bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(skein.task_label('', in_set));
    INSERT INTO skein.control (tenant, set_name, operation)
        VALUES (in_tenant, in_set, in_operation) ON CONFLICT DO NOTHING;
    SELECT c.key, c.direction, c.fence INTO row_key, row_direction, row_fence
      FROM skein.control c
     WHERE c.tenant = in_tenant AND c.set_name = in_set AND c.operation = in_operation FOR UPDATE;
    IF row_fence > in_token THEN
        RAISE EXCEPTION USING ERRCODE = 'SK002', MESSAGE =
            format('the task''s token %s is older than %s, which already worked here for this '
                   'tenant', in_token, row_fence);
    END IF;
    IF (in_direction = 'up' AND row_key = in_key AND row_direction = 'up')
            OR (in_direction = 'down' AND (row_key <> in_key OR row_direction IS DISTINCT FROM 'up'))
            THEN
        RAISE EXCEPTION USING ERRCODE = 'SK007', MESSAGE = 'there is nothing left to do';
    END IF;
END
$skein$;

-- Before something is undone: from when this has committed, no earlier try can do it any more.
CREATE OR REPLACE FUNCTION skein.control_fence(
    in_tenant text, in_set text, in_operation text, in_token bigint
) RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $skein$
    INSERT INTO skein.control AS c (tenant, set_name, operation, fence)
        VALUES (in_tenant, in_set, in_operation, in_token)
    ON CONFLICT (tenant, set_name, operation) DO UPDATE SET fence = greatest(c.fence, in_token)
$skein$;

CREATE OR REPLACE FUNCTION skein.control_end(
    in_tenant text, in_set text, in_operation text, in_key text, in_direction text,
    in_token bigint, in_rollout text, in_agent text, in_version text, in_checksum text
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
BEGIN
    UPDATE skein.control c
       SET key = in_key, direction = in_direction, fence = in_token, rollout = in_rollout,
           updated_at = clock_timestamp()
     WHERE c.tenant = in_tenant AND c.set_name = in_set AND c.operation = in_operation
       AND (c.xmax = pg_current_xact_id()::xid OR c.xmin = pg_current_xact_id()::xid)
       AND c.fence <= in_token;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'SK006', MESSAGE =
            'a script ended the transaction that it ran in, or wrote to skein''s journal';
    END IF;
    INSERT INTO skein.history (tenant, set_name, version, script, direction, checksum, rollout,
                               agent, fence, state, started_at, duration_ms)
    VALUES (in_tenant, in_set, in_version, in_operation, in_direction, decode(in_checksum, 'hex'),
            in_rollout, in_agent, in_token, 'done', now(),
            1000 * extract(epoch FROM clock_timestamp() - now()));
END
$skein$;
