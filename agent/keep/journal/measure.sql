-- A dry run's transaction begins: the time, and how much WAL the server has written. Relations with
-- higher oids than those that are there by now are not looked at later (SELECT max(oid) is one look
-- at the end of an index).
CREATE OR REPLACE FUNCTION skein.measure_begin(OUT at_us bigint, OUT wal bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
BEGIN
    PERFORM set_config('skein.mark', (SELECT max(oid)::text FROM pg_class), true);
    wal := pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0');
    at_us := 1000000 * extract(epoch FROM clock_timestamp());
END
$skein$;

-- What a dry run looks at after a statement: the same, and the locks of this very session that more
-- than readers take, each as "oid mode file scans". Relations that are younger than the transaction
-- are mostly left out; measure_names knows which are. So is what skein itself writes in every task:
-- where that is all, no names have to be asked for.
CREATE OR REPLACE FUNCTION skein.measure_look(
    OUT at_us bigint, OUT wal bigint, OUT locks text
) LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $skein$
DECLARE
    mark CONSTANT oid := current_setting('skein.mark')::oid;
    me CONSTANT integer := pg_backend_pid();
BEGIN
    SELECT string_agg(concat_ws(' ', l.relation, l.mode, pg_relation_filenode(l.relation),
                                pg_stat_get_xact_numscans(l.relation)), ',')
      INTO locks
      FROM pg_lock_status() AS l
     WHERE l.relation BETWEEN 16384 AND mark AND l.pid = me AND l.locktype = 'relation'
       AND l.granted AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
       AND l.relation <> ALL ('{skein.tenant, skein.tenant_pkey, skein.operation,
                                skein.operation_pkey, skein.history, skein.history_pkey,
                                skein.history_id_seq}'::regclass[]);
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
) RETURNS SETOF record LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan AS $skein$
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
