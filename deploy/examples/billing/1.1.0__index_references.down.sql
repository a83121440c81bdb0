-- skein:transaction none
DROP INDEX CONCURRENTLY IF EXISTS payments_reference;
