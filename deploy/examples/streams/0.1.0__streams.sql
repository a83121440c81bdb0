CREATE TABLE events (
    stream_id text NOT NULL,
    sequence bigint NOT NULL,
    type text NOT NULL,
    payload jsonb NOT NULL,
    PRIMARY KEY (stream_id, sequence)
);

CREATE TABLE snapshots (
    stream_id text NOT NULL,
    sequence bigint NOT NULL,
    state jsonb NOT NULL,
    PRIMARY KEY (stream_id, sequence)
);

-- Which streams there are, and what they are called now.
CREATE TABLE streams (
    stream_id text PRIMARY KEY,
    kind text NOT NULL
);

INSERT INTO streams VALUES ('account-1', 'account'), ('account-2', 'account');
INSERT INTO events VALUES
    ('account-1', 1, 'opened', '{"owner": "Ann"}'),
    ('account-1', 2, 'paid in', '{"amount": 12.50}'),
    ('account-1', 3, 'paid out', '{"amount": 2.25}'),
    ('account-2', 1, 'opened', '{"owner": "Bob"}'),
    ('account-2', 2, 'paid in', '{"amount": 100}');
