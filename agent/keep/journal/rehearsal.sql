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
