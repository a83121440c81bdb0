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
