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
