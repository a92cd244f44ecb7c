"""What each clause of a statement does, in plain words, as Markdown."""

from collections.abc import Callable

from .clauses import Clause, Statement, is_query, read
from .tokens import Kind, Token, closing, split, written

MAX_DEPTH = 5
"""Of queries within queries that are explained on their own."""
MAX_CODE_CHARS = 200
"""Of a piece of SQL within a sentence."""


def explain(statement: Statement, depth: int = 0) -> list[str]:
    """Lines of a list; queries within it are lists within the list."""
    lines: list[str] = []
    for name, body in statement.tables:
        lines += _item(f"`WITH` — {_code(name)} stands for a query of its own:", _inner(body, depth))
    for clause in statement.clauses:
        lines += _clause(clause, statement, depth)
    return lines


def _item(text: str, below: list[str] | None = None) -> list[str]:
    return [f"- {text}", *(f"  {line}" for line in below or [])]


def _inner(body: list[Token], depth: int) -> list[str]:
    if depth >= MAX_DEPTH:
        return _item(_code(written(body)))
    return explain(read(body), depth + 1)


def _code(text: str) -> str:
    text = " ".join(text.split())
    text = text if len(text) <= MAX_CODE_CHARS else f"{text[: MAX_CODE_CHARS - 1]}…"
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def _listed(group: list[Token]) -> str:
    return ", ".join(_code(written(part)) for part in split(group))


def _clause(clause: Clause, statement: Statement, depth: int) -> list[str]:
    if clause.head.endswith("JOIN"):
        text, below = _join(clause)
    elif known := _KNOWN.get(clause.head):
        text, below = known(clause.body, statement)
    else:
        text, below = f"the rest of the statement: {_code(written(clause.body))}" if clause.body else "nothing more", []
    return _item(f"`{clause.head}` — {text}", below + _queries(clause.body, depth))


def _queries(body: list[Token], depth: int) -> list[str]:
    """Queries in brackets, explained on their own."""
    lines: list[str] = []
    at = 0
    while at < len(body):
        if body[at].is_symbol("(") and is_query(body[at + 1 : at + 2]):
            end = closing(body, at)
            lines += _item("the query in brackets:", _inner(body[at + 1 : end], depth))
            at = end
        at += 1
    return lines


_Explained = tuple[str, list[str]]


def _select(body: list[Token], _: Statement) -> _Explained:
    columns = split(body)
    if len(columns) == 1 and columns[0] and columns[0][-1].is_symbol("*"):
        return "gives back every column there is", []
    how_many = "one column" if len(columns) == 1 else f"{len(columns)} columns"
    lines = [line for column in columns for line in _item(_column(column))]
    return f"gives back {how_many}:", lines


_AGGREGATES = {"COUNT": "how many", "SUM": "the sum", "AVG": "the average", "MIN": "the smallest", "MAX": "the largest"}


def _column(column: list[Token]) -> str:
    expression, name = _named(column)
    text = _code(written(expression))
    first = expression[0].text.upper()
    if first in _AGGREGATES and len(expression) > 1 and expression[1].is_symbol("("):
        whole = any(token.is_word("OVER") for token in expression)
        text += f" ({_AGGREGATES[first]}{', beside each row' if whole else ''})"
    elif first == "CASE":
        text += " (one of several values, by condition)"
    return f"{text}, called {_code(name)}" if name else text


def _named(part: list[Token]) -> tuple[list[Token], str | None]:
    """`expression AS name`, or `expression name`."""
    if len(part) >= 3 and part[-2].is_word("AS"):
        return part[:-2], part[-1].text
    before_is_name = len(part) >= 2 and (part[-2].kind in (Kind.WORD, Kind.QUOTED) or part[-2].is_symbol(")"))
    if before_is_name and part[-1].kind in (Kind.WORD, Kind.QUOTED) and not part[-1].is_word("END", "NULL"):
        return part[:-1], part[-1].text
    return part, None


def _table(part: list[Token]) -> str:
    expression, name = _named(part)
    of = "a query of its own" if expression and expression[0].is_symbol("(") else _code(written(expression))
    return f"{of} (called {_code(name)})" if name else of


def _from(body: list[Token], _: Statement) -> _Explained:
    tables = [_table(part) for part in split(body)]
    if len(tables) == 1:
        return f"reads from {tables[0]}", []
    return f"reads from {', '.join(tables)}: every row of each with every row of the others, unless `WHERE` says which", []


_JOINS = {
    "LEFT": "rows without a partner stay, with NULL for its columns",
    "RIGHT": "its rows without a partner come too, with NULL for the other columns",
    "FULL": "rows without a partner stay on both sides, with NULL for the missing columns",
    "CROSS": "every row with every row",
    "NATURAL": "where all columns with the same names are equal",
}


def _join(clause: Clause) -> _Explained:
    body = clause.body
    at = next((index for index, token in enumerate(body) if token.is_word("ON", "USING")), len(body))
    text = f"adds {_table(body[:at])}" if at else "adds a table"
    how = next((told for word, told in _JOINS.items() if word in clause.head), "only rows that have a partner stay")
    below = []
    if at < len(body) and body[at].is_word("ON"):
        below = _conditions(body[at + 1 :])
        return f"{text}; {how}. Rows are partners where:", below
    if at < len(body):
        return f"{text}; {how}. Rows are partners where {_code(written(body[at + 1 :]))} is equal", []
    return f"{text}; {how}", []


