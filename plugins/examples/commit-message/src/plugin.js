// What the plugin offers. Everything else is in modules that know nothing of Coditect.

import { diff, log } from 'coditect:plugin/git@1.0.0';
import { write } from 'coditect:plugin/log@1.0.0';
import { ask } from 'coditect:plugin/models@1.0.0';
import { get } from 'coditect:plugin/settings@1.0.0';
import { progress } from 'coditect:plugin/ui@1.0.0';
import { cleaned, faults, told } from './conventional.js';
import { filesOf } from './patch.js';
import { guessed, written } from './propose.js';

const MAX_ANSWER_TOKENS = 800;
/** Commits whose messages are checked at once. */
const CHECKED_COMMITS = 20;
/** Whatever the setting says, a type and a few words must have room in the first line. */
const MIN_HEADER_LENGTH = 20;
/** Where a model cannot be asked for one of these reasons, the message is put together without one. */
const WITHOUT_MODEL = new Set(['denied', 'limit', 'unavailable', 'not-found']);

export const commands = {
  run(command, context) {
    return answering(() => (command === 'check' ? check(context) : propose(context)));
  },
};

export const tools = {
  call(_tool, text) {
    return answering(() => {
      const { message, hint } = objectOf(text);
      return typeof message === 'string' ? told(faults(cleaned(message), rules())) : proposal(typeof hint === 'string' ? hint : '').message;
    });
  },
};

/** The newest commits' messages, or a message that the surface gives. */
function check({ arguments: text }) {
  const { message } = objectOf(text);
  const known = rules();
  if (typeof message === 'string') return outcome(told(faults(cleaned(message), known)));
  const checked = log(CHECKED_COMMITS).map(({ id, message: of }) => ({ id, of, found: faults(cleaned(of), known) }));
  const faulty = checked.filter(({ found }) => found.length > 0);
  if (faulty.length === 0) return outcome(`${checked.length} of ${checked.length} commit messages follow Conventional Commits.`);
  return outcome(faulty.map(({ id, of, found }) => `${id.slice(0, 8)} ${of.split('\n')[0]}\n${told(found)}`).join('\n\n'));
}

function propose({ arguments: text }) {
  const { hint } = objectOf(text);
  const { message, withModel } = proposal(typeof hint === 'string' ? hint : '');
  return outcome(withModel ? message : `${message}\n\n(From the files' names alone: no model could be asked.)`);
}

/** A message for what is staged. */
function proposal(hint) {
  progress('Reading what is staged', null);
  const files = filesOf(diff(true));
  if (files.length === 0) throw { tag: 'not-found', val: 'Nothing is staged: stage what belongs into the commit first.' };
  const known = rules();
  try {
    progress('Asking a model', null);
    const message = written(files, hint, known, answerOf);
    if (message !== null) return { message, withModel: true };
    write('warn', 'The model wrote no message that follows the rules.');
  } catch (error) {
    if (!WITHOUT_MODEL.has(error.payload?.tag)) throw error;
    write('info', `Without a model: ${error.payload.val}`);
  }
  return { message: guessed(files, known), withModel: false };
}

function answerOf(messages) {
  const answer = ask({ model: null, messages, maxTokens: MAX_ANSWER_TOKENS, temperature: 0.2 });
  let text = '';
  for (let piece = answer.next(); piece != null; piece = answer.next()) text += piece;
  return text;
}

/** The person's settings. */
function rules() {
  const value = (name) => JSON.parse(get(name) ?? 'null');
  const types = String(value('types')).split(/[\s,]+/u).filter((type) => type !== '');
  if (types.length === 0) throw { tag: 'invalid', val: 'The setting "Types" names no type of change.' };
  const headerLength = Math.max(Number(value('header-length')), MIN_HEADER_LENGTH);
  return { types, headerLength, diffLength: Math.max(Number(value('diff-length')), 0) };
}

/** Arguments as they came from a model or a surface: an object, or nothing. */
function objectOf(text) {
  try {
    return Object(JSON.parse(text === '' ? '{}' : text));
  } catch {
    throw { tag: 'invalid', val: 'The arguments are no JSON.' };
  }
}

function outcome(message) {
  return { message, edits: [], openView: null };
}

/** What an import answered as its error is passed on as ours. */
function answering(work) {
  try {
    return work();
  } catch (error) {
    throw error?.payload ?? error;
  }
}
