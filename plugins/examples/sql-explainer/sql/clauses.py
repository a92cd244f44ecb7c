"""Statements as clauses: `SELECT …`, `FROM …`, `LEFT JOIN …`, each with what stands in it."""

from dataclasses import dataclass

from .tokens import Kind, Token, closing

_JOIN_WORDS = ("INNER", "LEFT", "RIGHT", "FULL", "CROSS", "NATURAL", "OUTER", "LATERAL", "STRAIGHT_JOIN")
_STATEMENTS = (
    "SELECT INSERT REPLACE UPDATE DELETE MERGE CREATE ALTER DROP TRUNCATE GRANT REVOKE BEGIN START COMMIT ROLLBACK EXPLAIN ANALYZE "
    "EXEC EXECUTE CALL VALUES SAVEPOINT USE SHOW VACUUM LOCK DECLARE SET"
).split()
_TWO_WORDS = {
    ("GROUP", "BY"), ("ORDER", "BY"), ("PARTITION", "BY"), ("INSERT", "INTO"), ("REPLACE", "INTO"), ("DELETE", "FROM"),
    ("ON", "CONFLICT"), ("ON", "DUPLICATE"), ("FOR", "UPDATE"), ("FOR", "SHARE"), ("MERGE", "INTO"), ("SELECT", "DISTINCT"),
    ("UNION", "ALL"), ("EXCEPT", "ALL"), ("INTERSECT", "ALL"),
}  # fmt: skip
_HEADS = {
    "FROM", "WHERE", "HAVING", "WINDOW", "QUALIFY", "LIMIT", "OFFSET", "FETCH", "UNION", "EXCEPT", "INTERSECT", "MINUS",
    "VALUES", "SELECT", "SET", "RETURNING", "USING", "WHEN",
}  # fmt: skip
_WITHOUT_CLAUSES = ("CREATE", "ALTER", "DROP", "GRANT", "REVOKE", "SET", "SHOW", "DECLARE")
_QUERIES = ("SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "VALUES")


@dataclass(frozen=True, slots=True)
class Clause:
    head: str
    """In capitals: `SELECT`, `GROUP BY`, `LEFT JOIN` …"""
    at: Token
    """The first word of it."""
    body: list[Token]


@dataclass(frozen=True, slots=True)
class Statement:
    tokens: list[Token]
    tables: list[tuple[str, list[Token]]]
    """`WITH name AS (…)`: what is within the brackets."""
    clauses: list[Clause]

    @property
    def verb(self) -> str:
        return self.clauses[0].head.split()[0] if self.clauses else ""

    def find(self, *heads: str) -> list[Clause]:
        return [clause for clause in self.clauses if clause.head in heads]


def is_query(group: list[Token]) -> bool:
    """Whether a group in brackets is a statement of its own."""
    return bool(group) and group[0].is_word("SELECT", "WITH", "VALUES")


def read(group: list[Token]) -> Statement:
    """A statement. What is no SQL has no clauses."""
    if group and group[0].is_symbol("("):
        end = closing(group, 0)
        group = group[1:end] + group[end + 1 :]
    tables, at = _common_tables(group)
    clauses: list[Clause] = []
    while at < len(group):
        if clauses and group[at].is_symbol("("):
            # What is in brackets belongs to the clause, whatever words are in it.
            end = closing(group, at) + 1
            clauses[-1].body.extend(group[at:end])
            at = end
            continue
        head, begins = _head(group, at, clauses)
        if head is not None:
            clauses.append(Clause(head, group[at], []))
        elif clauses:
            clauses[-1].body.append(group[at])
        else:
            break
        at = begins if head is not None else at + 1
    return Statement(group, tables, clauses)


def _common_tables(group: list[Token]) -> tuple[list[tuple[str, list[Token]]], int]:
    """`WITH [RECURSIVE] name [(columns)] AS [[NOT] MATERIALIZED] (…), …`, and where the rest begins."""
    if not group or not group[0].is_word("WITH"):
        return [], 0
    tables, at = [], 1
    if at < len(group) and group[at].is_word("RECURSIVE"):
        at += 1
    while at < len(group) and not group[at].is_word(*_QUERIES):
        name = group[at].text
        while at < len(group) and not group[at].is_word("AS", *_QUERIES):
            at = closing(group, at) + 1 if group[at].is_symbol("(") else at + 1
        while at < len(group) and not group[at].is_symbol("("):
            if group[at].is_word(*_QUERIES):
                return tables, at
            at += 1
        end = closing(group, at)
        tables.append((name, group[at + 1 : end]))
        at = end + 1
        if at < len(group) and group[at].is_symbol(","):
            at += 1
    return tables, at


def _head(group: list[Token], at: int, before: list[Clause]) -> tuple[str | None, int]:
    """The head that begins at `at`, and where its body does."""
    token = group[at]
    if token.kind is not Kind.WORD or (at > 0 and group[at - 1].is_symbol(".")):
        return None, at
    word = token.text.upper()
    following = group[at + 1].text.upper() if at + 1 < len(group) else ""
    if not before:
        is_first = word in _STATEMENTS
        if (word, following) in _TWO_WORDS and is_first:
            return f"{word} {following}", at + 2
        return (word, at + 1) if is_first else (None, at)
    if before[0].head in _WITHOUT_CLAUSES and word != "SELECT":
        return None, at
    if word in _JOIN_WORDS or word == "JOIN":
        return _join(group, at)
    if (word, following) in _TWO_WORDS:
        return f"{word} {following}", at + 2
    is_head = word in _HEADS and not (word == "FROM" and group[at - 1].is_word("DISTINCT"))
    return (word, at + 1) if is_head else (None, at)


def _join(group: list[Token], at: int) -> tuple[str | None, int]:
    """`LEFT OUTER JOIN`; the words alone are names of functions: `LEFT(…)`."""
    words, end = [], at
    while end < len(group) and group[end].is_word("JOIN", *_JOIN_WORDS):
        words.append(group[end].text.upper())
        end += 1
        if words[-1] == "JOIN":
            break
    is_join = words[-1] == "JOIN" or words == ["STRAIGHT_JOIN"]
    return (" ".join(word for word in words if word != "OUTER"), end) if is_join else (None, at)

