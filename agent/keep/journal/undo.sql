-- What a rollout has done to a tenant that is not undone yet, by the history:
--   out_state    mine: it moved the version last     undone: its rollback did
--                moved: it did something, and something else has moved the version since
--                none: it has done nothing here
--   out_scripts  to be undone, newest first          out_version  the tenant's version now
--   out_start    the version that it started from    out_before   the rollout that had led there
-- Versions are '' for none.
CREATE OR REPLACE FUNCTION skein.undo_plan(
    in_tenant text, in_set text, in_rollout text, in_schema text, OUT out_state text,
    OUT out_version text, OUT out_start text, OUT out_before text, OUT out_scripts text[]
) LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $skein$
DECLARE
    namespace oid;
    row_rollout text;
    row_undone text;
    row_database oid;
    row_schema oid;
    first_id bigint;
    previous record;
BEGIN
    IF in_schema <> '' THEN
        namespace := to_regnamespace(quote_ident(in_schema));
        IF namespace IS NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'SK001', MESSAGE =
                format('the schema %I does not exist any more', in_schema);
        END IF;
    END IF;
    out_state := 'none';
    out_version := '';
    out_start := '';
    SELECT coalesce(t.version, ''), t.rollout, t.undone, t.database_oid, t.schema_oid
      INTO out_version, row_rollout, row_undone, row_database, row_schema
      FROM skein.tenant t WHERE t.tenant = in_tenant AND t.set_name = in_set;
    IF NOT FOUND OR (namespace IS NOT NULL
                     AND skein.row_is_old(row_database, row_schema, namespace)) THEN
        out_version := '';
        RETURN; -- what the history has is of another schema of that name
    END IF;

    SELECT array_agg(newest.script ORDER BY newest.id DESC) INTO out_scripts
      FROM (SELECT DISTINCT ON (h.script) h.script, h.id, h.direction, h.rollout
              FROM skein.history h
             WHERE h.tenant = in_tenant AND h.set_name = in_set AND h.state = 'done'
               AND h.direction IN ('up', 'down') AND h.script <> ''
               AND left(h.script, 3) <> 'R__' -- those have no way back
             ORDER BY h.script, h.id DESC) AS newest
     WHERE newest.direction = 'up' AND newest.rollout = in_rollout;
    IF row_undone = in_rollout THEN
        out_state := 'undone';
    ELSIF row_rollout = in_rollout THEN
        out_state := 'mine';
    ELSIF out_scripts IS NOT NULL THEN
        out_state := 'moved';
        out_before := row_rollout;
    END IF;
    IF out_state <> 'mine' THEN
        RETURN;
    END IF;

    SELECT min(h.id) INTO first_id FROM skein.history h
     WHERE h.tenant = in_tenant AND h.set_name = in_set AND h.state = 'done'
       AND h.rollout = in_rollout AND h.direction IN ('up', 'fast_forward');
    SELECT CASE h.direction WHEN 'down' THEN h.detail->>'to' ELSE h.version END AS version,
           CASE h.direction WHEN 'down' THEN h.detail->>'rollout' ELSE h.rollout END AS rollout
      INTO previous
      FROM skein.history h
     WHERE h.tenant = in_tenant AND h.set_name = in_set AND h.state = 'done' AND h.id < first_id
     ORDER BY h.id DESC LIMIT 1;
    SELECT coalesce(h.detail->>'from', previous.version, '') INTO out_start FROM skein.history h
     WHERE h.tenant = in_tenant AND h.set_name = in_set AND h.id = first_id;
    out_start := coalesce(out_start, '');
    IF out_start = coalesce(previous.version, '') THEN
        out_before := previous.rollout;
    END IF;
END
$skein$;

-- Locks a tenant for a task that undoes, as skein.task_begin does; raises SK002.
CREATE OR REPLACE FUNCTION skein.undo_lock(in_tenant text, in_set text, in_token bigint)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
DECLARE
    row_fence bigint;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(skein.task_label(in_tenant, in_set));
    PERFORM pg_advisory_xact_lock(skein.task_label(in_tenant, ''));
    SELECT t.fence INTO row_fence FROM skein.tenant t
     WHERE t.tenant = in_tenant AND t.set_name = in_set FOR UPDATE;
    IF row_fence > in_token THEN
        RAISE EXCEPTION USING ERRCODE = 'SK002', MESSAGE =
            format('the task''s token %s is older than %s, which already wrote to this tenant',
                   in_token, row_fence);
    END IF;
END
$skein$;

