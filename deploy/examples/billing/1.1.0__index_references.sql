-- Support looks payments up by the bank's reference. The table is large by now, and nobody shall wait
-- for the index: it is built beside the traffic, outside of any transaction, for as long as that takes.
-- skein:transaction none
-- skein:statement_timeout 4h
CREATE INDEX CONCURRENTLY payments_reference ON payments (reference);
