-- What exists in a tenant, as the statements that would make it, in an order in which they could be
-- run, and how large it is. $1 is the schema, which is also the search path while this runs; '' for
-- all of a database. $3 and $4, where they are not null, are schemas ('' for the tenant's) and names
-- of the relations that matter: then only they, those that hang together with them, and types are
-- looked at. Names in the schema that is looked at are written without it, so that two
-- tenants with the same structure say the same.
WITH RECURSIVE home AS MATERIALIZED (
    SELECT n.oid, CASE WHEN n.nspname = current_schema() THEN '' ELSE n.nspname END AS schema,
           CASE WHEN n.nspname = current_schema() THEN '' ELSE quote_ident(n.nspname) || '.' END
             AS prefix
      FROM pg_namespace n
     WHERE CASE WHEN $1 = '' THEN n.nspname !~ '^pg_'
                                  AND n.nspname NOT IN ('information_schema', 'skein')
                ELSE n.nspname = $1 END
), object AS MATERIALIZED ( -- by the one index that finds a schema's objects in a large database
    SELECT d.classid, d.objid, h.oid AS namespace, h.schema, h.prefix
      FROM home h JOIN pg_depend d ON d.refclassid = 'pg_namespace'::regclass
                                  AND d.refobjid = h.oid AND d.deptype = 'n'
     WHERE NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = d.classid AND e.objid = d.objid
                                                 AND e.deptype = 'e')
), wanted AS MATERIALIZED ( -- schemas first: a name is looked up in its own one only
    SELECT n.oid AS namespace, w.name::name AS name
      FROM unnest($3::text[], $4::text[]) AS w (schema, name)
      JOIN pg_namespace n ON n.nspname = CASE w.schema WHEN '' THEN current_schema()
                                                      ELSE w.schema::name END
), tree AS ( -- the relation, or an index' table, with all its partitions, children and parents
    SELECT coalesce(i.indrelid, c.oid) AS oid
      FROM wanted w JOIN pg_class c ON c.relname = w.name AND c.relnamespace = w.namespace
      LEFT JOIN pg_index i ON i.indexrelid = c.oid
     UNION
    SELECT CASE t.oid WHEN h.inhparent THEN h.inhrelid ELSE h.inhparent END
      FROM tree t JOIN pg_inherits h ON t.oid IN (h.inhparent, h.inhrelid)
), chosen AS MATERIALIZED ( -- and what foreign keys tie to it; a key's triggers know both sides
    SELECT oid FROM tree
     UNION
    SELECT k.confrelid FROM tree t JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype = 'f'
     UNION
    SELECT g.tgconstrrelid FROM tree t JOIN pg_trigger g ON g.tgrelid = t.oid
     WHERE g.tgconstrrelid <> 0
), relation AS MATERIALIZED (
    SELECT c.oid, c.relname, c.relkind, c.relpersistence, c.relispartition, c.relpartbound,
           c.reltablespace, c.relam, c.reloftype, o.schema, o.prefix, o.prefix || quote_ident(c.relname) AS name
      FROM object o JOIN pg_class c ON c.oid = o.objid
     WHERE o.classid = 'pg_class'::regclass AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
       AND ($4 IS NULL OR c.oid IN (SELECT h.oid FROM chosen h))
), index AS MATERIALIZED (
    SELECT i.indexrelid, i.indrelid, c.relname, c.relkind, c.relispartition, r.schema, r.prefix,
           r.prefix || quote_ident(c.relname) AS name,
           EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = i.indrelid
                                                 AND k.conindid = i.indexrelid
                                                 AND k.contype IN ('p', 'u', 'x')) AS of_constraint
      FROM relation r JOIN pg_index i ON i.indrelid = r.oid
      JOIN pg_class c ON c.oid = i.indexrelid
), line AS (
    SELECT 0 AS place, '' AS schema, 'TimeZone' AS name,
           'SET timezone = ' || quote_literal(current_setting('TimeZone')) AS text,
           NULL::bigint AS bytes
     WHERE EXISTS (SELECT FROM object)
    UNION ALL
    SELECT 1, o.schema, t.typname::text, CASE t.typtype
             WHEN 'e' THEN 'CREATE TYPE ' || o.prefix || quote_ident(t.typname) || ' AS ENUM ()'
             ELSE 'CREATE DOMAIN ' || o.prefix || quote_ident(t.typname) || ' AS '
               || format_type(t.typbasetype, t.typtypmod)
               || CASE WHEN t.typnotnull THEN ' NOT NULL' ELSE '' END
               || coalesce((SELECT string_agg(' CONSTRAINT ' || quote_ident(k.conname) || ' '
                                              || pg_get_constraintdef(k.oid, true), ''
                                              ORDER BY k.conname)
                              FROM pg_constraint k WHERE k.contypid = t.oid
                                                     AND k.contype = 'c'), '')
           END, NULL
      FROM object o JOIN pg_type t ON t.oid = o.objid AND t.typtype IN ('e', 'd')
     WHERE o.classid = 'pg_type'::regclass
    UNION ALL -- composite types are relations too
    SELECT 2, o.schema, c.relname::text, 'CREATE TYPE ' || o.prefix || quote_ident(c.relname) || ' AS ('
             || coalesce((SELECT string_agg(quote_ident(a.attname) || ' '
                                              || format_type(a.atttypid, a.atttypmod), ', '
                                            ORDER BY a.attname)
                            FROM pg_attribute a
                           WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '')
             || ')', NULL
      FROM object o JOIN pg_class c ON c.oid = o.objid AND c.relkind = 'c'
     WHERE o.classid = 'pg_class'::regclass
    UNION ALL
    SELECT 2, o.schema, p.proname::text,
           overlay(pg_get_functiondef(p.oid) PLACING o.prefix FROM
                     length('CREATE OR REPLACE ')
                     + CASE p.prokind WHEN 'p' THEN 11 ELSE 10 END
                   FOR length(quote_ident(n.nspname)) + 1), NULL
      FROM object o JOIN pg_proc p ON p.oid = o.objid AND p.prokind IN ('f', 'p')
      JOIN pg_namespace n ON n.oid = o.namespace
      JOIN pg_language l ON l.oid = p.prolang AND l.lanname IN ('sql', 'plpgsql')
     WHERE o.classid = 'pg_proc'::regclass AND $4 IS NULL
    UNION ALL
    SELECT 3, r.schema, r.relname::text, 'CREATE SEQUENCE ' || r.name, NULL
      FROM relation r WHERE r.relkind = 'S'
    UNION ALL
    SELECT 4, r.schema, r.relname::text,
           'CREATE ' || CASE r.relpersistence WHEN 'u' THEN 'UNLOGGED ' ELSE '' END || 'TABLE '
             || r.name || CASE WHEN r.reloftype <> 0 THEN ' OF ' || r.reloftype::regtype ELSE
             ' (' || coalesce((
             SELECT string_agg(quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod)
                      || coalesce((SELECT ' COLLATE ' || quote_ident(l.collname)
                                     FROM pg_collation l
                                     JOIN pg_type t ON t.oid = a.atttypid
                                    WHERE l.oid = a.attcollation
                                      AND a.attcollation <> t.typcollation), '')
                      || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
                      || CASE WHEN a.attgenerated = 's'
                              THEN ' GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid)
                                     || ') STORED'
                              WHEN a.attidentity <> '' THEN ' GENERATED BY DEFAULT AS IDENTITY'
                              ELSE '' END, ', ' ORDER BY a.attname)
               FROM pg_attribute a
               LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
              WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped), '') || ')' END
             || CASE WHEN r.relkind = 'p' THEN ' PARTITION BY ' || pg_get_partkeydef(r.oid)
                     ELSE '' END
             || coalesce((SELECT ' USING ' || quote_ident(m.amname) FROM pg_am m
                           WHERE m.oid = r.relam AND m.amname <> 'heap'), '')
             || coalesce((SELECT ' TABLESPACE ' || quote_ident(s.spcname) FROM pg_tablespace s
                           WHERE s.oid = r.reltablespace), ''),
           CASE WHEN r.relkind = 'p' THEN 0 ELSE pg_table_size(r.oid) END
      FROM relation r WHERE r.relkind IN ('r', 'p')
    UNION ALL -- foreign keys behind the keys that they point to
    SELECT CASE k.contype WHEN 'f' THEN 6 ELSE 5 END, r.schema, k.conname::text,
           'ALTER TABLE ' || r.name || ' ADD CONSTRAINT ' || quote_ident(k.conname) || ' '
             || pg_get_constraintdef(k.oid, true), NULL
      FROM relation r JOIN pg_constraint k ON k.conrelid = r.oid
     WHERE k.contype IN ('c', 'f', 'p', 'u', 'x')
    UNION ALL
    SELECT 7, x.schema, x.relname::text,
           CASE WHEN x.of_constraint THEN '' ELSE pg_get_indexdef(x.indexrelid, 0, true) END,
           CASE WHEN x.relkind = 'I' THEN 0 ELSE pg_relation_size(x.indexrelid) END
      FROM index x
    UNION ALL
    SELECT 8, r.schema, r.relname::text,
           CASE WHEN r.relispartition
                THEN 'ALTER TABLE ' || h.inhparent::regclass || ' ATTACH PARTITION ' || r.name || ' '
                       || pg_get_expr(r.relpartbound, r.oid)
                ELSE 'ALTER TABLE ' || r.name || ' INHERIT ' || h.inhparent::regclass END, NULL
      FROM relation r JOIN pg_inherits h ON h.inhrelid = r.oid
    UNION ALL
    SELECT 8, x.schema, x.relname::text,
           'ALTER INDEX ' || h.inhparent::regclass || ' ATTACH PARTITION ' || x.name, NULL
      FROM index x JOIN pg_inherits h ON h.inhrelid = x.indexrelid
    UNION ALL -- identity columns have one under a name that may be another by now
    SELECT 8, r.schema, r.relname::text,
           'ALTER SEQUENCE ' || r.name || ' OWNED BY ' || d.refobjid::regclass || '.'
             || quote_ident(a.attname), NULL
      FROM relation r JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = r.oid
                                      AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
                                      AND d.deptype IN ('a', 'i')
      JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
     WHERE r.relkind = 'S'
    UNION ALL -- what DEFAULT asks for a value
    SELECT 9, r.schema, r.relname::text,
           'ALTER TABLE ' || r.name || ' ALTER COLUMN ' || quote_ident(a.attname) || ' SET DEFAULT '
             || pg_get_expr(d.adbin, d.adrelid), NULL
      FROM relation r JOIN pg_attrdef d ON d.adrelid = r.oid
      JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum = d.adnum AND a.attgenerated = ''
     WHERE r.relkind IN ('r', 'p')
    UNION ALL
    SELECT 10, r.schema, t.tgname::text, pg_get_triggerdef(t.oid, true), NULL
      FROM relation r JOIN pg_trigger t ON t.tgrelid = r.oid AND NOT t.tgisinternal
    UNION ALL
    SELECT 10, r.schema, p.polname::text,
           'CREATE POLICY ' || quote_ident(p.polname) || ' ON ' || r.name, NULL
      FROM relation r JOIN pg_policy p ON p.polrelid = r.oid
    UNION ALL
    SELECT 10, r.schema, w.rulename::text,
           'CREATE RULE ' || quote_ident(w.rulename) || ' AS ON UPDATE TO ' || r.name
             || ' DO NOTHING', NULL
      FROM relation r JOIN pg_rewrite w ON w.ev_class = r.oid AND w.rulename <> '_RETURN'
    UNION ALL
    SELECT 9, r.schema, r.relname::text,
           CASE r.relkind WHEN 'm' THEN 'CREATE MATERIALIZED VIEW ' ELSE 'CREATE VIEW ' END
             || r.name || ' AS ' || rtrim(pg_get_viewdef(r.oid, true), '; '),
           CASE r.relkind WHEN 'm' THEN pg_table_size(r.oid) ELSE 0 END
      FROM relation r WHERE r.relkind IN ('v', 'm')
)
SELECT schema, name, text, bytes FROM line ORDER BY place, schema, name, text LIMIT $2::bigint
