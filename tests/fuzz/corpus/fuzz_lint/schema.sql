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
CREATE TABLE facts (id bigint, day date, v text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE facts_1 PARTITION OF facts FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE facts_2 PARTITION OF facts FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY RANGE (id);
CREATE TABLE facts_2_1 PARTITION OF facts_2 FOR VALUES FROM (0) TO (100000);
CREATE INDEX facts_v ON facts (v);
CREATE TABLE tree (id bigint PRIMARY KEY, parent_id bigint REFERENCES tree);
CREATE TABLE gen (id int, a int, b int GENERATED ALWAYS AS (a * 2) STORED);
CREATE TABLE auto (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text);
CREATE TABLE ranges (id int, span int4range, room int, EXCLUDE USING gist (span WITH &&));
CREATE TABLE "Mixed Case" (id int, "Value" text);
CREATE TABLE grand () INHERITS (child);
CREATE VIEW vv AS SELECT * FROM v;
CREATE MATERIALIZED VIEW mw AS SELECT id FROM bare;
CREATE TABLE moods (id int, m mood);
CREATE TABLE doms (id int, s small_int, t plain_text);
CREATE TABLE stamped (id int, at timestamptz);
CREATE TABLE nopk (a int, b int, CONSTRAINT b_proved CHECK (b IS NOT NULL AND b > -1));
CREATE UNIQUE INDEX nopk_a ON nopk (a);
CREATE UNIQUE INDEX nopk_b ON nopk (b);
