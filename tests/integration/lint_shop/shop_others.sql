-- each: indexes, storage
CREATE INDEX idx_products_made ON public.products USING btree (made DESC NULLS LAST);
CREATE INDEX IF NOT EXISTS products_descr ON products (descr);
CREATE INDEX IF NOT EXISTS products_new ON products (made);
CREATE INDEX ON products USING gin (to_tsvector('english', descr));
CREATE INDEX i ON products USING brin (sold_at) WITH (pages_per_range = 32);
CREATE UNIQUE INDEX i ON clients (lower(full_name), id) WHERE notes IS NOT NULL;
CREATE INDEX i ON clients (id) INCLUDE (full_name, phone);
CREATE INDEX i ON events (tenant);
CREATE INDEX i ON ONLY events (tenant);
CREATE INDEX i ON events_2024 (tenant);
CREATE INDEX i ON events_2024_a (tenant);
CREATE INDEX i ON vehicles (name);
CREATE INDEX i ON items (sku);
CREATE INDEX i ON audit.log (at);
CREATE INDEX "Order Items_Sku_idx" ON "Legacy"."Order Items" ("Sku");
CREATE UNIQUE INDEX "User_teamId_key" ON "User"("teamId");
CREATE INDEX i ON sales (total);
CREATE INDEX i ON audit.log_counts (n);
DROP INDEX products_descr;
DROP INDEX IF EXISTS products_descr, clients_phone;
DROP INDEX public."User_email_key";
DROP INDEX events_kind;
DROP INDEX audit.log_who;
DROP INDEX sales_client;
ALTER INDEX products_descr RENAME TO products_text;
ALTER INDEX products_descr SET (fillfactor = 80);
ALTER INDEX products_name_lower ALTER COLUMN 1 SET STATISTICS 500;
ALTER INDEX products_descr SET TABLESPACE pg_default;
ALTER TABLE products_descr RENAME TO products_text;
REINDEX INDEX products_descr;
REINDEX TABLE clients;
REINDEX (VERBOSE) TABLE public.products;
REINDEX INDEX public.clients_pkey;
CLUSTER products USING products_sku;
CLUSTER clients USING clients_pkey;
TRUNCATE TABLE settings;
TRUNCATE settings, cache RESTART IDENTITY;
TRUNCATE ONLY vehicles;
TRUNCATE vehicles;
TRUNCATE events;
TRUNCATE purchases CASCADE;
DROP TABLE settings CASCADE;
DROP TABLE IF EXISTS lines, settings_missing;
DROP TABLE purchases CASCADE;
DROP TABLE events_2023;
DROP TABLE events;
DROP TABLE regions_rest;
DROP TABLE taxis;
DROP TABLE vehicles CASCADE;
DROP TABLE "Post";
DROP TABLE "User" CASCADE;
DROP TABLE audit.log CASCADE;
DROP TABLE items;
DROP SCHEMA audit CASCADE;
DROP SCHEMA "Legacy" CASCADE;
DROP SEQUENCE invoice_numbers;
DROP SEQUENCE audit.event_ids CASCADE;
DROP TYPE status CASCADE;
DROP TYPE address CASCADE;
DROP TYPE item_row CASCADE;
DROP DOMAIN label CASCADE;
DROP DOMAIN IF EXISTS email_address CASCADE;
DROP FUNCTION slug(text);
DROP FUNCTION stamp() CASCADE;
DROP EXTENSION citext CASCADE;
DROP VIEW rich;
DROP VIEW active_purchases CASCADE;
DROP MATERIALIZED VIEW sales;
DROP TRIGGER purchases_stamp ON purchases;
DROP TRIGGER IF EXISTS nothing ON purchases;
DROP RULE settings_rule ON settings;
DROP POLICY own ON clients;
DROP POLICY IF EXISTS nothing ON clients;
DROP STATISTICS products_stats;
DROP PUBLICATION shop_feed;
DROP COLLATION german;
REFRESH MATERIALIZED VIEW sales;
REFRESH MATERIALIZED VIEW CONCURRENTLY sales;
REFRESH MATERIALIZED VIEW sales WITH NO DATA;
REFRESH MATERIALIZED VIEW audit.log_counts;
LOCK products;
LOCK TABLE ONLY vehicles IN EXCLUSIVE MODE;
LOCK TABLE products, clients IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE events IN SHARE MODE;
LOCK TABLE active_purchases IN ACCESS EXCLUSIVE MODE;
LOCK TABLE vehicles IN ROW EXCLUSIVE MODE NOWAIT;
ANALYZE products;
ANALYZE;

