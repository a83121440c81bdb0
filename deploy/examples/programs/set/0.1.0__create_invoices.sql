CREATE TABLE invoices (
    id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lines text NOT NULL
);
INSERT INTO invoices (lines) VALUES ('2 x 19.90; 1 x 5'), ('3 x 0.10');
