// Greets people, and takes spaces from the ends of lines.
//
// Exports are objects named like the interfaces that plugin.toml offers, in camelCase; their types, and those of all that can be imported,
// are in wit/plugin.d.ts. Everything is synchronous. To answer with an error, throw one of the contract's.

import type { Commands } from 'coditect:plugin/commands@1.0.0';
import type { Formatters } from 'coditect:plugin/formatters@1.0.0';
import { write as log } from 'coditect:plugin/log@1.0.0';
import { get as setting } from 'coditect:plugin/settings@1.0.0';
import type { Error as PluginError } from 'coditect:plugin/types@1.0.0';

export const commands: Commands = {
  run(command) {
    if (command !== 'greet') {
      throw { tag: 'not-found', val: `There is no command ${command}.` } satisfies PluginError;
    }
    const name: string = JSON.parse(setting('name') ?? '""');
    log('info', `greeted ${name}`);
    return { message: `Hello, ${name}!`, edits: [] };
  },
};

export const formatters: Formatters = {
  format(document) {
    return document.text.split('\n').flatMap((text, line) => {
      const kept = text.trimEnd().length;
      // Columns count UTF-16 code units, as texts of JavaScript do.
      const spaces = { start: { line, column: kept }, end: { line, column: text.length } };
      return kept === text.length ? [] : [{ range: spaces, text: '' }];
    });
  },
};