-- each: new things
CREATE TABLE fresh (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, client int NOT NULL REFERENCES clients ON DELETE CASCADE, product bigint REFERENCES products (id));
CREATE TABLE IF NOT EXISTS settings (id int REFERENCES clients);
CREATE TABLE fresh (LIKE products INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
CREATE TABLE fresh AS SELECT * FROM products;
CREATE TABLE fresh AS TABLE products WITH NO DATA;
CREATE TABLE fresh () INHERITS (cars);
CREATE TABLE fresh (id int, wheels int) INHERITS (vehicles);
CREATE TABLE fresh OF item_row (PRIMARY KEY (sku));
CREATE TABLE events_2027 PARTITION OF events FOR VALUES FROM ('2027-01-01 00:00+00') TO ('2028-01-01 00:00+00');
CREATE TABLE events_rest PARTITION OF events DEFAULT;
CREATE TABLE regions_jp2 PARTITION OF regions FOR VALUES IN ('jp');
CREATE TABLE regions_x PARTITION OF regions FOR VALUES IN ('xx') PARTITION BY HASH (code);
CREATE TABLE fresh (id int PRIMARY KEY, CONSTRAINT up FOREIGN KEY (id) REFERENCES fresh (id));
CREATE TABLE audit.fresh (LIKE public.products INCLUDING ALL);
CREATE TEMPORARY TABLE t ON COMMIT DROP AS SELECT * FROM clients;
CREATE UNLOGGED TABLE fresh (id int);
SELECT * INTO fresh FROM products;
CREATE VIEW fresh_view AS SELECT * FROM products;
CREATE OR REPLACE VIEW rich AS SELECT id, amount FROM active_purchases WHERE amount > 1000;
CREATE OR REPLACE VIEW settings_view AS SELECT name, value FROM settings WHERE value IS NOT NULL;
CREATE OR REPLACE VIEW brand_new AS SELECT 1 AS one;
CREATE MATERIALIZED VIEW fresh_mv AS SELECT sku FROM products;
ALTER VIEW settings_view ALTER COLUMN value SET DEFAULT 'x';
ALTER VIEW settings_view SET (security_barrier = true);
ALTER VIEW settings_view RENAME COLUMN value TO content;
ALTER MATERIALIZED VIEW sales RENAME TO sold;
ALTER MATERIALIZED VIEW sales SET TABLESPACE pg_default;
ALTER MATERIALIZED VIEW sales CLUSTER ON sales_client;
ALTER MATERIALIZED VIEW sales SET SCHEMA audit;
CREATE TRIGGER t AFTER INSERT OR UPDATE ON products FOR EACH STATEMENT EXECUTE PROCEDURE stamp();
CREATE OR REPLACE TRIGGER purchases_stamp BEFORE INSERT ON purchases FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE TRIGGER t AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE TRIGGER t INSTEAD OF INSERT ON settings_view FOR EACH ROW EXECUTE FUNCTION stamp();
ALTER TRIGGER purchases_stamp ON purchases RENAME TO stamped;
CREATE RULE keep AS ON UPDATE TO products DO ALSO NOTHING;
CREATE OR REPLACE RULE settings_rule AS ON DELETE TO settings DO INSTEAD NOTHING;
CREATE POLICY read ON products FOR SELECT USING (id IN (SELECT product_id FROM purchases));
ALTER POLICY own ON clients USING (id > 0);
ALTER POLICY own ON clients RENAME TO mine;
CREATE STATISTICS st ON price, stock FROM products;
ALTER STATISTICS products_stats SET STATISTICS 100;
CREATE PUBLICATION p FOR TABLE products, clients;
ALTER PUBLICATION shop_feed ADD TABLE products;
CREATE SEQUENCE fresh_seq OWNED BY products.id;
ALTER SEQUENCE invoice_numbers INCREMENT BY 2;
ALTER SEQUENCE invoice_numbers OWNED BY NONE;
ALTER SEQUENCE invoice_numbers RENAME TO bills;
ALTER SEQUENCE purchases_id_seq AS bigint;
ALTER SEQUENCE audit.event_ids RESTART WITH 100000;
ALTER SEQUENCE IF EXISTS never RESTART;
SELECT nextval('invoice_numbers');
SELECT setval('products_id_seq', (SELECT max(id) FROM products));
SELECT setval(pg_get_serial_sequence('"User"', 'id'), coalesce((SELECT max("id") FROM "User"), 1));
ALTER TYPE status ADD VALUE IF NOT EXISTS 'lost' AFTER 'paid';
ALTER TYPE status RENAME TO state;
ALTER TYPE address ADD ATTRIBUTE zip text;
ALTER DOMAIN positive ADD CHECK (VALUE < 1000000);
ALTER DOMAIN positive ADD CONSTRAINT small CHECK (VALUE < 1000000) NOT VALID;
ALTER DOMAIN email_address SET NOT NULL;
ALTER DOMAIN label SET DEFAULT 'none';
ALTER DOMAIN email_address DROP NOT NULL;
ALTER DOMAIN label RENAME TO tag;
ALTER DOMAIN percent DROP CONSTRAINT percent_check;
ALTER DOMAIN percent VALIDATE CONSTRAINT percent_check;
COMMENT ON TABLE products IS 'what we sell';
COMMENT ON COLUMN "User"."email" IS 'where to write';
COMMENT ON CONSTRAINT stock_not_negative ON products IS 'x';
COMMENT ON INDEX products_descr IS 'x';
GRANT SELECT, INSERT ON TABLE products TO pg_monitor;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO pg_monitor;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO pg_monitor;
CREATE EXTENSION IF NOT EXISTS btree_gin;
CREATE AGGREGATE total_of (int) (SFUNC = int4pl, STYPE = int);
CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq);
CREATE CAST (status AS bigint) WITH INOUT;

