"""SQL as words: enough of the common dialects to find one's way, and nothing that can fail."""

import re
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    WORD = "word"
    QUOTED = "quoted name"
    STRING = "string"
    NUMBER = "number"
    PARAMETER = "parameter"
    SYMBOL = "symbol"


@dataclass(frozen=True, slots=True)
class Token:
    kind: Kind
    text: str
    start: int
    """Of its first character in the text."""

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    def is_word(self, *words: str) -> bool:
        return self.kind is Kind.WORD and self.text.upper() in words

    def is_symbol(self, *symbols: str) -> bool:
        return self.kind is Kind.SYMBOL and self.text in symbols


_PATTERN = re.compile(
    r"""
    (?P<skip>\s+|--[^\n]*)
  | (?P<comment>/\*)
  | (?P<string>[NEBX]?'(?:[^'\\]|''|\\.)*(?:'|\Z))
  | (?P<dollar>\$(?:[A-Za-z_]\w*)?\$)
  | (?P<quoted>"(?:[^"]|"")*(?:"|\Z)|`[^`]*(?:`|\Z)|\[[A-Za-z_][\w ]*\])
  | (?P<parameter>\?|\$\d+|:[A-Za-z_]\w*|@@?[A-Za-z_]\w*|%\([A-Za-z_]\w*\)s|%s|\{[^{}\n]*\})
  | (?P<number>\d+(?:\.\d*)?(?:e[+-]?\d+)?|\.\d+)
  | (?P<word>[^\W\d]\w*)
  | (?P<symbol>\|\||::|<>|!=|<=|>=|:=|->>?|.)
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_KINDS = {
    "string": Kind.STRING,
    "quoted": Kind.QUOTED,
    "parameter": Kind.PARAMETER,
    "number": Kind.NUMBER,
    "word": Kind.WORD,
    "symbol": Kind.SYMBOL,
}


def tokens(text: str) -> list[Token]:
    """All of them but comments and blanks. What is not closed ends with the text."""
    found: list[Token] = []
    at = 0
    while match := _PATTERN.match(text, at):
        group = match.lastgroup or "symbol"
        end = match.end()
        if group == "comment":
            end = _end_of_comment(text, at)
        elif group == "dollar":
            close = text.find(match.group(), end)
            end = len(text) if close < 0 else close + len(match.group())
            found.append(Token(Kind.STRING, text[at:end], at))
        elif group != "skip":
            found.append(Token(_KINDS[group], match.group(), at))
        at = end
    return found


def _end_of_comment(text: str, at: int) -> int:
    """Comments can lie within each other."""
    depth = 0
    for match in re.compile(r"/\*|\*/").finditer(text, at):
        depth += 1 if match.group() == "/*" else -1
        if depth == 0:
            return match.end()
    return len(text)


def statements(all_tokens: list[Token]) -> list[list[Token]]:
    """What is between semicolons outside of brackets."""
    found: list[list[Token]] = [[]]
    depth = 0
    for token in all_tokens:
        depth += token.is_symbol("(") - token.is_symbol(")")
        if token.is_symbol(";") and depth <= 0:
            found.append([])
            depth = 0
        else:
            found[-1].append(token)
    return [statement for statement in found if statement]


def closing(group: list[Token], opening: int) -> int:
    """Where the bracket at `opening` is closed: an index, or the length where it is not."""
    depth = 0
    for index in range(opening, len(group)):
        depth += group[index].is_symbol("(") - group[index].is_symbol(")")
        if depth == 0:
            return index
    return len(group)


def split(group: list[Token], symbol: str = ",") -> list[list[Token]]:
    """Parts between commas outside of brackets."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in group:
        depth += token.is_symbol("(") - token.is_symbol(")")
        if depth == 0 and token.is_symbol(symbol):
            parts.append([])
        else:
            parts[-1].append(token)
    return [part for part in parts if part]


def written(group: list[Token]) -> str:
    """As one line, with blanks where people put them."""
    line = ""
    before: Token | None = None
    for token in group:
        if before is not None and not _is_tight(before, token):
            line += " "
        line += " ".join(token.text.split()) if token.kind is not Kind.STRING else token.text
        before = token
    return line


def _is_tight(before: Token, token: Token) -> bool:
    if token.is_symbol(",", ")", ".", "::") or before.is_symbol("(", ".", "::"):
        return True
    is_call = before.kind in (Kind.WORD, Kind.QUOTED) and before.end == token.start
    return token.is_symbol("(") and is_call
