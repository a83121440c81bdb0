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
