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
