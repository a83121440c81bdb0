-- Walks: tasks of more than one transaction, because something in them cannot run in one. For as
-- long as a walk lasts its session holds the guard: the advisory locks that a task's transaction
-- holds, but of the session, so that nobody else works on the tenant between the transactions. (An
-- advisory lock holds no snapshot, for which a CREATE INDEX CONCURRENTLY would wait.) So whoever
-- has the guard knows that nothing of an earlier try is left that could still take effect. The
-- third lock says that this is a walk, which may be silent for long: see agent/run/stalled_try.
CREATE OR REPLACE FUNCTION skein.walk_guard(in_tenant text, in_set text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
BEGIN
    PERFORM pg_advisory_lock_shared(skein.task_label(in_tenant, in_set));
    PERFORM pg_advisory_lock_shared(skein.task_label(in_tenant, '/walk'));
    PERFORM pg_advisory_lock(skein.task_label(in_tenant, ''));
END
$skein$;

-- Ends the walk of whoever was given the tenant earlier, and raises the fence above it, so that it
-- cannot begin again. (A later token than ours has written here: then it is us who came too late.)
CREATE OR REPLACE FUNCTION skein.walk_end_earlier(in_tenant text, in_set text, in_token bigint)
RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
DECLARE
    ended bigint;
BEGIN
    IF EXISTS (SELECT FROM skein.tenant t WHERE t.tenant = in_tenant AND t.fence > in_token) THEN
        RETURN 0;
    END IF;
    SELECT count(pg_terminate_backend(l.pid)) INTO ended FROM pg_locks l
     WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
       AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
       AND (l.classid::bigint << 32 | l.objid::bigint) = skein.task_label(in_tenant, '/walk')
       AND l.mode = 'ShareLock' AND l.pid <> pg_backend_pid();
    IF ended > 0 THEN
        INSERT INTO skein.tenant (tenant, set_name) VALUES (in_tenant, in_set)
            ON CONFLICT DO NOTHING;
        UPDATE skein.tenant t SET fence = in_token
         WHERE t.tenant = in_tenant AND t.fence < in_token;
    END IF;
    RETURN ended;
END
$skein$;

-- Begins a walk, or goes on with one: everything that task_begin checks. A tenant that this very
-- rollout has already taken to one of `in_path`, the versions on the way, is where it should be.
-- Raises the fence, and returns the version from which to go on.
CREATE OR REPLACE FUNCTION skein.walk_begin(
    in_tenant text, in_set text, in_rollout text, in_from text, in_target text, in_path text[],
    in_token bigint, in_schema text, in_scripts text[], in_checksums text[]
) RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
DECLARE
    reached text;
BEGIN
    SELECT t.version INTO reached FROM skein.tenant t
     WHERE t.tenant = in_tenant AND t.set_name = in_set AND t.rollout = in_rollout
       AND t.version = ANY (in_path) AND t.version <> in_target FOR UPDATE;
    reached := coalesce(reached, in_from);
    PERFORM skein.task_begin(in_tenant, in_set, in_rollout, 'walk', reached, in_target, in_token,
                             in_schema, in_scripts, in_checksums);
    UPDATE skein.tenant t SET fence = in_token
     WHERE t.tenant = in_tenant AND t.set_name = in_set AND t.fence < in_token;
    RETURN reached;
END
$skein$;