def _conditions(body: list[Token]) -> list[str]:
    """Parts between `AND`, but for the one of `BETWEEN … AND …`."""
    parts: list[list[Token]] = [[]]
    depth, is_between, has_or = 0, False, False
    for token in body:
        depth += token.is_symbol("(") - token.is_symbol(")") + token.is_word("CASE") - token.is_word("END")
        is_between = is_between or (depth == 0 and token.is_word("BETWEEN"))
        has_or = has_or or (depth == 0 and token.is_word("OR"))
        if depth == 0 and token.is_word("AND") and not is_between:
            parts.append([])
            continue
        is_between = is_between and not token.is_word("AND")
        parts[-1].append(token)
    if has_or:
        # `AND` binds stronger: parts between `AND` would tell it wrongly.
        return _item(f"{_code(written(body))} (`AND` counts before `OR`)")
    return [line for part in parts if part for line in _item(_code(written(part)))]


def _where(body: list[Token], statement: Statement) -> _Explained:
    verb = {"UPDATE": "changes", "DELETE": "deletes"}.get(statement.verb, "keeps")
    return f"{verb} only rows for which:", _conditions(body)


def _order(body: list[Token], _: Statement) -> _Explained:
    parts = []
    for part in split(body):
        is_down = any(token.is_word("DESC") for token in part)
        plain = [token for token in part if not token.is_word("ASC", "DESC")]
        parts.append(f"{_code(written(plain))}{', largest first' if is_down else ''}")
    return f"sorts by {'; then by '.join(parts)}", []


def _set(body: list[Token], statement: Statement) -> _Explained:
    if statement.verb == "SET":
        return f"sets {_code(written(body))}", []
    return "gives these columns new values:", [line for part in split(body) for line in _item(_code(written(part)))]


def _values(body: list[Token], _: Statement) -> _Explained:
    rows = split(body)
    return ("with one row: " if len(rows) == 1 else f"with {len(rows)} rows, the first: ") + _code(written(rows[0] if rows else [])), []


def _create(body: list[Token], _: Statement) -> _Explained:
    opening = next((index for index, token in enumerate(body) if token.is_symbol("(")), len(body))
    head, inner = body[:opening], body[opening + 1 : closing(body, opening)]
    is_table = any(token.is_word("TABLE") for token in head) and opening < len(body)
    if not is_table:
        return f"makes {_code(written(body))}", []
    return f"makes {_code(written(head))} with:", [line for part in split(inner) for line in _item(_code(written(part)))]


def _said(before: str, after: str = "") -> Callable[[list[Token], Statement], _Explained]:
    return lambda body, _: (f"{before} {_listed(body)}{after}" if body else before.rstrip(":"), [])


def _insert(body: list[Token], _: Statement) -> _Explained:
    opening = next((index for index, token in enumerate(body) if token.is_symbol("(")), len(body))
    columns = _listed(body[opening + 1 : closing(body, opening)]) if opening < len(body) else ""
    return f"adds rows to {_code(written(body[:opening]))}{f', with values for {columns}' if columns else ''}", []


_KNOWN: dict[str, Callable[[list[Token], Statement], _Explained]] = {
    "SELECT": _select,
    "SELECT DISTINCT": lambda body, statement: (f"leaves out doubles, and {_select(body, statement)[0]}", _select(body, statement)[1]),
    "FROM": _from,
    "USING": _from,
    "WHERE": _where,
    "GROUP BY": _said("puts rows together into one for each value of"),
    "HAVING": lambda body, _: ("keeps only groups for which:", _conditions(body)),
    "ORDER BY": _order,
    "LIMIT": _said("gives back at most this many rows:"),
    "FETCH": _said("gives back only:"),
    "OFFSET": _said("leaves out this many rows first:"),
    "UNION": _said("together with the rows of the next query, doubles left out"),
    "UNION ALL": _said("together with the rows of the next query, doubles and all"),
    "INTERSECT": _said("only rows that the next query gives too"),
    "EXCEPT": _said("without rows that the next query gives"),
    "MINUS": _said("without rows that the next query gives"),
    "INSERT": _insert,
    "INSERT INTO": _insert,
    "REPLACE INTO": _insert,
    "VALUES": _values,
    "UPDATE": lambda body, _: (f"changes rows of {_table(body)}", []),
    "SET": _set,
    "DELETE": lambda body, _: ("deletes rows", []) if not body else (f"deletes rows of {_table(body)}", []),
    "DELETE FROM": lambda body, _: (f"deletes rows of {_table(body)}", []),
    "RETURNING": _said("gives back, of each row that was changed,"),
    "ON CONFLICT": lambda body, _: (f"where such a row is there already: {_code(written(body))}", []),
    "ON DUPLICATE": lambda body, _: (f"where such a row is there already: {_code(written(body))}", []),
    "FOR UPDATE": _said("locks the rows until the transaction ends, for whoever wants to change them"),
    "FOR SHARE": _said("keeps others from changing the rows until the transaction ends"),
    "CREATE": _create,
    "ALTER": lambda body, _: (f"changes {_code(written(body))}", []),
    "DROP": lambda body, _: (f"removes {_code(written(body))}, with all that is in it", []),
    "TRUNCATE": lambda body, _: (f"removes every row of {_code(written(body))}", []),
    "BEGIN": _said("begins a transaction"),
    "COMMIT": _said("makes all changes of the transaction last"),
    "ROLLBACK": _said("undoes all changes of the transaction"),
    "EXPLAIN": lambda body, _: (f"tells how the database would run {_code(written(body))}", []),
}
