-- Of version 4: these were slower, and said less.
DROP FUNCTION IF EXISTS skein.measure_look();
DROP FUNCTION IF EXISTS skein.measure_names(oid[], text);

-- A dry run's transaction begins. Relations with higher oids than those that are there by now are
-- not looked at later (max(oid) is one look at the end of an index). '': no locks yet.
CREATE OR REPLACE FUNCTION skein.measure_begin() RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
BEGIN
    PERFORM set_config('skein.mark', (SELECT max(oid)::text FROM pg_class), true);
    RETURN '';
END
$skein$;

-- What a dry run looks at after statements: the locks of this very session that more than readers
-- take, each as "oid mode file scans". Relations that are younger than the transaction are mostly
-- left out; measure_named knows which are. So is what skein itself writes in every task: where that
-- is all, no names have to be asked for.
CREATE OR REPLACE FUNCTION skein.measure_locks() RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
BEGIN
    RETURN (SELECT coalesce(string_agg(concat_ws(' ', l.relation, l.mode,
                                                 pg_relation_filenode(l.relation),
                                                 pg_stat_get_xact_numscans(l.relation)), ','), '')
              FROM pg_lock_status() AS l
             WHERE l.relation BETWEEN 16384 AND (SELECT current_setting('skein.mark')::oid)
               AND l.pid = (SELECT pg_backend_pid()) AND l.locktype = 'relation' AND l.granted
               AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
               AND l.relation <> ALL ('{skein.tenant, skein.tenant_pkey, skein.operation,
                                        skein.operation_pkey, skein.history, skein.history_pkey,
                                        skein.history_id_seq}'::regclass[]));
END
$skein$;

-- Those of the relations that are there, as lint names them ("public" and the tenant's own schema go
-- without saying), with their kind, their files, and whose they are: the table of an index or a
-- sequence, the parent of a partition. Asked when the dry run was rolled back, so these are the ones
-- that were there before. Planned once, by indexes: as skein.schema_stamp.
CREATE OR REPLACE FUNCTION skein.measure_named(
    in_relations oid[], in_home text,
    OUT relation oid, OUT name text, OUT kind "char", OUT file oid, OUT owner oid
) RETURNS SETOF record LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off SET jit = off AS $skein$
BEGIN
    RETURN QUERY
    SELECT c.oid,
           CASE WHEN n.nspname IN ('public', in_home) THEN '' ELSE n.nspname || '.' END || c.relname,
           c.relkind, c.relfilenode,
           CASE WHEN c.relispartition
                THEN (SELECT h.inhparent FROM pg_inherits h WHERE h.inhrelid = c.oid LIMIT 1)
                WHEN c.relkind = 'i'
                THEN (SELECT i.indrelid FROM pg_index i WHERE i.indexrelid = c.oid)
                WHEN c.relkind = 'S'
                THEN (SELECT d.refobjid FROM pg_depend d
                       WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                         AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
                       LIMIT 1)
           END
      FROM unnest(in_relations) AS u(relation)
      JOIN pg_class c ON c.oid = u.relation
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'skein');
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
