"""A second corpus for test_lint_truth.py, written without a look at lint's code: a shop with the schema and the
migrations that several generations of people and their tools have left behind (lint_shop/*.sql).

A paragraph is a migration; in one whose first line begins with `-- each` every statement is one of its own. A
statement ends with a semicolon at a line's end."""
import os

from lint_corpus import SEPARATOR

_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lint_shop")


def _read(name):
    with open(os.path.join(_FOLDER, name), encoding="utf-8") as file:
        return file.read()


def _statements(lines):
    statement = []
    for line in lines:
        statement.append(line)
        text = "\n".join(statement)
        if line.endswith(";") and text.count("$$") % 2 == 0:
            yield text
            statement = []
    assert not statement, statement


def _migrations(name):
    for paragraph in _read(name).split("\n\n"):
        lines = [line for line in paragraph.splitlines() if line]
        each = lines[0].startswith("-- each")
        statements = list(_statements([line for line in lines if not line.startswith("--")]))
        if each:
            yield from (statement + SEPARATOR for statement in statements)
        else:
            yield SEPARATOR.join(statements) + SEPARATOR


SCHEMA = _read("shop_schema.sql")
DATA = _read("shop_rows.sql")
CASES = [case for name in ("shop_alter.sql", "shop_others.sql") for case in _migrations(name)]
