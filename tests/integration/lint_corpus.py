"""Migrations whose truth is measured, not written down: tests/integration/test_lint_truth.py."""

SEPARATOR = "\n----\n"  # between statements that hold semicolons themselves

SCHEMA = """
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN plain_text AS text;
CREATE DOMAIN small_int AS int CHECK (VALUE > -1000000);
CREATE FUNCTION fixed() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION dice() RETURNS int VOLATILE LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
CREATE FUNCTION on_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE SEQUENCE numbers;
CREATE TABLE customers (
    id bigint PRIMARY KEY, name varchar(50), email text, age int, price numeric(10,2), code char(4),
    created timestamp, updated timestamptz, precise timestamp(3), data json, tags varchar(20)[],
    state mood, note text NOT NULL, ip cidr, bits varbit(8), span interval(3), nick varchar(30),
    proved int, half_proved int, title varchar(10), small small_int, free plain_text,
    CONSTRAINT price_positive CHECK (price > -1),
    CONSTRAINT proved_not_null CHECK (proved IS NOT NULL));
CREATE INDEX customers_email ON customers (email);
CREATE INDEX customers_nick ON customers (lower(nick));
CREATE INDEX customers_created ON customers (created);
CREATE UNIQUE INDEX customers_note ON customers (note);
CREATE UNIQUE INDEX customers_age ON customers (age);
ALTER TABLE customers ADD CONSTRAINT half CHECK (half_proved IS NOT NULL) NOT VALID;
CREATE TABLE orders (
    id bigint PRIMARY KEY, customer_id bigint, total int NOT NULL, kind text, code varchar(10) UNIQUE,
    other_id bigint, CONSTRAINT orders_customer FOREIGN KEY (customer_id) REFERENCES customers);
CREATE TABLE codes (code varchar(10) PRIMARY KEY, label text);
CREATE TABLE coded (id int, code varchar(10) REFERENCES codes);
CREATE TABLE bare (id bigint, value text, other text);
CREATE TABLE parts (id bigint, body text) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10000);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10000) TO (20000);
CREATE TABLE logs (id bigint, body text) PARTITION BY RANGE (id);
CREATE TABLE logs_1 PARTITION OF logs FOR VALUES FROM (0) TO (10000);
CREATE TABLE logs_default PARTITION OF logs DEFAULT;
CREATE TABLE part_raw (id bigint, body text);
CREATE TABLE part_checked (id bigint NOT NULL, body text,
    CONSTRAINT bounds CHECK (id >= 30000 AND id < 40000));
CREATE TABLE parent (id bigint, body text);
CREATE TABLE child (extra int) INHERITS (parent);
CREATE VIEW v AS SELECT id, total FROM orders;
CREATE MATERIALIZED VIEW mv AS SELECT id, total FROM orders;
CREATE UNIQUE INDEX mv_id ON mv (id);
CREATE UNLOGGED TABLE unlogged (id bigint, value text);
CREATE TRIGGER touched BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION on_change();
"""

DATA = """
INSERT INTO customers SELECT n, 'n' || n, 'e' || n, n, n, 'c', now(), now(), now(), '{}', '{a}', 'ok',
    'note' || n, '10.0.0.0/8', B'1', '1 s', 'k' || n, n, n, 't', n, 'f' FROM generate_series(1, 500) n;
INSERT INTO orders SELECT n, n, n, 'k', 'c' || n, n FROM generate_series(1, 500) n;
INSERT INTO codes SELECT 'c' || n, 'l' FROM generate_series(1, 500) n;
INSERT INTO coded SELECT n, 'c' || n FROM generate_series(1, 500) n;
INSERT INTO bare SELECT n, 'v', 'o' FROM generate_series(1, 500) n;
INSERT INTO parts SELECT n, 'b' FROM generate_series(1, 500) n;
INSERT INTO parts SELECT n, 'b' FROM generate_series(10001, 10500) n;
INSERT INTO logs SELECT n, 'b' FROM generate_series(1, 500) n;
INSERT INTO logs SELECT n, 'b' FROM generate_series(50001, 50500) n;
INSERT INTO part_raw SELECT n, 'b' FROM generate_series(20001, 20500) n;
INSERT INTO part_checked SELECT n, 'b' FROM generate_series(30001, 30500) n;
INSERT INTO parent SELECT n, 'b' FROM generate_series(1, 500) n;
INSERT INTO child SELECT n, 'b', 1 FROM generate_series(1, 500) n;
INSERT INTO unlogged SELECT n, 'v' FROM generate_series(1, 500) n;
REFRESH MATERIALIZED VIEW mv;
ANALYZE;
"""