-- each: rows
UPDATE products SET stock = 0;
UPDATE products SET name = 'x' WHERE id = 10;
UPDATE ONLY vehicles SET wheels = 5;
UPDATE settings_view SET value = 'w';
UPDATE purchases p SET comment = c.notes FROM clients c WHERE c.id = p.client_id;
DELETE FROM purchases WHERE bought_at < now() - interval '1 year';
DELETE FROM heap_only WHERE a = 3;
INSERT INTO settings (name, value) VALUES ('a', 'b') ON CONFLICT (name) DO UPDATE SET value = excluded.value;
INSERT INTO cache SELECT name, value, now() FROM settings ON CONFLICT DO NOTHING;
INSERT INTO events (id, happened, tenant) SELECT id, '2023-06-06', 1 FROM clients;
MERGE INTO cache c USING settings s ON s.name = c.key WHEN MATCHED THEN UPDATE SET value = s.value WHEN NOT MATCHED THEN INSERT VALUES (s.name, s.value, now());
WITH moved AS (DELETE FROM cache RETURNING key, value) INSERT INTO settings SELECT key, value FROM moved;
SELECT count(*) FROM products;
SELECT * FROM clients FOR UPDATE;
SELECT 1 FROM active_purchases LIMIT 1;
EXPLAIN ANALYZE UPDATE settings SET value = 'x';
EXPLAIN UPDATE settings SET value = 'x';
PREPARE p AS UPDATE settings SET value = 'x';
VALUES (1);
TABLE settings;
DECLARE c CURSOR FOR SELECT * FROM products;

