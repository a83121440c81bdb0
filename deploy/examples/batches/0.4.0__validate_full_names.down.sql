-- Nothing to undo: 0.3.0 takes the constraint away.
SELECT 1;
