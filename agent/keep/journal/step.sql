-- Begins one transaction of a walk: locks the tenant's row, and raises SK001, SK002 and SK003 as
-- task_begin does. The walk is at `in_from`.
CREATE OR REPLACE FUNCTION skein.step_begin(
    in_tenant text, in_set text, in_from text, in_token bigint, in_schema text
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
DECLARE
    row_version text;
    row_fence bigint;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(skein.task_label(in_tenant, in_set));
    -- The session has this lock already, unless something took its guard away.
    PERFORM pg_advisory_xact_lock(skein.task_label(in_tenant, ''));
    IF in_schema <> '' AND to_regnamespace(quote_ident(in_schema)) IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'SK001', MESSAGE =
            format('the schema %I does not exist any more', in_schema);
    END IF;
    SELECT coalesce(t.version, ''), t.fence INTO row_version, row_fence FROM skein.tenant t
     WHERE t.tenant = in_tenant AND t.set_name = in_set FOR UPDATE;
    IF row_fence > in_token THEN
        RAISE EXCEPTION USING ERRCODE = 'SK002', MESSAGE =
            format('the task''s token %s is older than %s, which already wrote to this tenant',
                   in_token, row_fence);
    END IF;
    IF row_version IS DISTINCT FROM in_from THEN
        RAISE EXCEPTION USING ERRCODE = 'SK003', DETAIL = coalesce(row_version, ''), MESSAGE =
            format('the walk was at %s, but the tenant is at %s',
                   coalesce(nullif(in_from, ''), 'no version'),
                   coalesce(nullif(row_version, ''), 'no version'));
    END IF;
END
$skein$;

-- Inside a step's transaction: an operation begins. Durable before it does anything. The first one
-- of a migration writes the history row, which a try after a crash finds and goes on with.
CREATE OR REPLACE FUNCTION skein.step_start(
    in_tenant text, in_set text, in_rollout text, in_agent text, in_token bigint, in_script text,
    in_version text, in_checksum text, in_operation text, in_direction text
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
BEGIN
    INSERT INTO skein.operation AS o
           (tenant, set_name, script, operation, direction, state, rollout, fence)
    VALUES (in_tenant, in_set, in_script, in_operation, in_direction, 'started', in_rollout,
            in_token)
        ON CONFLICT (tenant, set_name, script, operation) DO UPDATE
       SET direction = in_direction, state = 'started', fence = in_token,
           updated_at = clock_timestamp(),
           undone = CASE WHEN o.direction = in_direction THEN o.undone END,
           position = CASE WHEN o.state = 'done' AND skein.is_hook(in_operation) THEN NULL
                           WHEN in_direction = 'down' OR o.direction = 'up' THEN o.position END,
           rollout = CASE WHEN skein.is_hook(in_operation) THEN in_rollout ELSE o.rollout END;
    IF in_direction = 'up' THEN
        PERFORM skein.step_open(in_tenant, in_set, in_rollout, in_agent, in_token, in_script,
                                in_version, in_checksum);
    END IF;
END
$skein$;

-- The history row of a migration that is under way. If it was half undone, that comes to nothing.
CREATE OR REPLACE FUNCTION skein.step_open(
    in_tenant text, in_set text, in_rollout text, in_agent text, in_token bigint, in_script text,
    in_version text, in_checksum text
) RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $skein$
    UPDATE skein.history h SET state = 'failed'
     WHERE h.tenant = in_tenant AND h.set_name = in_set AND h.script = in_script
       AND h.state = 'started' AND h.direction = 'down';
    INSERT INTO skein.history (tenant, set_name, version, script, direction, checksum, rollout,
                               agent, fence, state, started_at)
    SELECT in_tenant, in_set, in_version, in_script, 'up', decode(in_checksum, 'hex'), in_rollout,
           in_agent, in_token, 'started', clock_timestamp()
     WHERE NOT EXISTS (SELECT FROM skein.history h
                        WHERE h.tenant = in_tenant AND h.set_name = in_set
                          AND h.script = in_script AND h.state = 'started' AND h.direction = 'up')
$skein$;

-- Inside a step's transaction: how far an operation that has been started is.
CREATE OR REPLACE FUNCTION skein.step_position(
    in_tenant text, in_set text, in_script text, in_operation text, in_direction text,
    in_position jsonb, in_token bigint
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
BEGIN
    UPDATE skein.operation o
       SET position = CASE in_direction WHEN 'up' THEN in_position ELSE o.position END,
           undone = CASE in_direction WHEN 'down' THEN in_position END,
           fence = in_token, updated_at = clock_timestamp()
     WHERE o.tenant = in_tenant AND o.set_name = in_set AND o.script = in_script
       AND o.operation = in_operation AND o.direction = in_direction AND o.state = 'started';
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'SK006', MESSAGE =
            format('the operation %s of %s has not been started', in_operation, in_script);
    END IF;
END
$skein$;

-- Behind the undoing of an operation: if nothing is left of a migration that was complete once, the
-- history says so. (Of one that never was it has nothing but a row that began.)
CREATE OR REPLACE FUNCTION skein.step_gone(in_tenant text, in_set text, in_script text)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
BEGIN
    IF EXISTS (SELECT FROM skein.operation o WHERE o.tenant = in_tenant
                  AND o.set_name = in_set AND o.script = in_script
                  AND NOT skein.is_hook(o.operation)) THEN
        RETURN;
    END IF;
    UPDATE skein.history h
       SET state = 'done',
           duration_ms = 1000 * extract(epoch FROM clock_timestamp() - h.started_at)
     WHERE h.tenant = in_tenant AND h.set_name = in_set AND h.script = in_script
       AND h.state = 'started' AND h.direction = 'down';
    IF FOUND THEN
        RETURN;
    END IF;
    -- A rollout that has gone up meanwhile has ended the row of the first attempt.
    INSERT INTO skein.history (tenant, set_name, version, script, direction, checksum, rollout,
                               agent, fence, state, started_at, duration_ms, detail)
    SELECT h.tenant, h.set_name, h.version, h.script, 'down', h.checksum, h.rollout, h.agent,
           t.fence, 'done', clock_timestamp(), 0,
           jsonb_build_object('from', h.version, 'to', coalesce(t.version, ''), 'rollout', t.rollout)
      FROM (SELECT * FROM skein.history h
             WHERE h.tenant = in_tenant AND h.set_name = in_set AND h.script = in_script
               AND h.state = 'done' AND h.direction IN ('up', 'down')
             ORDER BY h.id DESC LIMIT 1) AS h
      JOIN skein.tenant t ON t.tenant = h.tenant AND t.set_name = h.set_name
     WHERE h.direction = 'up';
END
$skein$;

-- Inside a step's transaction: an operation has been undone, and may be done again.
CREATE OR REPLACE FUNCTION skein.step_undone(
    in_tenant text, in_set text, in_script text, in_operation text
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
BEGIN
    DELETE FROM skein.operation o
     WHERE o.tenant = in_tenant AND o.set_name = in_set AND o.script = in_script
       AND o.operation = in_operation;
    PERFORM skein.step_gone(in_tenant, in_set, in_script);
END
$skein$;

-- What the operations of a migration have stored last, for whoever undoes them one day.
CREATE OR REPLACE FUNCTION skein.step_positions(in_tenant text, in_set text, in_script text)
RETURNS jsonb LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $skein$
    SELECT CASE WHEN count(*) > 0
                THEN jsonb_build_object('positions', jsonb_object_agg(o.operation, o.position))
                ELSE '{}' END
      FROM skein.operation o
     WHERE o.tenant = in_tenant AND o.set_name = in_set AND o.script = in_script
       AND length(o.position::text) <= 1000 -- what is longer is how far a batch is
$skein$;

-- Ends a step: moves the version to that of the last migration that is complete with it (where none
-- is, in_to is in_from), whose history rows it writes as task_end does. `in_operations` of the
-- migration `in_open`, which goes on, are done. `in_note` (or NULL) goes to the history's detail.
CREATE OR REPLACE FUNCTION skein.step_end(
    in_tenant text, in_set text, in_rollout text, in_agent text, in_from text, in_to text,
    in_token bigint, in_scripts text[], in_versions text[], in_directions text[],
    in_checksums text[], in_open text, in_open_version text, in_open_checksum text,
    in_operations text[], in_note jsonb
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
DECLARE
    done bigint;
BEGIN
    UPDATE skein.tenant t
       SET version = nullif(in_to, ''), fence = in_token, updated_at = clock_timestamp(),
           rollout = CASE WHEN in_to = in_from THEN t.rollout ELSE in_rollout END,
           undone = CASE WHEN in_to = in_from THEN t.undone END
     WHERE t.tenant = in_tenant AND t.set_name = in_set
       AND (t.xmax = pg_current_xact_id()::xid OR t.xmin = pg_current_xact_id()::xid)
       AND t.fence <= in_token AND coalesce(t.version, '') = in_from;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'SK006', MESSAGE =
            'a script ended the transaction that it ran in, or wrote to skein''s journal';
    END IF;

    UPDATE skein.history h SET state = 'failed' -- its undoing comes to nothing
     WHERE h.tenant = in_tenant AND h.set_name = in_set AND h.state = 'started'
       AND h.direction = 'down' AND h.script = ANY (in_scripts);
    IF in_note IS NOT NULL THEN
        UPDATE skein.history h SET detail = coalesce(h.detail, '{}') || in_note
         WHERE h.tenant = in_tenant AND h.set_name = in_set AND h.state = 'started'
           AND h.script = ANY (in_scripts);
    END IF;
    UPDATE skein.history h
       SET state = 'done', rollout = in_rollout, agent = in_agent, fence = in_token,
           duration_ms = 1000 * extract(epoch FROM clock_timestamp() - h.started_at),
           detail = coalesce(h.detail, '{}') || jsonb_build_object('from', in_from)
                    || skein.step_positions(in_tenant, in_set, h.script)
     WHERE h.tenant = in_tenant AND h.set_name = in_set AND h.state = 'started'
       AND h.script = ANY (in_scripts);
    DELETE FROM skein.operation o
     WHERE o.tenant = in_tenant AND o.set_name = in_set AND o.script = ANY (in_scripts);
    INSERT INTO skein.history (tenant, set_name, version, script, direction, checksum, rollout,
                               agent, fence, state, started_at, duration_ms, detail)
    SELECT in_tenant, in_set, s.version, s.script, s.direction, decode(s.checksum, 'hex'),
           in_rollout, in_agent, in_token, 'done', coalesce(s.began, clock_timestamp()),
           1000 * extract(epoch FROM lead(s.began, 1, clock_timestamp()) OVER () - s.began),
           jsonb_build_object('from', in_from)
      FROM (SELECT *, nullif(current_setting('skein.m' || ordinal, true), '')::timestamptz AS began
              FROM unnest(in_scripts, in_versions, in_directions, in_checksums)
                   WITH ORDINALITY AS u(script, version, direction, checksum, ordinal)) AS s
     WHERE NOT EXISTS (SELECT FROM skein.history h
                        WHERE h.tenant = in_tenant AND h.set_name = in_set
                          AND h.script = s.script AND h.script <> '' AND h.state = 'done'
                          AND h.direction = 'up' AND h.xmin = pg_current_xact_id()::xid);

    -- Last, so that the history has the migrations in their order.
    IF in_open <> '' THEN
        PERFORM skein.step_open(in_tenant, in_set, in_rollout, in_agent, in_token, in_open,
                                in_open_version, in_open_checksum);
        INSERT INTO skein.operation AS o
               (tenant, set_name, script, operation, direction, state, rollout, fence)
        SELECT in_tenant, in_set, in_open, u.operation, 'up', 'done', in_rollout, in_token
          FROM unnest(in_operations) AS u(operation)
            ON CONFLICT (tenant, set_name, script, operation) DO UPDATE
           SET state = 'done', direction = 'up', fence = in_token, updated_at = clock_timestamp(),
               rollout = CASE WHEN skein.is_hook(o.operation) THEN in_rollout ELSE o.rollout END
         WHERE o.state = 'started' OR (skein.is_hook(o.operation) AND o.rollout <> in_rollout);
        GET DIAGNOSTICS done = ROW_COUNT;
        IF done <> cardinality(in_operations) THEN
            RAISE EXCEPTION USING ERRCODE = 'SK006', MESSAGE =
                format('an operation of %s was done already', in_open);
        END IF;
    END IF;
    IF in_note IS NOT NULL THEN
        UPDATE skein.history h SET detail = coalesce(h.detail, '{}') || in_note
         WHERE h.tenant = in_tenant AND h.set_name = in_set AND h.state = 'started'
           AND h.script = in_open;
    END IF;
END
$skein$;

-- A walk has failed inside a migration, and what can be undone of it is.
CREATE OR REPLACE FUNCTION skein.step_failed(
    in_tenant text, in_set text, in_script text, in_token bigint, in_why jsonb
) RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $skein$
    UPDATE skein.history h
       SET state = 'failed', fence = in_token, detail = coalesce(h.detail, '{}') || in_why,
           duration_ms = 1000 * extract(epoch FROM clock_timestamp() - h.started_at)
     WHERE h.tenant = in_tenant AND h.set_name = in_set AND h.script = in_script
       AND h.state = 'started' AND h.direction = 'up'
$skein$;
