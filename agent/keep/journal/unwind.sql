-- A rollout undone on a tenant in more than one transaction, by a walk that goes down. A migration
-- of which a part is undone is one that is half done: the version is the one below it, and each of
-- its operations that is still there has its row in skein.operation. So whatever comes next knows
-- what to do: the same rollback goes on, and a rollout that goes up does again what was undone.
--
-- Begins such a walk, or goes on with it (the caller has the guard); raises SK001, SK002, SK007,
-- SK008 and SK020 as skein.undo_begin does, and
--   SK021 a migration that another rollout has begun is half done here
-- `out_half` is a migration of this rollout that was never complete, NULL for none; `out_scripts`
-- are those that were, newest first. Raises the fence, but not in a dry run.
CREATE OR REPLACE FUNCTION skein.unwind_begin(
    in_tenant text, in_set text, in_rollout text, in_mode text, in_token bigint, in_schema text,
    OUT out_version text, OUT out_start text, OUT out_half text, OUT out_scripts text[]
) LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
DECLARE
    plan record;
    other record;
BEGIN
    PERFORM skein.undo_lock(in_tenant, in_set, in_token);
    SELECT * INTO plan FROM skein.undo_plan(in_tenant, in_set, in_rollout, in_schema);
    out_scripts := CASE WHEN plan.out_state = 'mine' THEN coalesce(plan.out_scripts, '{}')
                        ELSE '{}' END;
    out_version := plan.out_version;
    out_start := CASE WHEN plan.out_state = 'mine' THEN plan.out_start ELSE out_version END;
    SELECT min(o.script) INTO out_half FROM skein.operation o
     WHERE o.tenant = in_tenant AND o.set_name = in_set AND o.rollout = in_rollout
       AND o.script <> ALL (out_scripts) AND NOT skein.is_hook(o.operation);

    IF out_half IS NULL OR plan.out_state = 'moved' THEN
        PERFORM skein.undo_refuse(plan.out_state, plan.out_version, plan.out_before);
    END IF;
    SELECT o.script, o.rollout INTO other FROM skein.operation o
     WHERE o.tenant = in_tenant AND o.set_name = in_set AND o.script <> ALL (out_scripts)
       AND o.script IS DISTINCT FROM out_half AND NOT skein.is_hook(o.operation) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'SK021', MESSAGE =
            format('the migration %s of rollout %s is half done here', other.script,
                   other.rollout),
            HINT = 'That one has to be completed, or rolled back, first.';
    END IF;
    IF in_mode <> 'rollback_dry_run' THEN
        UPDATE skein.tenant t SET fence = in_token
         WHERE t.tenant = in_tenant AND t.set_name = in_set AND t.fence < in_token;
    END IF;
END
$skein$;

