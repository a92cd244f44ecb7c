"""Finding SQL: in what people write, and in the strings of programs."""

import re
from dataclasses import dataclass

from .faults import INJECTION, Fault, looks_like_sql

_FENCE = re.compile(r"```[^\n`]*\n(.*?)(?:```|\Z)", re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_STATEMENT_WORD = re.compile(r"\b(?:SELECT|INSERT|UPDATE|DELETE|WITH|CREATE|ALTER|DROP|TRUNCATE)\b", re.IGNORECASE)
_LITERAL = re.compile(
    r"""(?P<prefix>\b[A-Za-z]{1,2}|[$@]{1,2})?
    (?: (?P<long>\"{3}|'{3}|`)(?P<text>(?:\\.|(?!(?P=long)).)*)(?P=long)
      | (?P<quote>["'])(?P<line>(?:\\.|(?!(?P=quote))[^\n\\])*)(?P=quote) )""",
    re.VERBOSE | re.DOTALL,
)
_INTERPOLATED = re.compile(r"\$\{|\$[A-Za-z_]|\#\{")
_FORMAT = re.compile(r"\s*(?:%(?!\w*\s*=)\s*[\w(\[{]|\.\s*(?:format|formatted|concat)\s*\()")
_JOINED = re.compile(r"\s*(?:\+|\.(?=\s*[$\"'])|\|\|)\s*")


@dataclass(frozen=True, slots=True)
class Literal:
    """SQL in a string of a program."""

    text: str
    start: int
    end: int
    is_assembled: bool


def in_question(text: str) -> list[str]:
    """Code that a person wrote into a question, or the question from its first statement on."""
    for pattern in (_FENCE, _SPAN):
        found = [match.group(1) for match in pattern.finditer(text)]
        if found := [code for code in found if looks_like_sql(code)]:
            return found
    for word in _STATEMENT_WORD.finditer(text):
        rest = text[word.start() :]
        if looks_like_sql(rest):
            return [rest.rstrip().rstrip("?")]
    return []


def in_program(text: str) -> list[Literal]:
    """Strings that hold SQL."""
    found = []
    for match in _LITERAL.finditer(text):
        body = match.group("text") if match.group("long") else match.group("line")
        if looks_like_sql(body):
            found.append(Literal(body, match.start(), match.end(), _is_assembled(match, body, text)))
    return found


def assembled(text: str) -> list[Fault]:
    """SQL that a program puts together from pieces."""
    return [Fault("injection", True, INJECTION, one.start, one.end) for one in in_program(text) if one.is_assembled]


def _is_assembled(match: re.Match[str], body: str, text: str) -> bool:
    prefix = (match.group("prefix") or "").lower()
    is_template = "f" in prefix or "$" in prefix
    if is_template and re.search(r"\{[^{}]", body):
        return True
    quote = match.group("long") or match.group("quote")
    if quote != "'" and _INTERPOLATED.search(body):
        return True
    return _is_continued(text, match.end())


def _is_continued(text: str, at: int) -> bool:
    """By something that is no constant: constants put together are a constant."""
    if _FORMAT.match(text, at):
        return True
    while joined := _JOINED.match(text, at):
        literal = _LITERAL.match(text, joined.end())
        if literal is None:
            return True
        at = literal.end()
    return False
