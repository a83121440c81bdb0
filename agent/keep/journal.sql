-- skein's journal: what was applied to the tenants of this database, recorded in the same
-- transaction as the change. The agent runs this by itself if it may; otherwise an administrator
-- does, with `psql --file`, as often as wanted. Then the agent's role needs
--   GRANT USAGE ON SCHEMA skein TO <role>;
--   GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA skein TO <role>;
--   GRANT USAGE ON ALL SEQUENCES IN SCHEMA skein TO <role>;
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL search_path = pg_catalog, pg_temp;
-- Two agents, or two threads of one, may come here at the same time.
SELECT pg_advisory_xact_lock(6006613437391790697);

CREATE SCHEMA IF NOT EXISTS skein;

CREATE TABLE IF NOT EXISTS skein.meta (
    version     integer NOT NULL,
    upgraded_at timestamptz NOT NULL DEFAULT now()
);

-- One row per tenant and set. `version` is NULL until the first task commits: such a tenant is not
-- managed yet. `fence` is the highest token that committed, `rollout` what last moved the version.
CREATE TABLE IF NOT EXISTS skein.tenant (
    tenant     text NOT NULL,
    set_name   text NOT NULL,
    version    text,
    fence      bigint NOT NULL DEFAULT 0,
    rollout    text,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, set_name)
) WITH (fillfactor = 70);
-- Where the tenant was when it was last worked on; NULL where that is not known, or in a database of
-- its own. See skein.row_is_old.
ALTER TABLE skein.tenant ADD COLUMN IF NOT EXISTS database_oid oid,
                         ADD COLUMN IF NOT EXISTS schema_oid oid;
-- The rollout whose rollback led back to this version; NULL as soon as anything else has moved it.
ALTER TABLE skein.tenant ADD COLUMN IF NOT EXISTS undone text;
-- A digest of the set's repeatable scripts as they were last applied; NULL: all of them have to run.
ALTER TABLE skein.tenant ADD COLUMN IF NOT EXISTS repeatables bigint;

CREATE TABLE IF NOT EXISTS skein.history (
    id          bigserial,
    tenant      text NOT NULL,
    set_name    text NOT NULL,
    version     text NOT NULL,
    script      text NOT NULL,
    direction   text NOT NULL CHECK (direction IN ('up', 'down', 'baseline', 'fast_forward')),
    checksum    bytea,
    rollout     text NOT NULL,
    agent       text NOT NULL,
    fence       bigint NOT NULL,
    state       text NOT NULL CHECK (state IN ('started', 'done', 'failed')),
    started_at  timestamptz NOT NULL,
    duration_ms double precision,
    detail      jsonb,
    PRIMARY KEY (tenant, set_name, id) -- the one index serves every question
);

-- What is known of the operations of a migration that does not end in the transaction it began in
-- (a walk's): one row for each that has begun or is done, until the whole migration is. `position`
-- is the operation's own business: how far it is.
CREATE TABLE IF NOT EXISTS skein.operation (
    tenant     text NOT NULL,
    set_name   text NOT NULL,
    script     text NOT NULL,
    operation  text NOT NULL,
    direction  text NOT NULL CHECK (direction IN ('up', 'down')),
    state      text NOT NULL CHECK (state IN ('started', 'done')),
    position   jsonb, -- of going up
    undone     jsonb, -- the same of going down
    rollout    text NOT NULL,
    fence      bigint NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, set_name, script, operation)
);

