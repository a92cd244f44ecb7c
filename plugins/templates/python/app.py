"""Greets people, and takes spaces from the ends of lines.

A class for each interface that plugin.toml offers, named like it in PascalCase; its functions are those of
wit/deps/coditect-plugin/exports.wit. To answer with an error, raise Err(types.Error_...(text)). Import everything up here: modules are
loaded when the component is built, and there is no file system when it runs.
"""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import commands
from wit_world.imports import log, settings, types


class Commands(exports.Commands):
    def run(self, command: str, context: types.Context) -> commands.Outcome:
        if command != "greet":
            raise Err(types.Error_NotFound(f"There is no command {command}."))
        name = json.loads(settings.get("name"))
        log.write(log.Level.INFO, f"greeted {name}")
        return commands.Outcome(message=f"Hello, {name}!", edits=[], open_view=None)


class Formatters(exports.Formatters):
    def format(self, document: types.Document, range, options) -> list[types.TextEdit]:
        edits = []
        for number, line in enumerate(document.text.split("\n")):
            kept = line.rstrip()
            if kept != line:
                start = types.Position(line=number, column=columns(kept))
                end = types.Position(line=number, column=columns(line))
                edits.append(types.TextEdit(range=types.Range(start=start, end=end), text=""))
        return edits


def columns(text: str) -> int:
    """Columns count UTF-16 code units: two for what is beyond the first plane, one for all else."""
    return sum(2 if ord(character) > 0xFFFF else 1 for character in text)