-- each: code
DO $$ BEGIN ALTER TYPE status ADD VALUE 'gone'; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
DO $$ BEGIN CREATE TYPE other AS ENUM ('a'); EXCEPTION WHEN duplicate_object THEN NULL; END $$;
DO $body$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conname = 'price_ok') THEN ALTER TABLE products ADD CONSTRAINT price_ok CHECK (price >= 0); END IF; END $body$;
DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM information_schema.columns WHERE table_name = 'products' AND column_name = 'extra') THEN ALTER TABLE products ADD COLUMN extra jsonb; END IF; END $$;
DO $$ BEGIN EXECUTE 'CREATE INDEX i ON products (made)'; END $$;
DO $$ BEGIN EXECUTE format('ALTER TABLE %I ADD COLUMN extra uuid DEFAULT gen_random_uuid()', 'products'); END $$;
DO $$ BEGIN EXECUTE format('ALTER TABLE %I.%I ALTER COLUMN %I SET NOT NULL', 'public', 'products', 'name'); END $$;
DO $$ BEGIN EXECUTE 'ALTER TABLE ' || 'products' || ' ADD CHECK (price >= 0)'; END $$;
DO $$ BEGIN EXECUTE 'ALTER TABLE ' || quote_ident('User') || ' ADD COLUMN extra int'; END $$;
DO $$ BEGIN EXECUTE 'UPDATE products SET stock = $1 WHERE id = $2' USING 1, 2; END $$;
DO $$ DECLARE t text := 'products'; BEGIN EXECUTE format('CREATE INDEX ON %I (made)', t); END $$;
DO $$ DECLARE t text; BEGIN FOREACH t IN ARRAY ARRAY['products', 'clients'] LOOP EXECUTE format('CREATE INDEX ON %I (id)', t); END LOOP; END $$;
DO $$ DECLARE t record; BEGIN FOR t IN SELECT relname FROM pg_class WHERE relname IN ('settings') LOOP EXECUTE format('ALTER TABLE %I ADD COLUMN z int', t.relname); END LOOP; END $$;
DO $$ BEGIN PERFORM touch_products(); END $$;
DO $$ DECLARE n bigint; BEGIN SELECT max(id) INTO n FROM products; PERFORM setval('products_id_seq', n); END $$;
DO $$ BEGIN LOOP DELETE FROM cache WHERE key IN (SELECT key FROM cache LIMIT 1000); EXIT WHEN NOT FOUND; END LOOP; END $$;
DO $$ BEGIN CASE WHEN 1 = 1 THEN CREATE INDEX i ON clients (birthday); ELSE NULL; END CASE; END $$;
DO $$ BEGIN WHILE false LOOP DROP TABLE settings; END LOOP; RAISE NOTICE 'x'; END $$;
DO LANGUAGE plpgsql $$ BEGIN LOCK TABLE products IN SHARE MODE; PERFORM count(*) FROM clients; END $$;
SELECT touch_products();
SELECT add_flag_column();
CALL reindex_products();
SELECT slug(name) FROM products LIMIT 1;
SELECT * FROM add_flag_column();

CREATE OR REPLACE FUNCTION touch_products() RETURNS void LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
SELECT touch_products();

CREATE FUNCTION fill_notes() RETURNS void LANGUAGE plpgsql AS $$ BEGIN UPDATE clients SET notes = 'x'; END $$;
ALTER TABLE clients ADD COLUMN nickname text;
SELECT fill_notes();
DROP FUNCTION fill_notes();

CREATE FUNCTION stamp2() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.notes := 'x'; RETURN NEW; END $$;
CREATE TRIGGER clients_stamp BEFORE UPDATE ON clients FOR EACH ROW EXECUTE FUNCTION stamp2();
UPDATE clients SET notes = '' WHERE notes IS NULL;

-- order decides
UPDATE products SET descr = '' WHERE descr IS NULL;
ALTER TABLE products ALTER COLUMN descr SET NOT NULL;

ALTER TABLE settings ADD COLUMN x int;
INSERT INTO cache SELECT sku, descr, now() FROM products;

LOCK TABLE settings IN SHARE MODE;
UPDATE products SET stock = 1;

CREATE TRIGGER t AFTER UPDATE ON settings FOR EACH ROW EXECUTE FUNCTION stamp();
SELECT count(*) FROM purchases;

COMMENT ON TABLE settings IS 'x';
UPDATE products SET stock = 1;

ALTER TABLE settings SET (fillfactor = 50);
UPDATE products SET stock = 1;

DROP TABLE cache;
DELETE FROM purchases;

CREATE TABLE fresh (id int PRIMARY KEY, client int REFERENCES clients);
INSERT INTO fresh SELECT id, id FROM purchases;
CREATE INDEX ON fresh (client);

CREATE TABLE fresh (id int PRIMARY KEY, v text);
INSERT INTO fresh SELECT generate_series(1, 1000), 'v';
ALTER TABLE fresh ADD COLUMN u uuid DEFAULT gen_random_uuid();
ALTER TABLE fresh ADD CHECK (id > 0);
ALTER TABLE fresh ALTER COLUMN v SET NOT NULL;
CREATE INDEX ON fresh (v);
DROP TABLE fresh;

