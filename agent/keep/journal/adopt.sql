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
