// Greets people, and takes spaces from the ends of lines.
//
// Exports are objects named like the interfaces that plugin.toml offers, in camelCase; their functions are called like those of
// wit/deps/coditect-plugin/exports.wit. Everything is synchronous. To answer with an error, throw { tag, val } as types.wit has it.

import { write as log } from 'coditect:plugin/log@1.0.0';
import { get as setting } from 'coditect:plugin/settings@1.0.0';

/** @type {import('coditect:plugin/commands@1.0.0').Commands} */
export const commands = {
  run(command, context) {
    if (command !== 'greet') {
      throw { tag: 'not-found', val: `There is no command ${command}.` };
    }
    const name = JSON.parse(setting('name') ?? '""');
    log('info', `greeted ${name}`);
    return { message: `Hello, ${name}!`, edits: [] };
  },
};

/** @type {import('coditect:plugin/formatters@1.0.0').Formatters} */
export const formatters = {
  format(document, range, options) {
    return document.text.split('\n').flatMap((text, line) => {
      const kept = text.trimEnd().length;
      // Columns count UTF-16 code units, as texts of JavaScript do.
      const spaces = { start: { line, column: kept }, end: { line, column: text.length } };
      return kept === text.length ? [] : [{ range: spaces, text: '' }];
    });
  },
};
