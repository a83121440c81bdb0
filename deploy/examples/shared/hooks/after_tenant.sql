-- The last statement of each tenant's transaction.
ANALYZE users;
