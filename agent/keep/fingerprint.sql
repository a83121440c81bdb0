-- What a tenant's schema is, as sorted lines: relations, columns, types, constraints, indexes,
-- functions, triggers, rules, policies. Nothing in them depends on OIDs, on the order in which
-- things were made, on the schema's own name, on owners and grants, or on data. $1 is the schema,
-- which is also the search path while this runs; '' for all of a database, then with the path
-- `public`: what stands there has no schema in its name, so that a tenant that is a database may be
-- like one that is a schema.
WITH home AS MATERIALIZED (
    SELECT n.oid, CASE WHEN $1 = '' AND n.nspname <> 'public'
                       THEN quote_ident(n.nspname) || '.' ELSE '' END AS prefix
      FROM pg_namespace n
     WHERE CASE WHEN $1 = '' THEN n.nspname !~ '^pg_'
                                  AND n.nspname NOT IN ('information_schema', 'skein')
                ELSE n.nspname = $1 END
), object AS MATERIALIZED ( -- by the one index that finds a schema's objects in a large database
    SELECT d.classid, d.objid, h.prefix
      FROM home h JOIN pg_depend d ON d.refclassid = 'pg_namespace'::regclass
                                  AND d.refobjid = h.oid AND d.deptype = 'n'
     WHERE NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = d.classid AND e.objid = d.objid
                                                 AND e.deptype = 'e')
), relation AS MATERIALIZED (
    SELECT c.oid, c.relkind, o.prefix || quote_ident(c.relname) AS name, c.relpersistence,
           c.reloptions, c.relispartition, c.relpartbound, c.relrowsecurity,
           c.relforcerowsecurity, c.relreplident
      FROM object o
      LEFT JOIN pg_type t ON o.classid = 'pg_type'::regclass AND t.oid = o.objid
                         AND t.typtype = 'c'
      JOIN pg_class c ON c.oid = CASE o.classid WHEN 'pg_class'::regclass THEN o.objid
                                                ELSE t.typrelid END
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c', 'S')
), line AS (
    SELECT concat_ws(' ',
             CASE r.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
                            WHEN 'f' THEN 'foreign table' WHEN 'c' THEN 'type' ELSE 'table' END,
             r.name,
             CASE r.relpersistence WHEN 'u' THEN 'unlogged' END,
             CASE WHEN r.relkind = 'p' THEN 'partitioned by ' || pg_get_partkeydef(r.oid) END,
             CASE WHEN r.relispartition THEN pg_get_expr(r.relpartbound, r.oid) END,
             (SELECT 'of ' || string_agg(i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno)
                FROM pg_inherits i WHERE i.inhrelid = r.oid),
             CASE WHEN r.reloptions IS NOT NULL THEN
                  'with ' || (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(r.reloptions) o)
             END,
             CASE WHEN r.relrowsecurity THEN 'row security' END,
             CASE WHEN r.relforcerowsecurity THEN 'forced' END,
             CASE WHEN r.relkind IN ('r', 'p') AND r.relreplident <> 'd' THEN
                  'replica identity ' || r.relreplident::text END,
             CASE WHEN r.relkind IN ('v', 'm') THEN 'as '
                  || btrim(regexp_replace(pg_get_viewdef(r.oid), '\s+', ' ', 'g')) END) AS text
      FROM relation r WHERE r.relkind <> 'S'
    UNION ALL
    SELECT concat_ws(' ', 'column', r.name || '.' || quote_ident(a.attname),
             format_type(a.atttypid, a.atttypmod),
             CASE WHEN a.attcollation <> t.typcollation THEN
                  'collate ' || (
                  SELECT quote_ident(l.collname) FROM pg_collation l WHERE l.oid = a.attcollation)
             END,
             CASE WHEN a.attnotnull THEN 'not null' END,
             CASE a.attidentity WHEN 'a' THEN 'identity always' WHEN 'd' THEN 'identity' END,
             CASE a.attgenerated WHEN '' THEN 'default ' ELSE 'generated ' END
               || pg_get_expr(d.adbin, d.adrelid))
      FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0
                                         AND NOT a.attisdropped
      JOIN pg_type t ON t.oid = a.atttypid
      LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE r.relkind <> 'S'
    UNION ALL
    SELECT concat_ws(' ', 'sequence', r.name, format_type(s.seqtypid, NULL), 'start', s.seqstart,
             'by', s.seqincrement, 'from', s.seqmin, 'to', s.seqmax, 'cache', s.seqcache,
             CASE WHEN s.seqcycle THEN 'cycle' END)
      FROM relation r JOIN pg_sequence s ON s.seqrelid = r.oid
    UNION ALL
    SELECT concat_ws(' ', 'constraint', r.name || '.' || quote_ident(c.conname),
             pg_get_constraintdef(c.oid, true))
      FROM relation r JOIN pg_constraint c ON c.conrelid = r.oid
     WHERE c.contype NOT IN ('t', 'n')
    UNION ALL
    SELECT concat_ws(' ', 'index', k.name, pg_get_indexdef(i.indexrelid, 0, true),
             CASE WHEN NOT i.indisvalid THEN 'invalid' END,
             CASE WHEN i.indisreplident THEN 'replica identity' END,
             CASE WHEN i.indisclustered THEN 'clustered' END)
      FROM relation r JOIN pg_index i ON i.indrelid = r.oid
      JOIN LATERAL (SELECT quote_ident(c.relname) AS name FROM pg_class c
                     WHERE c.oid = i.indexrelid) k ON true
     WHERE NOT EXISTS (SELECT FROM pg_constraint c
                        WHERE c.conrelid = i.indrelid AND c.conindid = i.indexrelid
                          AND c.contype IN ('p', 'u', 'x'))
        OR NOT i.indisvalid
    UNION ALL
    SELECT concat_ws(' ', 'trigger', r.name || '.' || quote_ident(t.tgname),
             pg_get_triggerdef(t.oid, true),
             CASE t.tgenabled WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'on replicas'
                              WHEN 'A' THEN 'always' END)
      FROM relation r JOIN pg_trigger t ON t.tgrelid = r.oid WHERE NOT t.tgisinternal
    UNION ALL
    SELECT concat_ws(' ', 'rule', r.name || '.' || quote_ident(w.rulename),
             regexp_replace(pg_get_ruledef(w.oid, true), '\s+', ' ', 'g'))
      FROM relation r JOIN pg_rewrite w ON w.ev_class = r.oid WHERE w.rulename <> '_RETURN'
    UNION ALL
    SELECT concat_ws(' ', 'policy', r.name || '.' || quote_ident(p.polname),
             CASE p.polcmd WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update'
                           WHEN 'd' THEN 'delete' ELSE 'all' END,
             CASE WHEN NOT p.polpermissive THEN 'restrictive' END,
             'using ' || pg_get_expr(p.polqual, p.polrelid),
             'check ' || pg_get_expr(p.polwithcheck, p.polrelid))
      FROM relation r JOIN pg_policy p ON p.polrelid = r.oid
    UNION ALL
    SELECT concat_ws(' ', 'statistics', o.prefix || quote_ident(s.stxname),
             pg_get_statisticsobjdef(s.oid))
      FROM object o JOIN pg_statistic_ext s ON s.oid = o.objid
                                           AND o.classid = 'pg_statistic_ext'::regclass
    UNION ALL
    SELECT concat_ws(' ',
             CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate'
                            ELSE 'function' END,
             o.prefix || quote_ident(p.proname) || '(' || pg_get_function_arguments(p.oid) || ')',
             'returns ' || pg_get_function_result(p.oid), l.lanname,
             CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' END,
             CASE WHEN p.proisstrict THEN 'strict' END,
             CASE WHEN p.prosecdef THEN 'security definer' END,
             CASE WHEN p.proleakproof THEN 'leakproof' END,
             CASE WHEN p.proparallel <> 'u' THEN 'parallel ' || p.proparallel::text END,
             'set ' || (SELECT string_agg(replace(s, own.name, ''),
                                          ', ' ORDER BY s) FROM unnest(p.proconfig) s),
             'body ' || md5(replace(CASE WHEN p.prosrc = '' AND p.prokind IN ('f', 'p')
                                         THEN pg_get_functiondef(p.oid) ELSE p.prosrc END,
                                    own.name || '.', '')))
      FROM object o CROSS JOIN (SELECT CASE WHEN $1 = '' THEN 'public' ELSE quote_ident($1) END
                                       AS name) AS own
      JOIN pg_proc p ON p.oid = o.objid AND o.classid = 'pg_proc'::regclass
      JOIN pg_language l ON l.oid = p.prolang
    UNION ALL
    SELECT concat_ws(' ', CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain'
                                         WHEN 'r' THEN 'range' ELSE 'type' END,
             o.prefix || quote_ident(t.typname),
             CASE t.typtype WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod) END,
             CASE WHEN t.typnotnull THEN 'not null' END,
             'default ' || t.typdefault,
             (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
                FROM pg_enum e WHERE e.enumtypid = t.oid),
             (SELECT format_type(g.rngsubtype, NULL) FROM pg_range g WHERE g.rngtypid = t.oid),
             (SELECT string_agg(quote_ident(c.conname) || ' '
                                || pg_get_constraintdef(c.oid, true), ', ' ORDER BY c.conname)
                FROM pg_constraint c WHERE c.contypid = t.oid))
      FROM object o JOIN pg_type t ON t.oid = o.objid AND o.classid = 'pg_type'::regclass
     WHERE t.typtype IN ('e', 'd', 'r')
)