_COLUMN_TYPES = {
    "name": ["varchar(100)", "varchar(20)", "varchar", "text", "char(50)"],
    "email": ["varchar", "varchar(100)", "plain_text"],
    "age": ["bigint", "smallint", "numeric", "text USING age::text", "small_int"],
    "price": ["numeric(12,2)", "numeric", "numeric(12,3)", "numeric(8,2)", "double precision"],
    "code": ["char(8)", "text", "varchar(4)"],
    "created": ["timestamp(3)", "date", "timestamp(6)"],
    "precise": ["timestamp(6)", "timestamp", "timestamp(0)"],
    "data": ["jsonb", "text"],
    "tags": ["varchar(40)[]", "text[]"],
    "state": ["text"],
    "ip": ["inet"],
    "bits": ["varbit(16)", "varbit(4)"],
    "span": ["interval(6)", "interval(0)"],
    "nick": ["text", "varchar(60)"],
    "title": ["varchar(20)", "text USING title", "text USING title::text", "text USING upper(title)"],
    "small": ["int"],
    "free": ["text"],
    "note": ["text"],
}

CASES = [f"ALTER TABLE customers ALTER COLUMN {column} TYPE {kind};"
         for column, kinds in _COLUMN_TYPES.items() for kind in kinds]

CASES += [f"ALTER TABLE bare ADD COLUMN x {definition};" for definition in (
    "int", "int DEFAULT 5", "int NOT NULL DEFAULT 5", "text DEFAULT 'a' || 'b'",
    "timestamptz DEFAULT now()", "timestamptz DEFAULT CURRENT_TIMESTAMP",
    "timestamp DEFAULT timezone('utc', now())", "timestamptz DEFAULT clock_timestamp()",
    "float DEFAULT random()", "uuid DEFAULT gen_random_uuid()", "int DEFAULT fixed()",
    "int DEFAULT dice()", "int DEFAULT fixed() + dice()", "bigint DEFAULT nextval('numbers')",
    "serial", "bigserial", "int GENERATED ALWAYS AS IDENTITY",
    "bigint GENERATED BY DEFAULT AS IDENTITY", "bigint GENERATED ALWAYS AS (id * 2) STORED",
    "small_int", "plain_text", "plain_text DEFAULT 'x'", "int CHECK (x > 0)",
    "int DEFAULT 1 CHECK (x > 0)", "bigint REFERENCES customers",
    "bigint DEFAULT 1 REFERENCES customers", "int UNIQUE", "text DEFAULT current_user",
    "jsonb DEFAULT '{}'", "int DEFAULT -1", "int DEFAULT NULL", "text COLLATE \"C\"")]

