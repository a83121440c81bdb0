-- What each account still owes.
CREATE VIEW open_balances AS
SELECT a.id AS account_id,
       a.given_name,
       a.family_name,
       count(DISTINCT i.id) AS open_invoices,
       COALESCE(sum(l.quantity * l.unit_cents), 0)::bigint AS open_cents
  FROM accounts a
  LEFT JOIN invoices i ON i.account_id = a.id AND i.status = 'open'
  LEFT JOIN invoice_lines l ON l.invoice_id = i.id
 GROUP BY a.id;
