"""What commonly goes wrong with SQL."""

import re
from dataclasses import dataclass

from .clauses import Statement, is_query, read
from .tokens import Kind, Token, closing, split, statements, tokens

MAX_DEPTH = 20
"""Of queries within queries that are looked at."""


@dataclass(frozen=True, slots=True)
class Fault:
    code: str
    is_grave: bool
    text: str
    start: int
    end: int


def faults_of(text: str) -> list[Fault]:
    """Of all statements of a text, in their order."""
    found = [fault for group in statements(tokens(text)) for fault in _statement(read(group), 0, is_tested=False)]
    return sorted(found, key=lambda fault: (fault.start, fault.code))


def _at(code: str, token: Token, text: str, *, grave: bool = False) -> Fault:
    return Fault(code, grave, text, token.start, token.end)


def _statement(statement: Statement, depth: int, *, is_tested: bool) -> list[Fault]:
    """`is_tested`: only whether there are rows counts, as in `EXISTS (…)`."""
    found = [*_without_where(statement), *_implicit_join(statement), *_comparisons(statement), *_dynamic(statement)]
    if not is_tested:
        found += _star(statement)
    found += _limit_without_order(statement)
    if depth < MAX_DEPTH:
        for _, body in statement.tables:
            found += _statement(read(body), depth + 1, is_tested=False)
        for clause in statement.clauses:
            found += _within(clause.body, depth)
    return found


def _within(body: list[Token], depth: int) -> list[Fault]:
    """Of queries in brackets."""
    found: list[Fault] = []
    at = 0
    while at < len(body):
        if body[at].is_symbol("(") and is_query(body[at + 1 : at + 2]):
            end = closing(body, at)
            is_tested = at > 0 and body[at - 1].is_word("EXISTS")
            found += _statement(read(body[at + 1 : end]), depth + 1, is_tested=is_tested) + _not_in(body, at)
            at = end
        at += 1
    return found


def _star(statement: Statement) -> list[Fault]:
    stars = []
    for clause in statement.find("SELECT", "SELECT DISTINCT"):
        for column in split(clause.body):
            is_all = column[-1].is_symbol("*") and (len(column) == 1 or column[-2].is_symbol("."))
            if is_all:
                stars.append(column[-1])
    text = "`SELECT *` reads columns that nobody needs, and changes its result when the table does: name the columns."
    return [_at("select-star", star, text) for star in stars]


def _without_where(statement: Statement) -> list[Fault]:
    if statement.verb not in ("UPDATE", "DELETE") or statement.find("WHERE"):
        return []
    if not (statement.find("SET", "DELETE FROM") or statement.clauses[0].body):
        return []
    if any(token.is_word("CURRENT") for token in statement.tokens):
        return []
    what = "changes" if statement.verb == "UPDATE" else "deletes"
    text = f"`{statement.verb}` without `WHERE` {what} every row of the table."
    return [_at("missing-where", statement.clauses[0].at, text, grave=True)]


def _implicit_join(statement: Statement) -> list[Fault]:
    found = []
    for clause in statement.find("FROM"):
        if len(split(clause.body)) < 2:
            continue
        ending = "write `JOIN … ON …`, so that no condition can be forgotten."
        text = (
            f"Tables are joined by a comma: {ending}"
            if statement.find("WHERE")
            else f"Tables are joined by a comma and nothing says which rows belong together: every row meets every row; {ending}"
        )
        found.append(_at("implicit-join", clause.at, text, grave=not statement.find("WHERE")))
    return found


def _comparisons(statement: Statement) -> list[Fault]:
    found = []
    for clause in statement.clauses:
        if clause.head not in ("WHERE", "HAVING") and not clause.head.endswith("JOIN"):
            continue
        for before, token in zip(clause.body, clause.body[1:]):
            if token.is_word("NULL") and before.is_symbol("=", "<>", "!="):
                found.append(_at("null-comparison", before, "Nothing is ever equal to `NULL`: write `IS NULL` or `IS NOT NULL`.", grave=True))
            is_pattern = before.is_word("LIKE", "ILIKE") and token.kind is Kind.STRING
            if is_pattern and re.match(r"[NE]?'[%_]", token.text):
                text = "A pattern that begins with a wildcard cannot use an ordinary index: every row is read."
                found.append(_at("leading-wildcard", token, text))
    return found


def _not_in(body: list[Token], at: int) -> list[Fault]:
    is_not_in = at >= 2 and body[at - 1].is_word("IN") and body[at - 2].is_word("NOT")
    text = "`NOT IN (SELECT …)` is true for no row as soon as the query gives one `NULL`: write `NOT EXISTS`."
    return [_at("not-in-query", body[at - 2], text)] if is_not_in else []


def _limit_without_order(statement: Statement) -> list[Fault]:
    limits = statement.find("LIMIT", "OFFSET", "FETCH")
    is_sorted = bool(statement.find("ORDER BY")) or statement.verb != "SELECT"
    text = "Without `ORDER BY`, which rows come first is up to the database."
    return [] if not limits or is_sorted else [_at("limit-without-order", limits[0].at, text)]


def _dynamic(statement: Statement) -> list[Fault]:
    """SQL in a string that is put together within SQL."""
    if statement.verb not in ("EXEC", "EXECUTE", "SET", "DECLARE"):
        return []
    group = statement.tokens
    for index, token in enumerate(group):
        is_sql = token.kind is Kind.STRING and looks_like_sql(token.text.lstrip("NnEe'"))
        beside = group[index + 1 : index + 2]
        if is_sql and beside and beside[0].is_symbol("+", "||"):
            return [_at("injection", token, INJECTION, grave=True)]
    return []


INJECTION = (
    "SQL is put together from pieces: whoever can choose a piece can run SQL of their own. "
    "Leave the statement a constant, and give values as parameters (`?`, `$1`, `:name`)."
)

_SQL = re.compile(
    r"\s*(?:SELECT\s[^;]{0,5000}?\b(?:FROM|WHERE)\b|SELECT\s+[\d'*@:]|INSERT\s+INTO\s|UPDATE\s+\S+\s+SET\b|DELETE\s+FROM\s"
    r"|WITH\s+(?:RECURSIVE\s+)?\w+\s*(?:\([^)]*\)\s*)?AS\s*(?:NOT\s+)?(?:MATERIALIZED\s*)?\(|(?:CREATE|ALTER|DROP|TRUNCATE)\s+(?:\w+\s+){0,3}?(?:TABLE|VIEW|INDEX)\s)",
    re.IGNORECASE | re.DOTALL,
)


def looks_like_sql(text: str) -> bool:
    """Whether it begins as SQL does: `update` alone is a word of English."""
    return _SQL.match(text) is not None