-- Inside a step's transaction: a complete migration becomes one that is half done, with nothing of
-- it undone yet. The version goes down with it, to that of what remains.
CREATE OR REPLACE FUNCTION skein.unwind_open(
    in_tenant text, in_set text, in_rollout text, in_agent text, in_token bigint, in_schema text,
    in_from text, in_to text, in_script text, in_version text, in_checksum text,
    in_operations text[], in_controls text[]
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
DECLARE
    plan record;
    stored jsonb;
BEGIN
    SELECT * INTO plan FROM skein.undo_plan(in_tenant, in_set, in_rollout, in_schema);
    UPDATE skein.tenant t
       SET version = nullif(in_to, ''), repeatables = NULL, fence = in_token,
           updated_at = clock_timestamp()
     WHERE t.tenant = in_tenant AND t.set_name = in_set
       AND (t.xmax = pg_current_xact_id()::xid OR t.xmin = pg_current_xact_id()::xid)
       AND t.fence <= in_token AND coalesce(t.version, '') = in_from AND t.rollout = in_rollout;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'SK006', MESSAGE =
            'a script ended the transaction that it ran in, or wrote to skein''s journal';
    END IF;

    SELECT h.detail->'positions' INTO stored FROM skein.history h
     WHERE h.tenant = in_tenant AND h.set_name = in_set AND h.script = in_script
       AND h.state = 'done' AND h.direction = 'up' ORDER BY h.id DESC LIMIT 1;
    -- An older journal did not keep what an operation of the scope control is known by there: that
    -- is the rollout, nearly always.
    INSERT INTO skein.operation
           (tenant, set_name, script, operation, direction, state, position, rollout, fence)
    SELECT in_tenant, in_set, in_script, u.operation, 'up', 'done',
           coalesce(stored->u.operation,
                    CASE WHEN u.operation = ANY (in_controls) THEN to_jsonb(in_rollout) END),
           in_rollout, in_token
      FROM unnest(in_operations) AS u(operation);
    INSERT INTO skein.history (tenant, set_name, version, script, direction, checksum, rollout,
                               agent, fence, state, started_at, detail)
    VALUES (in_tenant, in_set, in_version, in_script, 'down', decode(in_checksum, 'hex'),
            in_rollout, in_agent, in_token, 'started', clock_timestamp(),
            jsonb_build_object('from', in_from, 'to', in_to, 'rollout',
                               CASE WHEN cardinality(plan.out_scripts) > 1 THEN in_rollout
                                    ELSE plan.out_before END));
END
$skein$;

-- Inside a step's transaction: an operation is undone. With the last one its migration is, which
-- was complete once, or has failed in its middle. `in_note` as in skein.step_end.
CREATE OR REPLACE FUNCTION skein.unwind_end(
    in_tenant text, in_set text, in_token bigint, in_from text, in_script text, in_operation text,
    in_note jsonb
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
BEGIN
    UPDATE skein.tenant t SET fence = in_token, updated_at = clock_timestamp()
     WHERE t.tenant = in_tenant AND t.set_name = in_set
       AND (t.xmax = pg_current_xact_id()::xid OR t.xmin = pg_current_xact_id()::xid)
       AND t.fence <= in_token AND coalesce(t.version, '') = in_from;
    IF FOUND THEN
        DELETE FROM skein.operation o
         WHERE o.tenant = in_tenant AND o.set_name = in_set AND o.script = in_script
           AND o.operation = in_operation;
    END IF;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'SK006', MESSAGE =
            'a script ended the transaction that it ran in, or wrote to skein''s journal';
    END IF;
    UPDATE skein.history h SET detail = coalesce(h.detail, '{}') || in_note
     WHERE in_note IS NOT NULL AND h.tenant = in_tenant AND h.set_name = in_set
       AND h.script = in_script AND h.state = 'started';
    PERFORM skein.step_gone(in_tenant, in_set, in_script);
    UPDATE skein.history h
       SET state = 'failed', fence = in_token,
           duration_ms = 1000 * extract(epoch FROM clock_timestamp() - h.started_at),
           detail = coalesce(h.detail, '{}')
                    || jsonb_build_object('code', 'ROLLBACK', 'message', 'rolled back')
     WHERE h.tenant = in_tenant AND h.set_name = in_set AND h.script = in_script
       AND h.state = 'started' AND h.direction = 'up'
       AND NOT EXISTS (SELECT FROM skein.operation o WHERE o.tenant = in_tenant
                          AND o.set_name = in_set AND o.script = in_script
                          AND NOT skein.is_hook(o.operation));
END
$skein$;

-- Ends the walk, in a transaction of its own: the tenant is again what it was before that rollout.
-- Who dies in front of it leaves a rollback that has nothing more to do than this.
CREATE OR REPLACE FUNCTION skein.unwind_finish(
    in_tenant text, in_set text, in_rollout text, in_from text, in_token bigint, in_schema text
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
DECLARE
    plan record;
    changed bigint;
BEGIN
    SELECT * INTO plan FROM skein.undo_plan(in_tenant, in_set, in_rollout, in_schema);
    UPDATE skein.tenant t
       SET version = nullif(CASE plan.out_state WHEN 'mine' THEN plan.out_start ELSE in_from END,
                            ''),
           rollout = CASE t.rollout WHEN in_rollout THEN plan.out_before ELSE t.rollout END,
           undone = in_rollout, repeatables = NULL, fence = in_token,
           updated_at = clock_timestamp()
     WHERE t.tenant = in_tenant AND t.set_name = in_set
       AND (t.xmax = pg_current_xact_id()::xid OR t.xmin = pg_current_xact_id()::xid)
       AND t.fence <= in_token AND coalesce(t.version, '') = in_from;
    GET DIAGNOSTICS changed = ROW_COUNT;
    DELETE FROM skein.operation o -- of hooks: the next rollout does them anew
     WHERE o.tenant = in_tenant AND o.set_name = in_set AND o.rollout = in_rollout;
    IF changed = 0 OR plan.out_scripts IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'SK006', MESSAGE =
            'a script ended the transaction that it ran in, or wrote to skein''s journal';
    END IF;
END
$skein$;
