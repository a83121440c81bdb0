-- A number that changes with any change of a tenant's schema: which rows of the catalog describe it,
-- and which transactions wrote them. (Of pg_class only what is not about storage: TRUNCATE, REINDEX
-- and the like change nothing.) It is no fingerprint: two equal schemas have two numbers. But it
-- takes a twentieth of the time. `in_schema` is '' for all of a database. In a transaction that has
-- a number of its own, since the ages below are counted from that. Never 0.
-- Its plan is made once for a session: that takes longer than what it does. So it must not depend on
-- how large the catalogs were just then, and goes by indexes whatever they are. Where there is none
-- that makes it look so expensive that the server would compile it, for 300 ms: hence no JIT.
CREATE OR REPLACE FUNCTION skein.schema_stamp(in_schema text) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $skein$
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
