DROP VIEW open_balances;
