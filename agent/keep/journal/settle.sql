-- Settles what became of tries that nobody hears of any more: ends those that still run, raises the
-- fence to `in_token`, so that none can begin any more, and says what the journal says. From when
-- this has committed the answer holds: only a task with at least this token can change it.
CREATE OR REPLACE FUNCTION skein.task_settle(
    in_tenant text, in_set text, in_token bigint, OUT out_version text, OUT out_rollout text
) LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
DECLARE
    label bigint := skein.task_label(in_tenant, in_set);
    row_fence bigint;
BEGIN
    SELECT t.fence INTO row_fence FROM skein.tenant t
     WHERE t.tenant = in_tenant AND t.set_name = in_set;
    IF row_fence IS NULL OR row_fence <= in_token THEN
        PERFORM pg_advisory_xact_lock_shared(label);
        BEGIN
            PERFORM pg_terminate_backend(l.pid) FROM pg_locks l
              WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
                AND l.database = (SELECT d.oid FROM pg_database d
                                   WHERE d.datname = current_database())
                AND (l.classid::bigint << 32 | l.objid::bigint) = label
                AND l.pid <> pg_backend_pid();
        EXCEPTION WHEN insufficient_privilege THEN
            NULL; -- of another role: then its end is waited for below
        END;
        INSERT INTO skein.tenant (tenant, set_name) VALUES (in_tenant, in_set)
            ON CONFLICT DO NOTHING;
        SELECT t.fence, coalesce(t.version, ''), coalesce(t.rollout, '')
          INTO row_fence, out_version, out_rollout
          FROM skein.tenant t WHERE t.tenant = in_tenant AND t.set_name = in_set FOR UPDATE;
    END IF;
    IF row_fence > in_token THEN
        RAISE EXCEPTION USING ERRCODE = 'SK002', MESSAGE =
            format('the token %s is older than %s, which already wrote to this tenant',
                   in_token, row_fence);
    END IF;
    UPDATE skein.tenant t SET fence = in_token
     WHERE t.tenant = in_tenant AND t.set_name = in_set;
END
$skein$;