CREATE TABLE products_new (LIKE products INCLUDING ALL);
INSERT INTO products_new SELECT * FROM products;
ALTER TABLE products RENAME TO products_old;
ALTER TABLE products_new RENAME TO products;
CREATE INDEX i ON products (made);
DROP TABLE products_old;

ALTER TABLE settings RENAME TO options;
ALTER TABLE options ADD COLUMN x uuid DEFAULT gen_random_uuid();
CREATE TABLE settings (id int);
ALTER TABLE settings ADD COLUMN x uuid DEFAULT gen_random_uuid();

ALTER TABLE products RENAME COLUMN name TO title;
ALTER TABLE products ALTER COLUMN title TYPE varchar(300);
CREATE INDEX ON products (title);

ALTER INDEX products_descr RENAME TO products_text;
DROP INDEX products_text;
ALTER TABLE products ALTER COLUMN descr TYPE text COLLATE "C";

ALTER SCHEMA audit RENAME TO trail;
CREATE INDEX ON trail.log (at);

CREATE SCHEMA new_home;
ALTER TABLE settings SET SCHEMA new_home;
ALTER TABLE new_home.settings ADD COLUMN x uuid DEFAULT gen_random_uuid();

CREATE SCHEMA new_home;
CREATE TABLE new_home.settings (id int);
CREATE INDEX ON new_home.settings (id);

SET LOCAL search_path = audit;
ALTER TABLE log ADD COLUMN x uuid DEFAULT gen_random_uuid();
CREATE INDEX ON products (sku);

SET search_path TO audit, public;
CREATE INDEX ON clients (birthday);
CREATE INDEX ON products (id);
CREATE TABLE clients (id int);
CREATE INDEX ON clients (id);

SELECT pg_catalog.set_config('search_path', '', false);
ALTER TABLE ONLY public.settings ADD CONSTRAINT v UNIQUE (value, name);
CREATE INDEX settings_v ON public.settings USING btree (value);

CREATE TEMP TABLE settings (name text, value text);
INSERT INTO settings SELECT 'x', 'y' FROM generate_series(1, 1000);
CREATE INDEX ON settings (name);
ALTER TABLE public.settings ADD COLUMN x uuid DEFAULT gen_random_uuid();

DROP TABLE settings CASCADE;
CREATE TABLE settings (name text, value text);
INSERT INTO settings VALUES ('a', 'b');
CREATE INDEX ON settings (name);

SAVEPOINT a;
ALTER TABLE settings ADD COLUMN x int;
RELEASE SAVEPOINT a;
UPDATE products SET stock = 1;

SAVEPOINT a;
CREATE TABLE fresh (id int);
ROLLBACK TO a;
CREATE TABLE fresh (id int);
CREATE INDEX ON fresh (id);

SAVEPOINT a;
UPDATE products SET stock = 1;
ROLLBACK TO SAVEPOINT a;
ALTER TABLE settings ADD COLUMN x int;

PREPARE fill AS UPDATE products SET stock = 1;
ALTER TABLE settings ADD COLUMN x int;
EXECUTE fill;
DEALLOCATE fill;

CREATE TABLE events_2027 (LIKE events INCLUDING ALL);
ALTER TABLE events_2027 ADD CONSTRAINT b CHECK (happened >= '2027-01-01 00:00+00' AND happened < '2028-01-01 00:00+00');
ALTER TABLE events ATTACH PARTITION events_2027 FOR VALUES FROM ('2027-01-01 00:00+00') TO ('2028-01-01 00:00+00');

ALTER TABLE events_2026 ADD CONSTRAINT b CHECK (happened >= '2026-01-01 00:00+00' AND happened < '2027-01-01 00:00+00') NOT VALID;
ALTER TABLE events_2026 VALIDATE CONSTRAINT b;
ALTER TABLE events ATTACH PARTITION events_2026 FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2027-01-01 00:00+00');

CREATE INDEX i ON ONLY events (tenant);
CREATE INDEX i23 ON events_2023 (tenant);
ALTER INDEX i ATTACH PARTITION i23;

