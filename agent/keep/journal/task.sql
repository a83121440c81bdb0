-- That another tool has applied already what skein is about to.
CREATE OR REPLACE FUNCTION skein.ledger_has(in_tool text, in_key text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'SK030', MESSAGE =
        format('%s has applied %s already, after skein recorded the tenant''s version', in_tool,
               in_key),
        HINT = format('Record what it did: skein tenant baseline --from %s', in_tool);
END
$skein$;

-- Begins a task inside its transaction: locks the tenant and its row, and raises
--   SK001 tenant missing    SK002 fenced             SK003 version moved (detail: the version)
--   SK004 unmanaged         SK005 checksum mismatch  SK007 this rollout already did it
--   SK008 up to date (somebody else did it)          SK022 a migration is half done
-- The last only in the modes run and dry_run: a walk ('walk', 'dry_walk') goes on with it.
-- The row lock makes a second try wait for a first one that still runs on a connection that nobody
-- listens to any more; afterwards the version says what became of it. `in_schema` is '' where a
-- tenant is a database. `in_scripts` are the set's scripts up to `in_from`, as they are now. A task
-- whose `in_from` is its `in_target` has repeatable scripts to run, and may come any number of times.
-- `in_target` is '' in a baseline whose version another tool's table tells.
CREATE OR REPLACE FUNCTION skein.task_begin(
    in_tenant text, in_set text, in_rollout text, in_mode text, in_from text, in_target text,
    in_token bigint, in_schema text, in_scripts text[], in_checksums text[]
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
DECLARE
    namespace oid;
    row_version text;
    row_rollout text;
    row_fence bigint := 0;
    row_database oid;
    row_schema oid;
    here oid;
    created boolean := false;
    changed text;
    half text;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(skein.task_label(in_tenant, in_set));
    -- The row below is this set's. A lost agent's migration of another set may still run, too.
    PERFORM pg_advisory_xact_lock(skein.task_label(in_tenant, ''));
    IF in_schema <> '' THEN
        namespace := to_regnamespace(quote_ident(in_schema));
        IF namespace IS NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'SK001', MESSAGE =
                format('the schema %I does not exist any more', in_schema);
        END IF;
    END IF;

    IF in_from = '' THEN
        INSERT INTO skein.tenant (tenant, set_name) VALUES (in_tenant, in_set)
            ON CONFLICT DO NOTHING;
        created := FOUND;
    END IF;
    IF NOT created THEN
        SELECT t.version, t.rollout, t.fence, t.database_oid, t.schema_oid
          INTO row_version, row_rollout, row_fence, row_database, row_schema
          FROM skein.tenant t WHERE t.tenant = in_tenant AND t.set_name = in_set FOR UPDATE;
        IF namespace IS NOT NULL AND skein.row_is_old(row_database, row_schema, namespace) THEN
            row_version := NULL;
            row_rollout := NULL;
            DELETE FROM skein.operation o WHERE o.tenant = in_tenant AND o.set_name = in_set;
        END IF;
        IF in_mode NOT IN ('dry_run', 'dry_walk') AND row_rollout = in_rollout AND row_fence <= in_token
                AND (in_target = '' OR (row_version = in_target AND in_from <> in_target)) THEN
            RAISE EXCEPTION USING ERRCODE = 'SK007', DETAIL = row_version, MESSAGE =
                'this rollout has already done it';
        END IF;
        IF row_fence > in_token THEN
            RAISE EXCEPTION USING ERRCODE = 'SK002', MESSAGE =
                format('the task''s token %s is older than %s, which already wrote to this tenant',
                       in_token, row_fence);
        END IF;
        IF row_version = in_target AND in_from <> in_target THEN
            RAISE EXCEPTION USING ERRCODE = 'SK008', DETAIL = row_version, MESSAGE =
                format('the tenant is already at %s', in_target);
        END IF;
        IF coalesce(row_version, '') <> in_from THEN
            RAISE EXCEPTION USING ERRCODE = 'SK003', DETAIL = coalesce(row_version, ''), MESSAGE =
                format('the plan starts at %s, but the tenant is at %s',
                       coalesce(nullif(in_from, ''), 'no version'),
                       coalesce(row_version, 'no version'));
        END IF;
    END IF;
    IF in_mode IN ('run', 'dry_run') AND in_from <> in_target AND NOT created THEN
        SELECT o.script INTO half FROM skein.operation o
         WHERE o.tenant = in_tenant AND o.set_name = in_set
           AND NOT skein.is_hook(o.operation) LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION USING ERRCODE = 'SK022', MESSAGE =
                format('the migration %s is half done here', half);
        END IF;
    END IF;

    IF in_from = '' THEN
        IF in_mode <> 'baseline' AND (
                CASE WHEN in_schema = '' THEN skein.database_has_objects()
                     ELSE skein.schema_has_objects(namespace) END)
                AND NOT EXISTS (SELECT FROM skein.operation o -- of its first migration, half done
                                 WHERE o.tenant = in_tenant AND o.set_name = in_set) THEN
            RAISE EXCEPTION USING ERRCODE = 'SK004', MESSAGE =
                'the tenant holds objects, but no version is recorded for it',
                HINT = 'Record its version with: skein tenant baseline';
        END IF;
    ELSE
        -- Not as a join, for which a nested loop would be chosen: its time grows with the square.
        SELECT s.script INTO changed
          FROM (SELECT u.script, u.checksum, 1 AS is_of_set
                  FROM unnest(in_scripts, in_checksums) AS u(script, checksum)
                UNION ALL
                SELECT a.script, encode(a.checksum, 'hex'), 0
                  FROM (SELECT DISTINCT ON (h.script) h.script, h.direction, h.checksum
                          FROM skein.history h
                         WHERE h.tenant = in_tenant AND h.set_name = in_set AND h.state = 'done'
                           AND h.direction IN ('up', 'down')
                         ORDER BY h.script, h.id DESC) AS a
                 WHERE a.direction = 'up') AS s
         GROUP BY s.script HAVING min(s.checksum) <> max(s.checksum) AND max(s.is_of_set) = 1
         ORDER BY s.script LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION USING ERRCODE = 'SK005', MESSAGE =
                format('script %s has changed since it was applied to this tenant', changed),
                HINT = 'Bring the change as a new script; the old one must stay as it was.';
        END IF;
    END IF;

    IF namespace IS NOT NULL AND row_schema IS DISTINCT FROM namespace THEN
        SELECT d.oid INTO here FROM pg_database d WHERE d.datname = current_database();
        UPDATE skein.tenant t SET version = row_version, rollout = row_rollout,
                                  database_oid = here, schema_oid = namespace,
                                  repeatables = CASE WHEN row_version IS NOT NULL
                                                     THEN t.repeatables END
         WHERE t.tenant = in_tenant AND t.set_name = in_set;
    END IF;
END
$skein$;

-- Ends a task: writes the history and the version. The row must still be locked, or written, by
-- this very transaction (its xmax or xmin says so): a script that ended the transaction of its task
-- behind our back is found out here (SK006), whatever it did to the settings. `skein.m1`,
-- `skein.m2`, ... have the times at which the scripts began; without them only the durations are
-- missing.
CREATE OR REPLACE FUNCTION skein.task_end(
    in_tenant text, in_set text, in_rollout text, in_agent text, in_from text, in_target text,
    in_token bigint, in_scripts text[], in_versions text[], in_directions text[],
    in_checksums text[]
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
BEGIN
    UPDATE skein.tenant t
       SET version = in_target, rollout = in_rollout, undone = NULL, fence = in_token,
           updated_at = clock_timestamp()
     WHERE t.tenant = in_tenant AND t.set_name = in_set
       AND (t.xmax = pg_current_xact_id()::xid OR t.xmin = pg_current_xact_id()::xid)
       AND t.fence <= in_token AND coalesce(t.version, '') = in_from;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'SK006', MESSAGE =
            'a script ended the transaction that it ran in, or wrote to skein''s journal';
    END IF;

    IF in_directions = ARRAY['baseline'] THEN -- whatever was half done before is not known any more
        DELETE FROM skein.operation o WHERE o.tenant = in_tenant AND o.set_name = in_set;
    END IF;

    INSERT INTO skein.history (tenant, set_name, version, script, direction, checksum, rollout,
                               agent, fence, state, started_at, duration_ms, detail)
    SELECT in_tenant, in_set, s.version, s.script, s.direction, decode(s.checksum, 'hex'),
           in_rollout, in_agent, in_token, 'done', coalesce(s.began, clock_timestamp()),
           1000 * extract(epoch FROM lead(s.began, 1, clock_timestamp()) OVER () - s.began),
           jsonb_build_object('from', in_from)
      FROM (SELECT *, nullif(current_setting('skein.m' || ordinal, true), '')::timestamptz AS began
              FROM unnest(in_scripts, in_versions, in_directions, in_checksums)
                   WITH ORDINALITY AS u(script, version, direction, checksum, ordinal)) AS s;
END
$skein$;
