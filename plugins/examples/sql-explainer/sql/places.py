"""Lines and columns, as editors count them: from 0, columns in UTF-16 code units."""

import re
from bisect import bisect_right


def _units(text: str) -> int:
    return len(text) + sum(char > "\uffff" for char in text)


class Places:
    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", text))]

    def at(self, offset: int) -> tuple[int, int]:
        """Line and column of a character."""
        line = bisect_right(self._lines, offset) - 1
        return line, _units(self._text[self._lines[line] : offset])

    def between(self, start: tuple[int, int], end: tuple[int, int]) -> str:
        """What is between two places."""
        return self._text[self._offset(*start) : self._offset(*end)]

    def _offset(self, line: int, column: int) -> int:
        if line >= len(self._lines):
            return len(self._text)
        at = self._lines[line]
        while column > 0 and at < len(self._text):
            column -= _units(self._text[at])
            at += 1
        return at