ALTER TABLE regions DETACH PARTITION regions_us;
CREATE INDEX ON regions_us (total);
CREATE INDEX ON regions (total);
DROP TABLE regions_us;

CREATE TABLE a (id int PRIMARY KEY);
CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a);
ALTER TABLE settings ADD COLUMN b int REFERENCES b;
UPDATE settings SET b = NULL;

DROP VIEW settings_view;
ALTER TABLE settings ALTER COLUMN value TYPE varchar(500);
CREATE VIEW settings_view AS SELECT name, value FROM settings;

DROP INDEX clients_phone;
ALTER TABLE clients ALTER COLUMN phone TYPE text;
CREATE INDEX clients_phone ON clients (phone);

DROP INDEX products_sold;
SET LOCAL timezone = 'UTC';
ALTER TABLE products ALTER COLUMN sold TYPE timestamptz;

ALTER TABLE products DROP CONSTRAINT known_there;
ALTER TABLE products ALTER COLUMN known SET NOT NULL;

CREATE DOMAIN code AS text;
ALTER TABLE settings ADD COLUMN x code DEFAULT 'x';
ALTER DOMAIN code ADD CHECK (VALUE <> '');
ALTER TABLE settings ADD COLUMN y code;

CREATE TYPE mood AS ENUM ('sad', 'ok');
ALTER TABLE settings ADD COLUMN mood mood DEFAULT 'ok' NOT NULL;
CREATE INDEX CONCURRENTLY_LOOKING ON settings (mood);

-- as Django writes it
ALTER TABLE "products" ADD COLUMN "slug" varchar(50) DEFAULT '' NOT NULL;
ALTER TABLE "products" ALTER COLUMN "slug" DROP DEFAULT;
CREATE INDEX "products_slug_like" ON "products" ("slug" varchar_pattern_ops);

ALTER TABLE "purchases" ADD COLUMN "coupon_id" bigint NULL CONSTRAINT "purchases_coupon_fk" REFERENCES "products"("id") DEFERRABLE INITIALLY DEFERRED;
SET CONSTRAINTS "purchases_coupon_fk" IMMEDIATE;
CREATE INDEX "purchases_coupon_id" ON "purchases" ("coupon_id");

-- as Rails writes it
CREATE TABLE "carts" ("id" bigserial primary key, "client_id" int NOT NULL, "created_at" timestamp(6) NOT NULL, CONSTRAINT "fk_rails_1" FOREIGN KEY ("client_id") REFERENCES "clients" ("id"));
CREATE INDEX "index_carts_on_client_id" ON "carts" ("client_id");
ALTER TABLE "products" ADD "visible" boolean DEFAULT TRUE NOT NULL;
INSERT INTO "settings" ("name", "value") VALUES ('schema_version', '20240101') RETURNING "name";

-- as Alembic, TypeORM and Knex write it
ALTER TABLE products ALTER COLUMN price SET NOT NULL, ALTER COLUMN price TYPE NUMERIC(14, 2);
ALTER TABLE clients ALTER COLUMN full_name DROP NOT NULL;
CREATE UNIQUE INDEX ix_clients_phone ON clients (phone);

ALTER TABLE "User" DROP CONSTRAINT "User_pkey" CASCADE;
ALTER TABLE "User" ADD CONSTRAINT "PK_user" PRIMARY KEY ("id");

alter table "clients" add column "level" text check ("level" in ('a', 'b')) not null default 'a';
alter table "clients" add constraint "clients_level_unique" unique ("level", "id");

alter table "products" drop constraint if exists "stock_not_negative", alter column "stock" type bigint using ("stock"::bigint);

-- as pg_dump writes it
SET statement_timeout = 0;
SET lock_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
CREATE TABLE public.fresh (id integer NOT NULL, name character varying(20));
ALTER TABLE public.fresh OWNER TO postgres;
CREATE SEQUENCE public.fresh_id_seq AS integer START WITH 1;
ALTER SEQUENCE public.fresh_id_seq OWNED BY public.fresh.id;
ALTER TABLE ONLY public.fresh ALTER COLUMN id SET DEFAULT nextval('public.fresh_id_seq'::regclass);
ALTER TABLE ONLY public.fresh ADD CONSTRAINT fresh_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.fresh ADD CONSTRAINT fresh_client FOREIGN KEY (id) REFERENCES public.clients(id);