-- Raises SK007, SK008 or SK020 unless what undo_plan has found is this rollout's, and the newest.
CREATE OR REPLACE FUNCTION skein.undo_refuse(in_state text, in_version text, in_before text)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
BEGIN
    IF in_state = 'undone' THEN
        RAISE EXCEPTION USING ERRCODE = 'SK007', MESSAGE = 'this rollout is already undone here';
    ELSIF in_state = 'none' THEN
        RAISE EXCEPTION USING ERRCODE = 'SK008', DETAIL = in_version, MESSAGE =
            'this rollout has done nothing here';
    ELSIF in_state = 'moved' THEN
        RAISE EXCEPTION USING ERRCODE = 'SK020', DETAIL = in_version, MESSAGE =
            format('left at %s: %s has moved it since',
                   coalesce(nullif(in_version, ''), 'no version'),
                   coalesce('rollout ' || in_before, 'something else'));
    END IF;
END
$skein$;

-- Begins a task that undoes what a rollout did: locks as skein.task_begin does, and raises
--   SK001 tenant missing   SK002 fenced         SK003 not what undo_plan said when it was asked
--   SK007 undone already   SK008 nothing to undo   SK020 something else has moved it since
--   SK022 a migration is half done: that is for a walk (skein.unwind_begin)
-- `in_from` is the tenant's version, `in_target` the one to go back to, `in_scripts` are those to be
-- undone.
CREATE OR REPLACE FUNCTION skein.undo_begin(
    in_tenant text, in_set text, in_rollout text, in_mode text, in_from text, in_target text,
    in_token bigint, in_schema text, in_scripts text[], in_checksums text[]
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
DECLARE
    plan record;
BEGIN
    PERFORM skein.undo_lock(in_tenant, in_set, in_token);
    SELECT * INTO plan FROM skein.undo_plan(in_tenant, in_set, in_rollout, in_schema);
    IF EXISTS (SELECT FROM skein.operation o
                WHERE o.tenant = in_tenant AND o.set_name = in_set
                  AND NOT skein.is_hook(o.operation)) THEN
        RAISE EXCEPTION USING ERRCODE = 'SK022', MESSAGE = 'a migration is half done here';
    END IF;
    PERFORM skein.undo_refuse(plan.out_state, plan.out_version, plan.out_before);
    IF plan.out_version <> in_from OR plan.out_start <> in_target
            OR coalesce(plan.out_scripts, '{}') <> in_scripts THEN
        RAISE EXCEPTION USING ERRCODE = 'SK003', DETAIL = plan.out_version, MESSAGE =
            'the tenant was moved while its rollback began';
    END IF;
END
$skein$;

-- Ends such a task, as skein.task_end does. The tenant is again what it was before that rollout.
CREATE OR REPLACE FUNCTION skein.undo_end(
    in_tenant text, in_set text, in_rollout text, in_agent text, in_from text, in_target text,
    in_token bigint, in_schema text, in_scripts text[], in_versions text[], in_checksums text[]
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
DECLARE
    before text;
BEGIN
    SELECT p.out_before INTO before
      FROM skein.undo_plan(in_tenant, in_set, in_rollout, in_schema) AS p;
    UPDATE skein.tenant t
       SET version = nullif(in_target, ''), rollout = before, undone = in_rollout,
           repeatables = NULL, fence = in_token, updated_at = clock_timestamp()
     WHERE t.tenant = in_tenant AND t.set_name = in_set
       AND (t.xmax = pg_current_xact_id()::xid OR t.xmin = pg_current_xact_id()::xid)
       AND t.fence <= in_token AND coalesce(t.version, '') = in_from AND t.rollout = in_rollout;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'SK006', MESSAGE =
            'a script ended the transaction that it ran in, or wrote to skein''s journal';
    END IF;

    INSERT INTO skein.history (tenant, set_name, version, script, direction, checksum, rollout,
                               agent, fence, state, started_at, duration_ms, detail)
    SELECT in_tenant, in_set, s.version, s.script, 'down', decode(s.checksum, 'hex'),
           in_rollout, in_agent, in_token, 'done', coalesce(s.began, clock_timestamp()),
           1000 * extract(epoch FROM lead(s.began, 1, clock_timestamp()) OVER () - s.began),
           jsonb_build_object('from', in_from, 'to', in_target, 'rollout', before)
      FROM (SELECT *, nullif(current_setting('skein.m' || ordinal, true), '')::timestamptz AS began
              FROM unnest(in_scripts, in_versions, in_checksums)
                   WITH ORDINALITY AS u(script, version, checksum, ordinal)) AS s
     WHERE s.script <> '' OR in_from <> in_target; -- else the walk before has said all
END
$skein$;