CASES += [
    "ALTER TABLE bare ADD COLUMN IF NOT EXISTS value text;",
    "ALTER TABLE parts ADD COLUMN x int;",
    "ALTER TABLE parts ADD COLUMN x float DEFAULT random();",
    "ALTER TABLE parent ADD COLUMN x int;",
    "ALTER TABLE bare DROP COLUMN value;",
    "ALTER TABLE orders DROP COLUMN customer_id;",
    "ALTER TABLE bare ALTER COLUMN value SET DEFAULT 'x';",
    "ALTER TABLE bare ALTER COLUMN value DROP DEFAULT;",
    "ALTER TABLE bare ALTER COLUMN value SET NOT NULL;",
    "ALTER TABLE customers ALTER COLUMN note SET NOT NULL;",
    "ALTER TABLE customers ALTER COLUMN proved SET NOT NULL;",
    "ALTER TABLE customers ALTER COLUMN half_proved SET NOT NULL;",
    "ALTER TABLE customers ALTER COLUMN note DROP NOT NULL;",
    "ALTER TABLE bare ALTER COLUMN value SET STATISTICS 500;",
    "ALTER TABLE bare ALTER COLUMN value SET STORAGE EXTERNAL;",
    "ALTER TABLE bare SET (fillfactor = 70);",
    "ALTER TABLE bare ADD CONSTRAINT c CHECK (id > 0);",
    "ALTER TABLE bare ADD CONSTRAINT c CHECK (id > 0) NOT VALID;",
    "ALTER TABLE bare ADD CONSTRAINT c CHECK (id > 0) NOT VALID; ALTER TABLE bare VALIDATE CONSTRAINT c;",
    "ALTER TABLE customers VALIDATE CONSTRAINT half;",
    "ALTER TABLE customers VALIDATE CONSTRAINT price_positive;",
    "ALTER TABLE parts ADD CONSTRAINT c CHECK (id > -1);",
    "ALTER TABLE orders ADD CONSTRAINT f FOREIGN KEY (other_id) REFERENCES customers (id);",
    "ALTER TABLE orders ADD CONSTRAINT f FOREIGN KEY (other_id) REFERENCES customers (id) NOT VALID;",
    "ALTER TABLE orders ADD CONSTRAINT f FOREIGN KEY (other_id) REFERENCES customers NOT VALID;"
    " ALTER TABLE orders VALIDATE CONSTRAINT f;",
    "ALTER TABLE orders DROP CONSTRAINT orders_customer;",
    "ALTER TABLE customers DROP CONSTRAINT price_positive;",
    "ALTER TABLE orders ALTER CONSTRAINT orders_customer DEFERRABLE;",
    "ALTER TABLE bare ADD CONSTRAINT u UNIQUE (id);",
    "ALTER TABLE bare ADD PRIMARY KEY (id);",
    "ALTER TABLE customers ADD CONSTRAINT u UNIQUE USING INDEX customers_note;",
    "ALTER TABLE codes DROP CONSTRAINT codes_pkey CASCADE;",
    "ALTER TABLE bare ADD CONSTRAINT x EXCLUDE USING btree (id WITH =);",
    "ALTER TABLE orders DROP CONSTRAINT orders_code_key;",
    "ALTER TABLE orders RENAME CONSTRAINT orders_customer TO other;",
    "ALTER TABLE bare RENAME TO renamed;",
    "ALTER TABLE bare RENAME COLUMN value TO renamed;",
    "ALTER TABLE codes ALTER COLUMN code TYPE varchar(20);",
    "ALTER TABLE codes ALTER COLUMN code TYPE text;",
    "ALTER TABLE coded ALTER COLUMN code TYPE char(10);",
    "ALTER TABLE orders ALTER COLUMN total TYPE bigint;",
    "ALTER TABLE bare SET UNLOGGED;",
    "ALTER TABLE bare SET LOGGED;",
    "ALTER TABLE orders DISABLE TRIGGER touched;",
    "ALTER TABLE orders ENABLE TRIGGER touched;",
    "ALTER TABLE bare ENABLE ROW LEVEL SECURITY;",
    "ALTER TABLE bare REPLICA IDENTITY FULL;",
    "ALTER TABLE bare CLUSTER ON bare_missing;",
    "ALTER TABLE customers CLUSTER ON customers_pkey;",
    "ALTER TABLE child NO INHERIT parent;",
    "ALTER TABLE bare INHERIT parent_missing;",
    "CREATE INDEX i ON bare (id);",
    "CREATE UNIQUE INDEX i ON bare (id);",
    "CREATE INDEX i ON bare (lower(value)) WHERE id > 5;",
    "CREATE INDEX i ON bare USING hash (value);",
    "CREATE INDEX i ON parts (id);",
    "CREATE INDEX i ON ONLY parts (id);",
    "DROP INDEX customers_email;",
    "ALTER INDEX customers_email RENAME TO renamed;",
    "REINDEX INDEX customers_email;",
    "REINDEX TABLE customers;",
    "CLUSTER orders USING orders_pkey;",
    "TRUNCATE bare;",
    "TRUNCATE customers CASCADE;",
    "DROP TABLE bare;",
    "DROP TABLE orders CASCADE;",
    "DROP TABLE customers CASCADE;",
    "DROP TABLE IF EXISTS never_there;",
    "DROP TABLE parts_1;",
    "DROP VIEW v;",
    "CREATE OR REPLACE VIEW v AS SELECT id, total FROM orders WHERE id > 0;",
    "CREATE VIEW w AS SELECT id FROM orders;",
    "REFRESH MATERIALIZED VIEW mv;",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY mv;",
    "DROP MATERIALIZED VIEW mv;",
    "LOCK TABLE bare IN SHARE MODE;",
    "LOCK TABLE bare;",
    "LOCK TABLE bare IN ACCESS SHARE MODE;",
    "ALTER TABLE parts ATTACH PARTITION part_raw FOR VALUES FROM (20000) TO (30000);",
    "ALTER TABLE parts ATTACH PARTITION part_checked FOR VALUES FROM (30000) TO (40000);",
    "ALTER TABLE logs ATTACH PARTITION part_raw FOR VALUES FROM (20000) TO (30000);",
    "ALTER TABLE parts DETACH PARTITION parts_1;",
    "CREATE TABLE parts_3 PARTITION OF parts FOR VALUES FROM (20000) TO (30000);",
    "CREATE TABLE logs_3 PARTITION OF logs FOR VALUES FROM (20000) TO (30000);",
    "CREATE TABLE parts_3 (LIKE parts INCLUDING ALL);",
    "CREATE TABLE n (id bigint PRIMARY KEY, c bigint REFERENCES customers);",
    "CREATE TABLE n (id bigint PRIMARY KEY); CREATE INDEX n_id ON n (id); ALTER TABLE n ADD x float"
    " DEFAULT random();",
    "CREATE TABLE n AS SELECT * FROM bare;",
    "CREATE TABLE n (c bigint REFERENCES customers); INSERT INTO n SELECT id FROM customers;",
    "CREATE TEMP TABLE bare (id int); ALTER TABLE bare ADD COLUMN y float DEFAULT random();",
    "CREATE TABLE grown () INHERITS (parent);",
    "CREATE TRIGGER t BEFORE INSERT ON bare FOR EACH ROW EXECUTE FUNCTION on_change();",
    "DROP TRIGGER touched ON orders;",
    "ALTER TRIGGER touched ON orders RENAME TO other;",
    "CREATE RULE r AS ON DELETE TO bare DO INSTEAD NOTHING;",
    "CREATE POLICY p ON bare USING (true);",
    "CREATE STATISTICS st (dependencies) ON id, value FROM bare;",
    "COMMENT ON TABLE bare IS 'x';",
    "COMMENT ON COLUMN bare.value IS 'x';",
    "GRANT SELECT ON bare TO PUBLIC;",
    "ALTER SEQUENCE numbers RESTART;",
    "ALTER DOMAIN small_int ADD CONSTRAINT more CHECK (VALUE < 1000000);",
    "ALTER DOMAIN small_int ADD CONSTRAINT more CHECK (VALUE < 1000000) NOT VALID;",
    "ALTER DOMAIN small_int SET DEFAULT 1;",
    "ALTER TYPE mood ADD VALUE 'great';",
    "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue';",
    "UPDATE bare SET value = 'x';",
    "UPDATE bare SET value = 'x' WHERE other = 'o';",
    "UPDATE orders SET kind = 'x' WHERE id = 5;",
    "DELETE FROM bare;",
    "INSERT INTO bare VALUES (1, 'a', 'b');",
    "INSERT INTO bare SELECT id, email FROM customers;",
    "WITH gone AS (DELETE FROM bare RETURNING id) SELECT count(*) FROM gone;",
    "SELECT count(*) FROM bare;",
    "SELECT * FROM bare WHERE id = 1 FOR UPDATE;",
    "ALTER TABLE orders ADD COLUMN x int; UPDATE bare SET value = 'y';",
    "UPDATE bare SET value = 'y'; ALTER TABLE orders ADD COLUMN x int;",
    "ALTER TABLE orders ADD COLUMN x int; UPDATE orders SET kind = 'x' WHERE id = 5;",
    "ALTER TABLE orders ADD COLUMN x int; INSERT INTO orders VALUES (1000, 1, 1);",
    "CREATE INDEX i ON bare (id); UPDATE customers SET email = email;",
    "ALTER TABLE bare ADD COLUMN x int; ALTER TABLE orders ADD COLUMN x int;",
    "ALTER TABLE customers DROP CONSTRAINT proved_not_null; ALTER TABLE customers ALTER proved SET NOT NULL;",
    "ALTER TABLE bare ADD CONSTRAINT c CHECK (value IS NOT NULL) NOT VALID; ALTER TABLE bare VALIDATE"
    " CONSTRAINT c; ALTER TABLE bare ALTER value SET NOT NULL;",
    "DROP INDEX customers_nick; ALTER TABLE customers ALTER nick TYPE text;",
    "ALTER TABLE bare RENAME TO old; CREATE TABLE bare (id int); CREATE INDEX i ON bare (id);",
    "DROP TABLE bare; CREATE TABLE bare (id int); ALTER TABLE bare ADD x float DEFAULT random();",
    "ALTER TABLE customers ALTER COLUMN age SET NOT NULL, ADD COLUMN x int;",
    "ALTER TABLE customers ADD PRIMARY KEY USING INDEX customers_note_missing;",
    "ALTER TABLE ONLY parts ADD CONSTRAINT c CHECK (id > -1) NO INHERIT;",
    "ALTER TABLE IF EXISTS never_there ADD COLUMN x int;",
    "ALTER TABLE public.bare ADD COLUMN x float DEFAULT random();",
    "ALTER TABLE \"bare\" ALTER COLUMN \"value\" SET NOT NULL;",
    "CREATE TABLE \"Bare\" (id int); CREATE INDEX i ON \"Bare\" (id);",
    "CREATE TABLE BARE2 (id int); CREATE INDEX i ON bare2 (id);",
    "ALTER TABLE orders DROP CONSTRAINT orders_customer, ADD CONSTRAINT again FOREIGN KEY (customer_id)"
    " REFERENCES customers NOT VALID;",
    "ALTER TABLE unlogged SET LOGGED;",
    "ALTER TABLE unlogged SET UNLOGGED;",
    "DROP VIEW IF EXISTS v, never_there;",
    "DROP SEQUENCE numbers;",
    "DROP FUNCTION fixed();",
    "DROP TYPE mood CASCADE;",
    "ALTER TABLE v RENAME TO w;",
    "ALTER VIEW v SET SCHEMA pg_temp_missing;",
    "SELECT setval('numbers', 10);",
    "EXPLAIN ALYZE_MISSING SELECT 1;",
    "EXPLAIN UPDATE bare SET value = 'x';",
    "CREATE TABLE copy (LIKE customers INCLUDING ALL); INSERT INTO copy SELECT * FROM customers;",
    "MERGE INTO bare USING orders ON bare.id = orders.id WHEN MATCHED THEN UPDATE SET value = 'm';",
    "ALTER TABLE bare ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;",
    "ALTER TABLE bare ALTER COLUMN id SET NOT NULL, ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;",
    "ALTER TABLE customers ALTER COLUMN email TYPE text COLLATE \"C\";",
    "ALTER TABLE customers ALTER COLUMN updated TYPE timestamp;",
    "ALTER TABLE customers ALTER COLUMN created TYPE timestamptz;",
    "ALTER TABLE customers ALTER COLUMN created TYPE timestamptz USING created AT TIME ZONE 'UTC';",
    "DO $$ BEGIN ALTER TABLE bare ADD COLUMN x float DEFAULT random(); END $$",
    "DO $$ DECLARE n int := 5; BEGIN IF n > 3 THEN CREATE INDEX i ON bare (id); END IF; END $$",
    "DO $$ BEGIN EXECUTE 'ALTER TABLE bare ALTER COLUMN value SET NOT NULL'; END $$",
    "DO $$ BEGIN PERFORM 1; END $$",
    "DO $$ DECLARE r record; BEGIN FOR r IN SELECT id FROM bare LOOP UPDATE orders SET kind = 'x'"
    " WHERE id = r.id; END LOOP; END $$",
    "CREATE FUNCTION work() RETURNS void LANGUAGE plpgsql AS $f$ BEGIN CREATE INDEX i ON bare (id);"
    " END $f$" + SEPARATOR + "SELECT work();",
    "CREATE PROCEDURE work() LANGUAGE plpgsql AS $f$ BEGIN ALTER TABLE bare ADD CHECK (id > 0);"
    " END $f$" + SEPARATOR + "CALL work();",
    "CREATE FUNCTION work() RETURNS int LANGUAGE sql AS 'UPDATE bare SET value = 1; SELECT 1'"
    + SEPARATOR + "SELECT work();",
]