-- A tenant that is made in more than one transaction, or a database, which is made in none: until it
-- is whole it is in nobody's list. One row per tenant; where tenants are databases it is in the
-- agent's own database (that of its --postgres).
--   making  it is being made, or what died has left half of it: `object` is its schema
--   whole   it has been made     gone  it was removed again, or dropped
CREATE TABLE IF NOT EXISTS skein.making (
    tenant     text PRIMARY KEY,
    set_name   text NOT NULL,
    rollout    text NOT NULL,
    state      text NOT NULL CHECK (state IN ('making', 'whole', 'gone')),
    object     oid, -- NULL of a database
    fence      bigint NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Labels of a tenant's own, beside those that the agent's query gives.
CREATE TABLE IF NOT EXISTS skein.label (
    tenant text NOT NULL,
    key    text NOT NULL CHECK (key ~ '^[^=[:cntrl:]]+$'),
    value  text NOT NULL CHECK (value !~ '[[:cntrl:]]'),
    PRIMARY KEY (tenant, key)
);

-- Sets a label of a tenant's own; takes it away where the value is NULL.
CREATE OR REPLACE FUNCTION skein.label_put(in_tenant text, in_key text, in_value text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $skein$
    DELETE FROM skein.label l WHERE l.tenant = in_tenant AND l.key = in_key AND in_value IS NULL;
    INSERT INTO skein.label (tenant, key, value)
        SELECT in_tenant, in_key, in_value WHERE in_value IS NOT NULL
        ON CONFLICT (tenant, key) DO UPDATE SET value = excluded.value;
$skein$;

-- Who works on a tenant holds this advisory lock, shared, until its transaction ends: a label by
-- which skein.task_settle finds the backend. It keeps nobody out.
CREATE OR REPLACE FUNCTION skein.task_label(in_tenant text, in_set text) RETURNS bigint
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $skein$
    SELECT hashtextextended(in_tenant || '/' || in_set, 6006613437391790697)
$skein$;

-- Hooks of a tenant stand among the operations of the migration that they come before, or after.
-- `rollout` is then the one in which it was begun last: each rollout does it anew.
CREATE OR REPLACE FUNCTION skein.is_hook(in_operation text) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $skein$
    SELECT in_operation IN ('before_tenant', 'after_tenant')
$skein$;

-- Whether the schema holds anything; what extensions brought does not count.
CREATE OR REPLACE FUNCTION skein.schema_has_objects(in_namespace oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $skein$
    SELECT EXISTS (
        SELECT FROM pg_depend d
         WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = in_namespace
           AND d.deptype = 'n' AND d.classid <> 'pg_extension'::regclass
           AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = d.classid
                              AND e.objid = d.objid AND e.deptype = 'e'))
$skein$;

-- Whether a tenant's row is that of another schema of its name, which was dropped: the schema has
-- been made anew in the same database, and nothing is in it yet. (In another database it was
-- restored from a dump, and the row with it; if it holds something, the row is believed.)
CREATE OR REPLACE FUNCTION skein.row_is_old(
    in_database oid, in_schema oid, in_namespace oid
) RETURNS boolean LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $skein$
BEGIN
    IF in_schema IS NULL OR in_schema = in_namespace THEN
        RETURN false; -- nearly always: no query
    END IF;
    RETURN in_database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
           AND NOT skein.schema_has_objects(in_namespace);
END
$skein$;

-- Of a batch (a backfill in chunks, each a transaction). A standby that has not replayed `in_mark`
-- yet: '' for none, or where nobody may look. One that is only archived to, or has gone away, is
-- not waited for.
CREATE OR REPLACE FUNCTION skein.batch_behind(in_mark text) RETURNS text
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $skein$
    SELECT coalesce(min(left(coalesce(nullif(r.application_name, ''), r.client_addr::text, '?'),
                             100)), '')
      FROM pg_stat_replication r
     WHERE in_mark <> '' AND r.state IN ('streaming', 'catchup')
       AND r.replay_lsn < nullif(in_mark, '')::pg_lsn
$skein$;

-- Ends a chunk inside its transaction: the operation's row must have been written by this very
-- transaction, with this number, or the chunk would not count and be done again (SK006). Says how
-- many keys are done, which one was the last, whether somebody waits for rows that the chunk has
-- locked, which standby is behind `in_mark`, and how far the WAL is.
CREATE OR REPLACE FUNCTION skein.batch_end(
    in_tenant text, in_set text, in_script text, in_operation text, in_chunk bigint, in_mark text,
    OUT out_keys bigint, OUT out_key jsonb, OUT out_waiting boolean, OUT out_behind text,
    OUT out_wal text
) LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
BEGIN
    SELECT (o.place->>'rows')::bigint, o.place->'key' INTO out_keys, out_key
      FROM (SELECT CASE direction WHEN 'up' THEN position ELSE undone END AS place
              FROM skein.operation
             WHERE tenant = in_tenant AND set_name = in_set AND script = in_script
               AND operation = in_operation AND xmin = pg_current_xact_id()::xid) AS o
     WHERE (o.place->>'chunks')::bigint = in_chunk;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'SK006', MESSAGE =
            format('how far %s of %s is could not be stored', in_operation, in_script);
    END IF;
    IF length(out_key::text) > 65536 THEN
        RAISE EXCEPTION USING ERRCODE = 'program_limit_exceeded', MESSAGE =
            'a key of the batch has more than 64 KiB';
    END IF;
    out_waiting := EXISTS (SELECT FROM pg_locks l
                            WHERE l.locktype = 'transactionid' AND NOT l.granted
                              AND l.transactionid = pg_current_xact_id()::xid);
    out_behind := skein.batch_behind(in_mark);
    out_wal := pg_current_wal_insert_lsn()::text;
END
$skein$;

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

-- A number that changes with any change of a tenant's schema: which rows of the catalog describe it,
-- and which transactions wrote them. (Of pg_class only what is not about storage: TRUNCATE, REINDEX
-- and the like change nothing.) It is no fingerprint: two equal schemas have two numbers. But it
-- takes a twentieth of the time. `in_schema` is '' for all of a database. In a transaction that has
-- a number of its own, since the ages below are counted from that. Never 0.
CREATE OR REPLACE FUNCTION skein.schema_stamp(in_schema text) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
DECLARE
    here bigint := txid_current() & 4294967295;
    homes oid[];
    relations oid[];
    sequences oid[];
    types oid[];
    functions oid[];
    storage bigint;
    stamp bigint;
BEGIN
    IF in_schema <> '' THEN
        homes := ARRAY[to_regnamespace(quote_ident(in_schema))::oid];
    ELSE
        homes := ARRAY(SELECT n.oid FROM pg_namespace n
                        WHERE n.nspname !~ '^pg_'
                          AND n.nspname NOT IN ('information_schema', 'skein'));
    END IF;
    SELECT array_agg(d.objid) FILTER (WHERE c.relkind <> 'S'),
           array_agg(d.objid) FILTER (WHERE c.relkind = 'S'),
           array_agg(d.objid) FILTER (WHERE d.classid = 'pg_type'::regclass),
           array_agg(d.objid) FILTER (WHERE d.classid = 'pg_proc'::regclass),
           sum(hashtext(concat_ws(' ', c.relname, c.relkind, c.relnatts, c.relchecks,
                                  c.relpersistence, c.relrowsecurity, c.relforcerowsecurity,
                                  c.relreplident, c.relispartition, c.reloptions)))
      INTO relations, sequences, types, functions, storage
      FROM pg_depend d
      LEFT JOIN pg_class c ON c.oid = d.objid AND d.classid = 'pg_class'::regclass
     WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = ANY (homes)
       AND d.deptype = 'n';
    IF relations IS NULL AND sequences IS NULL AND types IS NULL AND functions IS NULL THEN
        RETURN 1;
    END IF;
    -- age() is how many transactions ago, and `here` is this one.
    SELECT sum(hashint8extended(s.total * here - s.ages, s.total * 16 + s.number) >> 8)
      INTO stamp
      FROM (SELECT 1 AS number, count(*) AS total, sum(age(a.xmin)) AS ages FROM pg_attribute a
             WHERE a.attrelid = ANY (relations) AND a.attnum > 0
            UNION ALL
            SELECT 2, count(*), sum(age(c.xmin)) FROM pg_constraint c
             WHERE c.conrelid = ANY (relations)
            UNION ALL
            SELECT 3, count(*), sum(age(i.xmin)) - sum(hashtext(c.relname))
              FROM pg_index i
              JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = ANY (relations)
            UNION ALL
            SELECT 4, count(*), sum(age(t.xmin)) FROM pg_trigger t
             WHERE t.tgrelid = ANY (relations)
            UNION ALL
            SELECT 5, count(*), sum(age(r.xmin)) FROM pg_rewrite r
             WHERE r.ev_class = ANY (relations)
            UNION ALL
            SELECT 6, count(*), sum(age(p.xmin)) FROM pg_policy p
             WHERE p.polrelid = ANY (relations)
            UNION ALL
            SELECT 7, count(*), sum(age(s.xmin)) FROM pg_sequence s
             WHERE s.seqrelid = ANY (sequences)
            UNION ALL
            SELECT 8, count(*), sum(age(p.xmin)) FROM pg_proc p WHERE p.oid = ANY (functions)
            UNION ALL
            SELECT 9, count(*), sum(age(t.xmin)) FROM pg_type t WHERE t.oid = ANY (types)
            UNION ALL
            SELECT 10, count(*), sum(age(e.xmin)) FROM pg_enum e
             WHERE e.enumtypid = ANY (types)
           ) AS s WHERE s.total > 0;
    RETURN greatest((coalesce(stamp, 0) # coalesce(storage, 0)) & 9223372036854775807, 1);
END
$skein$;

-- Behind task_begin, in its transaction: raises SK040 when the tenant's schema is not what it was at
-- its dry run.
CREATE OR REPLACE FUNCTION skein.task_unchanged(in_schema text, in_stamp bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
BEGIN
    IF in_stamp <> 0 AND in_stamp <> skein.schema_stamp(in_schema) THEN
        RAISE EXCEPTION USING ERRCODE = 'SK040', MESSAGE =
            'the schema has changed since its dry run';
    END IF;
END
$skein$;

-- The same of a walk: not when it has begun before, since then it was the one that changed it.
CREATE OR REPLACE FUNCTION skein.walk_unchanged(
    in_tenant text, in_set text, in_from text, in_schema text, in_stamp bigint
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
BEGIN
    IF EXISTS (SELECT FROM skein.tenant t
                WHERE t.tenant = in_tenant AND t.set_name = in_set
                  AND coalesce(t.version, '') = in_from)
            AND NOT EXISTS (SELECT FROM skein.operation o
                             WHERE o.tenant = in_tenant AND o.set_name = in_set) THEN
        PERFORM skein.task_unchanged(in_schema, in_stamp);
    END IF;
END
$skein$;

-- Whether this database holds anything of its user's; what extensions brought does not count.
CREATE OR REPLACE FUNCTION skein.database_has_objects() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $skein$
    SELECT EXISTS (
        SELECT FROM pg_namespace n JOIN pg_depend d
            ON d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid
         WHERE d.deptype = 'n' AND d.classid <> 'pg_extension'::regclass
           AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'skein')
           AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = d.classid
                              AND e.objid = d.objid AND e.deptype = 'e'))
$skein$;

-- Before task_begin, in its transaction: records an unmanaged tenant at `in_version`, as a baseline
-- would. One that has a version by now is left to task_begin to judge: it may be this very rollout's
-- doing, whose answer was lost.
CREATE OR REPLACE FUNCTION skein.task_adopt(
    in_tenant text, in_set text, in_rollout text, in_agent text, in_token bigint, in_schema text,
    in_version text
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
DECLARE
    namespace oid := to_regnamespace(quote_ident(nullif(in_schema, '')));
    row_version text;
    row_fence bigint;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(skein.task_label(in_tenant, in_set));
    PERFORM pg_advisory_xact_lock(skein.task_label(in_tenant, ''));
    IF in_schema <> '' AND namespace IS NULL THEN
        RETURN;
    END IF;
    INSERT INTO skein.tenant (tenant, set_name) VALUES (in_tenant, in_set) ON CONFLICT DO NOTHING;
    SELECT t.version, t.fence INTO row_version, row_fence
      FROM skein.tenant t WHERE t.tenant = in_tenant AND t.set_name = in_set FOR UPDATE;
    IF row_version IS NOT NULL OR row_fence > in_token THEN
        RETURN;
    END IF;
    IF NOT (CASE WHEN in_schema = '' THEN skein.database_has_objects()
                 ELSE skein.schema_has_objects(namespace) END) THEN
        RAISE EXCEPTION USING ERRCODE = 'SK003', DETAIL = '', MESSAGE =
            format('the tenant was to be recorded at %s, but it holds nothing any more',
                   in_version);
    END IF;
    UPDATE skein.tenant t SET version = in_version
     WHERE t.tenant = in_tenant AND t.set_name = in_set;
    INSERT INTO skein.history (tenant, set_name, version, script, direction, rollout, agent, fence,
                               state, started_at, duration_ms)
    VALUES (in_tenant, in_set, in_version, '', 'baseline', in_rollout, in_agent, in_token, 'done',
            clock_timestamp(), 0);
END
$skein$;

-- Behind task_begin, in its transaction: the numbers (from 1) of the repeatable scripts whose
-- checksum is not the one that was applied last; all of them where the tenant's row knows of none.
CREATE OR REPLACE FUNCTION skein.repeatables_changed(
    in_tenant text, in_set text, in_scripts text[], in_checksums text[]
) RETURNS SETOF bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
BEGIN
    RETURN QUERY
    SELECT max(s.number)
      FROM (SELECT u.script, u.checksum, u.number
              FROM unnest(in_scripts, in_checksums) WITH ORDINALITY AS u(script, checksum, number)
            UNION ALL
            (SELECT DISTINCT ON (h.script) h.script, encode(h.checksum, 'hex'), NULL::bigint
               FROM skein.history h
              WHERE h.tenant = in_tenant AND h.set_name = in_set AND h.state = 'done'
                AND h.direction = 'up' AND left(h.script, 3) = 'R__'
                AND EXISTS (SELECT FROM skein.tenant t
                             WHERE t.tenant = in_tenant AND t.set_name = in_set
                               AND t.repeatables IS NOT NULL)
              ORDER BY h.script, h.id DESC)) AS s
     GROUP BY s.script
    HAVING max(s.number) IS NOT NULL AND (count(*) = 1 OR min(s.checksum) <> max(s.checksum))
     ORDER BY 1;
END
$skein$;

-- Makes a tenant's schema inside its task's transaction, before skein.task_begin; raises SK002 and
-- SK007 as that, and SK009 when a schema of this name is there: it is never taken over. What the
-- journal has of an earlier tenant of the name is history from then on.
DROP FUNCTION IF EXISTS skein.task_create(text, text, text, text, bigint, text);
CREATE OR REPLACE FUNCTION skein.task_create(
    in_tenant text, in_set text, in_rollout text, in_target text, in_token bigint, in_schema text,
    in_keys text[], in_values text[]
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
DECLARE
    namespace oid;
    row_version text;
    row_rollout text;
    row_fence bigint;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(skein.task_label(in_tenant, in_set));
    PERFORM pg_advisory_xact_lock(skein.task_label(in_tenant, ''));
    INSERT INTO skein.tenant (tenant, set_name) VALUES (in_tenant, in_set) ON CONFLICT DO NOTHING;
    SELECT t.version, t.rollout, t.fence INTO row_version, row_rollout, row_fence
      FROM skein.tenant t WHERE t.tenant = in_tenant AND t.set_name = in_set FOR UPDATE;
    namespace := to_regnamespace(quote_ident(in_schema));
    IF row_fence > in_token THEN
        RAISE EXCEPTION USING ERRCODE = 'SK002', MESSAGE =
            format('the task''s token %s is older than %s, which already wrote to this tenant',
                   in_token, row_fence);
    END IF;
    IF namespace IS NOT NULL AND row_version = in_target AND row_rollout = in_rollout THEN
        RAISE EXCEPTION USING ERRCODE = 'SK007', MESSAGE = 'this rollout has already done it';
    END IF;
    IF namespace IS NOT NULL AND skein.making_state(in_tenant, in_schema) = 'half' THEN
        EXECUTE format('DROP SCHEMA %I CASCADE', in_schema); -- of a rollout that has ended
        PERFORM skein.making_gone(in_tenant, in_rollout, in_token);
    ELSIF namespace IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'SK009', MESSAGE =
            format('the schema %I is there already', in_schema),
            HINT = 'If it is to be a tenant, a rollout or a baseline takes it up as it is.';
    END IF;
    EXECUTE format('CREATE SCHEMA %I', in_schema);
    PERFORM skein.making_forget(in_tenant);
    INSERT INTO skein.label (tenant, key, value)
        SELECT in_tenant, u.key, u.value FROM unnest(in_keys, in_values) AS u(key, value);
END
$skein$;

-- Drops a tenant's schema, in two steps with the DROP SCHEMA between them, all in one transaction.
-- The first locks every row of the tenant and raises SK002; the second leaves them without a
-- version: their fences keep late tries out of whatever is made under this name.
CREATE OR REPLACE FUNCTION skein.task_drop_begin(
    in_tenant text, in_set text, in_token bigint
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
DECLARE
    row_fence bigint;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(skein.task_label(in_tenant, in_set));
    PERFORM pg_advisory_xact_lock(skein.task_label(in_tenant, ''));
    INSERT INTO skein.tenant (tenant, set_name) VALUES (in_tenant, in_set) ON CONFLICT DO NOTHING;
    FOR row_fence IN SELECT t.fence FROM skein.tenant t WHERE t.tenant = in_tenant
                      ORDER BY t.set_name FOR UPDATE LOOP
        IF row_fence > in_token THEN
            RAISE EXCEPTION USING ERRCODE = 'SK002', MESSAGE =
                format('the task''s token %s is older than %s, which already wrote to this tenant',
                       in_token, row_fence);
        END IF;
    END LOOP;
END
$skein$;

CREATE OR REPLACE FUNCTION skein.task_drop_end(
    in_tenant text, in_rollout text, in_token bigint
) RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $skein$
    UPDATE skein.tenant t
       SET version = NULL, rollout = in_rollout, fence = in_token, repeatables = NULL,
           undone = NULL, database_oid = NULL, schema_oid = NULL, updated_at = clock_timestamp()
     WHERE t.tenant = in_tenant;
    DELETE FROM skein.operation o WHERE o.tenant = in_tenant;
    DELETE FROM skein.label l WHERE l.tenant = in_tenant;
$skein$;

-- Locks all rows of a tenant, raises SK002, and from then on keeps out every try with an older token
-- than `in_token`.
CREATE OR REPLACE FUNCTION skein.making_lock(in_tenant text, in_set text, in_token bigint)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
BEGIN
    PERFORM skein.task_drop_begin(in_tenant, in_set, in_token);
    UPDATE skein.tenant t SET fence = in_token
     WHERE t.tenant = in_tenant AND t.set_name = in_set;
END
$skein$;

-- What there is of a tenant:
--   none   nothing       there  a schema or database that is not being made
--   half   what is being made, or was when somebody died
--   shut   the same, in a database that is to be dropped: nobody gets into it any more
-- A database that is being made is one by a property that CREATE DATABASE gives it: it is a template
-- until it is whole, which is the last thing to be done. So none is taken for half that skein has
-- not made, and none for whole that is not.
CREATE OR REPLACE FUNCTION skein.making_state(in_tenant text, in_schema text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
DECLARE
    making boolean;
    own oid;
    namespace oid;
    database pg_database;
BEGIN
    SELECT m.state = 'making', m.object INTO making, own FROM skein.making m
     WHERE m.tenant = in_tenant;
    making := coalesce(making, false);
    IF in_schema <> '' THEN
        namespace := to_regnamespace(quote_ident(in_schema));
        RETURN CASE WHEN namespace IS NULL THEN 'none' WHEN making AND own = namespace THEN 'half'
                    ELSE 'there' END;
    END IF;
    SELECT * INTO database FROM pg_database d WHERE d.datname = in_tenant;
    RETURN CASE WHEN database.oid IS NULL THEN 'none' WHEN NOT making THEN 'there'
                WHEN NOT database.datallowconn THEN 'shut' WHEN database.datistemplate THEN 'half'
                ELSE 'there' END;
END
$skein$;

-- What was known of a tenant of this name is history from now on.
CREATE OR REPLACE FUNCTION skein.making_forget(in_tenant text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $skein$
    UPDATE skein.tenant t
       SET version = NULL, rollout = NULL, undone = NULL, repeatables = NULL, database_oid = NULL,
           schema_oid = NULL
     WHERE t.tenant = in_tenant;
    UPDATE skein.history h SET state = 'failed' WHERE h.tenant = in_tenant AND h.state = 'started';
    DELETE FROM skein.operation o WHERE o.tenant = in_tenant;
    DELETE FROM skein.label l WHERE l.tenant = in_tenant;
$skein$;

-- Begins to make a tenant that takes more than one transaction, or goes on with it; raises SK002,
-- SK007 when this rollout has made it, and SK009 when something of this name is there that is not
-- half a tenant. `in_schema` is '' where a tenant is a database. Returns
--   half  this rollout's, to be gone on with
--   none  nothing yet: the schema has been made, empty; the database is to be made now
--   shut  a database that another rollout has left behind half made, to be dropped first
CREATE OR REPLACE FUNCTION skein.making_begin(
    in_tenant text, in_set text, in_rollout text, in_token bigint, in_schema text
) RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
DECLARE
    was skein.making;
    current text;
BEGIN
    PERFORM skein.making_lock(in_tenant, in_set, in_token);
    current := skein.making_state(in_tenant, in_schema);
    SELECT * INTO was FROM skein.making m WHERE m.tenant = in_tenant;
    IF current = 'there' AND was.state = 'whole' AND was.rollout = in_rollout THEN
        RAISE EXCEPTION USING ERRCODE = 'SK007', MESSAGE = 'this rollout has already done it';
    ELSIF current = 'there' THEN
        RAISE EXCEPTION USING ERRCODE = 'SK009', MESSAGE =
            format('the %s %I is there already',
                   CASE in_schema WHEN '' THEN 'database' ELSE 'schema' END, in_tenant),
            HINT = 'If it is to be a tenant, a rollout or a baseline takes it up as it is.';
    ELSIF current = 'half' AND was.rollout = in_rollout THEN
        RETURN 'half';
    ELSIF current <> 'none' AND in_schema = '' THEN
        EXECUTE format('ALTER DATABASE %I WITH ALLOW_CONNECTIONS false IS_TEMPLATE false',
                       in_tenant);
        RETURN 'shut';
    ELSIF current = 'half' THEN
        EXECUTE format('DROP SCHEMA %I CASCADE', in_schema);
    END IF;
    PERFORM skein.making_forget(in_tenant);
    IF in_schema <> '' THEN
        EXECUTE format('CREATE SCHEMA %I', in_schema);
    END IF;
    INSERT INTO skein.making AS m (tenant, set_name, rollout, state, object, fence)
    VALUES (in_tenant, in_set, in_rollout, 'making',
            to_regnamespace(quote_ident(nullif(in_schema, ''))), in_token)
        ON CONFLICT (tenant) DO UPDATE
       SET set_name = in_set, rollout = in_rollout, state = 'making', object = excluded.object,
           fence = in_token, started_at = clock_timestamp(), updated_at = clock_timestamp();
    RETURN 'none';
END
$skein$;

-- The tenant is whole: from when this commits it is one as any other.
CREATE OR REPLACE FUNCTION skein.making_end(
    in_tenant text, in_set text, in_rollout text, in_token bigint, in_schema text
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
DECLARE
    current text;
BEGIN
    PERFORM skein.making_lock(in_tenant, in_set, in_token);
    current := skein.making_state(in_tenant, in_schema);
    IF current = 'there' AND EXISTS (SELECT FROM skein.making m WHERE m.tenant = in_tenant
                                      AND m.rollout = in_rollout AND m.state = 'whole') THEN
        RETURN;
    END IF;
    UPDATE skein.making m SET state = 'whole', fence = in_token, updated_at = clock_timestamp()
     WHERE m.tenant = in_tenant AND m.rollout = in_rollout AND m.state = 'making'
       AND current = 'half';
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'SK010', MESSAGE =
            format('the new tenant %I has gone while it was made', in_tenant);
    END IF;
    IF in_schema = '' THEN
        EXECUTE format('ALTER DATABASE %I WITH IS_TEMPLATE false', in_tenant);
    END IF;
END
$skein$;

-- Removes what this rollout has made of a tenant that is not whole. True: a database is left to be
-- dropped, into which nobody gets any more.
CREATE OR REPLACE FUNCTION skein.making_remove(
    in_tenant text, in_set text, in_rollout text, in_token bigint, in_schema text
) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
DECLARE
    current text;
BEGIN
    PERFORM skein.making_lock(in_tenant, in_set, in_token);
    IF NOT EXISTS (SELECT FROM skein.making m WHERE m.tenant = in_tenant
                      AND m.rollout = in_rollout AND m.state = 'making') THEN
        RETURN false;
    END IF;
    current := skein.making_state(in_tenant, in_schema);
    IF in_schema = '' AND current IN ('half', 'shut') THEN
        EXECUTE format('ALTER DATABASE %I WITH ALLOW_CONNECTIONS false IS_TEMPLATE false',
                       in_tenant);
        RETURN true; -- its row stays until it is gone
    ELSIF current = 'half' THEN
        EXECUTE format('DROP SCHEMA %I CASCADE', in_schema);
    END IF;
    PERFORM skein.making_forget(in_tenant);
    PERFORM skein.making_gone(in_tenant, in_rollout, in_token);
    RETURN false;
END
$skein$;

-- There is no tenant of this name any more.
CREATE OR REPLACE FUNCTION skein.making_gone(in_tenant text, in_rollout text, in_token bigint)
RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $skein$
    UPDATE skein.making m
       SET state = 'gone', rollout = in_rollout, fence = in_token, updated_at = clock_timestamp()
     WHERE m.tenant = in_tenant AND m.fence <= in_token;
    SELECT skein.task_drop_end(in_tenant, in_rollout, in_token);
$skein$;

-- The statement that makes a tenant's database. A template is what marks it as half made. It is made
-- as CREATE DATABASE does by itself, with what the administrators have put into template1; a copy of
-- a tenant gets all that is in it from the copy, and has its owner, encoding and collation.
CREATE OR REPLACE FUNCTION skein.making_words(in_tenant text, in_source text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $skein$
    SELECT format('CREATE DATABASE %I WITH IS_TEMPLATE true', in_tenant)
        || coalesce((SELECT format(' TEMPLATE template0 OWNER %I ENCODING %L LC_COLLATE %L'
                                   ' LC_CTYPE %L', pg_get_userbyid(d.datdba),
                                   pg_encoding_to_char(d.encoding), d.datcollate, d.datctype)
                         || CASE j->>'datlocprovider' WHEN 'i' THEN ' LOCALE_PROVIDER icu'
                                 WHEN 'b' THEN ' LOCALE_PROVIDER builtin' ELSE '' END
                         || CASE j->>'datlocprovider' WHEN 'b' THEN ' BUILTIN_LOCALE '
                                 WHEN 'i' THEN ' ICU_LOCALE ' ELSE '' END
                         || coalesce(quote_literal(coalesce(j->>'daticulocale', j->>'datlocale')), '')
                         || coalesce(' ICU_RULES ' || quote_literal(j->>'daticurules'), '')
                       FROM pg_database d, LATERAL to_jsonb(d) AS j
                      WHERE d.datname = in_source), '')
$skein$;

-- Settings and grants of a database that is copied.
CREATE OR REPLACE FUNCTION skein.making_dress(in_tenant text, in_source text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
DECLARE
    words text;
BEGIN
    FOR words IN
        SELECT format('ALTER DATABASE %I SET %I = ', in_tenant, split_part(c, '=', 1))
               || CASE WHEN split_part(c, '=', 1) IN ('search_path', 'temp_tablespaces',
                            'local_preload_libraries', 'session_preload_libraries')
                       THEN coalesce(nullif(substr(c, strpos(c, '=') + 1), ''), '''''')
                       ELSE quote_literal(substr(c, strpos(c, '=') + 1)) END
          FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) c
         WHERE d.datname = in_source AND s.setrole = 0
        UNION ALL
        SELECT w FROM pg_database d, LATERAL (
            SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', in_tenant) AS w, 0 AS place
            UNION ALL
            SELECT format('GRANT %s ON DATABASE %I TO %s%s', a.privilege_type, in_tenant,
                          CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END,
                          CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), 1
              FROM aclexplode(d.datacl) AS a WHERE a.grantee <> d.datdba
             ORDER BY place) AS g
         WHERE d.datname = in_source AND d.datacl IS NOT NULL LOOP
        EXECUTE words;
    END LOOP;
END
$skein$;

-- What the journal has of a tenant that is copied: versions, operations that are half done, and of
-- each script what was done with it last.
CREATE OR REPLACE FUNCTION skein.copy_rows(in_source text) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $skein$
    SELECT jsonb_build_object(
        'tenants', (SELECT coalesce(jsonb_agg(jsonb_build_object(
                               'set_name', t.set_name, 'version', t.version,
                               'repeatables', t.repeatables) ORDER BY t.set_name), '[]')
                      FROM skein.tenant t WHERE t.tenant = in_source AND t.version IS NOT NULL),
        'half', (SELECT count(*) FROM skein.operation o WHERE o.tenant = in_source),
        'history', (SELECT coalesce(jsonb_agg(jsonb_build_object(
                               'set_name', n.set_name, 'version', n.version, 'script', n.script,
                               'direction', n.direction, 'checksum', encode(n.checksum, 'hex'))
                               ORDER BY n.id), '[]')
                      FROM (SELECT DISTINCT ON (h.set_name, h.script) h.* FROM skein.history h
                             WHERE h.tenant = in_source AND h.state = 'done'
                             ORDER BY h.set_name, h.script, h.id DESC) AS n
                     WHERE n.direction <> 'down'))
$skein$;

-- Around a dump that is read into the database it comes from, under another name, all in one
-- transaction: the schema that is copied steps aside, so that its name is free for the copy, and
-- steps back. Nobody else sees anything of that; a schema is known by its OID, not by its name.
CREATE OR REPLACE FUNCTION skein.copy_aside(in_tenant text, in_source text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
BEGIN
    EXECUTE format('DROP SCHEMA %I', in_tenant); -- it is empty
    EXECUTE format('ALTER SCHEMA %I RENAME TO %I', in_source, 'skein_aside_' || md5(in_source));
END
$skein$;

CREATE OR REPLACE FUNCTION skein.copy_back(in_tenant text, in_source text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
BEGIN
    EXECUTE format('ALTER SCHEMA %I RENAME TO %I', in_source, in_tenant);
    EXECUTE format('ALTER SCHEMA %I RENAME TO %I', 'skein_aside_' || md5(in_source), in_source);
    UPDATE skein.making m SET object = to_regnamespace(quote_ident(in_tenant))
     WHERE m.tenant = in_tenant;
END
$skein$;

-- In the transaction that copies a tenant: it is where the other one was.
CREATE OR REPLACE FUNCTION skein.copy_end(
    in_tenant text, in_source text, in_rollout text, in_agent text, in_token bigint,
    in_schema text, in_rows jsonb
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
BEGIN
    INSERT INTO skein.tenant AS t (tenant, set_name, version, fence, rollout, repeatables,
                                   database_oid, schema_oid)
    SELECT in_tenant, r.set_name, r.version, in_token, in_rollout, r.repeatables,
           CASE WHEN in_schema <> '' THEN d.oid END,
           to_regnamespace(quote_ident(nullif(in_schema, '')))
      FROM jsonb_to_recordset(in_rows->'tenants')
               AS r(set_name text, version text, repeatables bigint),
           pg_database d WHERE d.datname = current_database()
        ON CONFLICT (tenant, set_name) DO UPDATE
       SET version = excluded.version, fence = excluded.fence, rollout = excluded.rollout,
           repeatables = excluded.repeatables, database_oid = excluded.database_oid,
           schema_oid = excluded.schema_oid, updated_at = clock_timestamp();
    INSERT INTO skein.history (tenant, set_name, version, script, direction, checksum, rollout,
                               agent, fence, state, started_at, duration_ms, detail)
    SELECT in_tenant, r.set_name, r.version, r.script, r.direction, decode(r.checksum, 'hex'),
           in_rollout, in_agent, in_token, 'done', clock_timestamp(), 0,
           jsonb_build_object('copied_from', in_source)
      FROM jsonb_to_recordset(in_rows->'history')
               AS r(set_name text, version text, script text, direction text, checksum text);
END
$skein$;

-- Before a database is dropped: raises SK002, and SK010 where that is not to be done. `out_there`
-- says whether it is there at all. Sessions of agents do not count; of others `out_sessions` says
-- how many are connected, and `out_first` which one was first.
CREATE OR REPLACE FUNCTION skein.making_drop(
    in_tenant text, in_set text, in_token bigint, OUT out_there boolean, OUT out_sessions bigint,
    OUT out_first text
) LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
DECLARE
    current text;
BEGIN
    PERFORM skein.making_lock(in_tenant, in_set, in_token);
    current := skein.making_state(in_tenant, '');
    out_there := current <> 'none';
    IF current IN ('half', 'shut') THEN
        RAISE EXCEPTION USING ERRCODE = 'SK010', MESSAGE =
            format('the database %I is only half made', in_tenant),
            HINT = 'Make it again with skein tenant create, which removes that first.';
    ELSIF EXISTS (SELECT FROM pg_database d WHERE d.datname = in_tenant AND d.datistemplate) THEN
        RAISE EXCEPTION USING ERRCODE = 'SK010', MESSAGE =
            format('the database %I is a template', in_tenant);
    END IF;
    SELECT count(*), min(format('%s of %s', coalesce(nullif(a.application_name, ''), 'a session'),
                                a.usename))
      INTO out_sessions, out_first
      FROM pg_stat_activity a
     WHERE a.datname = in_tenant AND a.backend_type = 'client backend'
       AND a.application_name NOT LIKE 'skein-agent%' AND a.pid <> pg_backend_pid();
    PERFORM pg_terminate_backend(a.pid) FROM pg_stat_activity a
      WHERE a.datname = in_tenant AND a.usename = session_user AND a.pid <> pg_backend_pid()
        AND a.application_name LIKE 'skein-agent%' AND a.state = 'idle' AND out_sessions = 0;
END
$skein$;

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

-- The structure of a tenant, a line for each thing in it; what extensions brought does not count,
-- nor does the order of columns. Of the whole database where `in_schema` is ''.
CREATE OR REPLACE FUNCTION skein.structure(in_schema text) RETURNS SETOF text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $skein$
    WITH space AS (
        SELECT n.oid, CASE in_schema WHEN '' THEN quote_ident(n.nspname) || '.' ELSE '' END AS mark
          FROM pg_namespace n
         WHERE CASE in_schema WHEN '' THEN n.nspname !~ '^pg_' AND
                    n.nspname NOT IN ('information_schema', 'skein')
               ELSE n.nspname = in_schema END
    ), relation AS (
        SELECT c.*, s.mark || quote_ident(c.relname) AS name FROM pg_class c
          JOIN space s ON s.oid = c.relnamespace
         WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
                              AND d.objid = c.oid AND d.deptype = 'e')
    )
    SELECT format('%s %s%s', CASE r.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table'
                      WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN
                      'sequence' WHEN 'f' THEN 'foreign table' ELSE 'type' END, r.name,
                  CASE WHEN r.relkind IN ('v', 'm') THEN ' ' || pg_get_viewdef(r.oid) ELSE '' END
                  || CASE WHEN r.relpersistence <> 'p' THEN ' unlogged' ELSE '' END
                  || CASE WHEN r.relrowsecurity THEN ' row security' ELSE '' END
                  || CASE WHEN r.relforcerowsecurity THEN ' forced' ELSE '' END
                  || coalesce(' ' || r.reloptions::text, ''))
      FROM relation r WHERE r.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c')
    UNION ALL
    SELECT format('column %s.%I %s%s', r.name, a.attname, format_type(a.atttypid, a.atttypmod),
                  CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
                  || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
                  || CASE a.attidentity WHEN '' THEN '' ELSE ' identity ' || a.attidentity::text END
                  || CASE a.attgenerated WHEN '' THEN '' ELSE ' generated' END
                  || CASE WHEN a.attcollation <> 0 AND a.attcollation <> t.typcollation
                          THEN ' collate ' || a.attcollation::regcollation::text ELSE '' END)
      FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid
      JOIN pg_type t ON t.oid = a.atttypid
      LEFT JOIN pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
     WHERE a.attnum > 0 AND NOT a.attisdropped AND r.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
    UNION ALL
    SELECT format('constraint %I on %s %s', c.conname,
                  coalesce(r.name, c.contypid::regtype::text), pg_get_constraintdef(c.oid))
      FROM pg_constraint c JOIN space s ON s.oid = c.connamespace
      LEFT JOIN relation r ON r.oid = c.conrelid
    UNION ALL
    SELECT format('index %s %s%s', r.name, pg_get_indexdef(r.oid),
                  CASE WHEN i.indisvalid THEN '' ELSE ' invalid' END)
      FROM relation r JOIN pg_index i ON i.indexrelid = r.oid
    UNION ALL
    SELECT format('trigger %I on %s %s %s', t.tgname, r.name, pg_get_triggerdef(t.oid), t.tgenabled)
      FROM relation r JOIN pg_trigger t ON t.tgrelid = r.oid AND NOT t.tgisinternal
    UNION ALL
    SELECT format('policy %I on %s for %s to %s using %s check %s', p.polname, r.name, p.polcmd,
                  p.polroles, pg_get_expr(p.polqual, p.polrelid),
                  pg_get_expr(p.polwithcheck, p.polrelid))
      FROM relation r JOIN pg_policy p ON p.polrelid = r.oid
    UNION ALL
    SELECT format('function %s%I(%s) returns %s: %s %s', s.mark, p.proname,
                  pg_get_function_identity_arguments(p.oid), pg_get_function_result(p.oid),
                  p.provolatile::text || p.prosecdef::text || coalesce(p.proconfig::text, ''), p.prosrc)
      FROM pg_proc p JOIN space s ON s.oid = p.pronamespace
     WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass
                          AND d.objid = p.oid AND d.deptype = 'e')
    UNION ALL
    SELECT format('type %s%I %s%s', s.mark, t.typname,
                  CASE t.typtype WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod) ELSE '' END
                  || CASE WHEN t.typnotnull THEN ' not null' ELSE '' END
                  || coalesce(' default ' || t.typdefault, ''),
                  (SELECT string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder) FROM pg_enum e
                    WHERE e.enumtypid = t.oid))
      FROM pg_type t JOIN space s ON s.oid = t.typnamespace
     WHERE t.typtype IN ('d', 'e')
$skein$;

-- A dry run that goes up, down and up again: what there was before, for the comparison behind the
-- way down. All of it is rolled back.
CREATE OR REPLACE FUNCTION skein.rehearsal_begin(in_schema text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
BEGIN
    CREATE TEMP TABLE skein_rehearsal ON COMMIT DROP AS
        SELECT s AS line FROM skein.structure(in_schema) AS s;
END
$skein$;

-- Raises SK021 when the way down has not led back.
CREATE OR REPLACE FUNCTION skein.rehearsal_compare(in_schema text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
DECLARE
    differences text[];
BEGIN
    SELECT array_agg(d.words ORDER BY d.words) INTO differences FROM (
        SELECT 'missing: ' || m.line AS words FROM (
            SELECT r.line FROM pg_temp.skein_rehearsal r
            EXCEPT ALL SELECT s FROM skein.structure(in_schema) AS s) AS m
        UNION ALL
        SELECT 'left over: ' || m.line FROM (
            SELECT s AS line FROM skein.structure(in_schema) AS s
            EXCEPT ALL SELECT r.line FROM pg_temp.skein_rehearsal r) AS m) AS d;
    IF differences IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'SK021',
            MESSAGE = format('the rollback does not lead back: %s', left(differences[1], 300)),
            DETAIL = left(array_to_string(differences, E'\n'), 1000);
    END IF;
    DROP TABLE pg_temp.skein_rehearsal;
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

-- What a dry run looks at after a statement: the time, how much WAL the server has written, and the
-- locks of this very session that more than readers take, each as "oid mode file scans". Relations
-- that are younger than the transaction are mostly left out; measure_names knows which are.
CREATE OR REPLACE FUNCTION skein.measure_look(
    OUT at_us bigint, OUT wal bigint, OUT locks text
) LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
BEGIN
    SELECT string_agg(concat_ws(' ', l.relation, l.mode, pg_relation_filenode(l.relation),
                                pg_stat_get_xact_numscans(l.relation)), ',')
      INTO locks
      FROM pg_lock_status() AS l
     WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.granted
       AND l.relation BETWEEN 16384 AND current_setting('skein.mark')::oid
       AND l.mode NOT IN ('AccessShareLock', 'RowShareLock');
    wal := pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0');
    at_us := 1000000 * extract(epoch FROM clock_timestamp());
END
$skein$;

-- Those of the relations that are there, as lint names them ("public" and the tenant's own schema go
-- without saying), with their kind and their files; asked when the dry run was rolled back, so these
-- are the ones that were there before.
CREATE OR REPLACE FUNCTION skein.measure_names(
    in_relations oid[], in_home text,
    OUT relation oid, OUT name text, OUT kind "char", OUT file oid
) RETURNS SETOF record LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
BEGIN
    RETURN QUERY
    SELECT c.oid,
           CASE WHEN n.nspname IN ('public', in_home) THEN '' ELSE n.nspname || '.' END || c.relname,
           c.relkind, c.relfilenode
      FROM unnest(in_relations) AS u(relation)
      JOIN pg_class c ON c.oid = u.relation
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'skein');
END
$skein$;

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

-- What stops a rewrite in a dry run before it is paid for, where lint cannot see into a script: an
-- event trigger that lives as long as the transaction. Nobody else ever sees its row; the backend in
-- its name keeps two of them apart. Only a superuser may make one: any other role does without.
CREATE OR REPLACE FUNCTION skein.stop_rewrite() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
DECLARE
    rewritten oid := pg_event_trigger_table_rewrite_oid();
    bytes bigint := pg_table_size(rewritten);
BEGIN
    IF rewritten <= current_setting('skein.mark')::oid
            AND bytes >= current_setting('skein.rewrite_limit')::bigint THEN
        RAISE EXCEPTION USING ERRCODE = 'SK060', MESSAGE =
            format('%s (%s) would be rewritten while nobody can read or write it',
                   (SELECT relname FROM pg_class WHERE oid = rewritten), pg_size_pretty(bytes)),
            HINT = 'The dry run has stopped before it; rollout start --allow-large goes on all the '
                   'same.';
    END IF;
END
$skein$;

CREATE OR REPLACE FUNCTION skein.guard_rewrites(in_limit bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
BEGIN
    PERFORM set_config('skein.rewrite_limit', in_limit::text, true);
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        EXECUTE format('CREATE EVENT TRIGGER %I ON table_rewrite EXECUTE FUNCTION skein.stop_rewrite()',
                       'skein_rewrite_' || pg_backend_pid());
    END IF;
END
$skein$;

INSERT INTO skein.meta (version) SELECT 4 WHERE NOT EXISTS (SELECT FROM skein.meta);
UPDATE skein.meta SET version = 4, upgraded_at = now() WHERE version < 4;
COMMIT;
