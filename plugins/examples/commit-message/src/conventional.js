// Conventional Commits 1.0.0: reading messages, and saying what is wrong with them.

/** `type(scope)!: description` */
const HEADER = /^([A-Za-z][A-Za-z0-9-]*)(?:\(([^()]*)\))?(!)?(: ?)(.*)$/u;
/** `Token: value`, `Token #value`, and the one token that may have a space. */
const FOOTER = /^(BREAKING CHANGE|[A-Za-z][A-Za-z0-9-]*)(?:: | (?=#))(.*)$/u;
/** Messages that git or the forge writes by itself. */
const BY_MACHINE = /^(?:Merge |Revert "|fixup! |squash! |amend! )/u;

/**
 * @typedef {{ token: string, value: string }} Footer
 * @typedef {{ type: string, scope: string | null, breaking: boolean, description: string, body: string, footers: Footer[] }} Message
 * @typedef {{ types: string[], headerLength: number }} Rules
 * @typedef {{ severity: 'error' | 'warning', line: number, text: string }} Fault  `line` counts from 1
 */

/** The message as git keeps it: without comments, trailing blanks, and empty lines at both ends. */
export function cleaned(text) {
  const lines = text.replace(/\r\n?/gu, '\n').split('\n');
  const scissors = lines.findIndex((line) => /^# -+ >8 -+/u.test(line));
  const kept = scissors < 0 ? lines : lines.slice(0, scissors);
  return kept.filter((line) => !line.startsWith('#')).map((line) => line.trimEnd()).join('\n').trim();
}

/** @returns {Message | null} none where the first line is no header */
export function parse(message) {
  const [first, ...rest] = message.split('\n');
  const header = HEADER.exec(first);
  if (header === null) return null;
  const [, type, scope = null, mark, , description] = header;
  const { body, footers } = bodyAndFooters(rest);
  const breaking = mark !== undefined || footers.some(({ token }) => isBreaking(token));
  return { type, scope, breaking, description: description.trim(), body, footers };
}

/** Footers are the last paragraph, where it begins with one; lines that are none belong to the one before them. */
function bodyAndFooters(lines) {
  const text = lines.join('\n').trim();
  const paragraphs = text === '' ? [] : text.split(/\n{2,}/u);
  const last = paragraphs.at(-1);
  if (last === undefined || !FOOTER.test(last.split('\n')[0])) return { body: text, footers: [] };
  /** @type {Footer[]} */
  const footers = [];
  for (const line of last.split('\n')) {
    const footer = FOOTER.exec(line);
    if (footer !== null) footers.push({ token: footer[1], value: footer[2] });
    else footers[footers.length - 1].value += `\n${line}`;
  }
  return { body: paragraphs.slice(0, -1).join('\n\n'), footers };
}

function isBreaking(token) {
  return token === 'BREAKING CHANGE' || token === 'BREAKING-CHANGE';
}

/** What is wrong with a message. @param {Rules} rules @returns {Fault[]} */
export function faults(message, rules) {
  if (message === '') return [fault('error', 1, 'The message is empty.')];
  const lines = message.split('\n');
  if (BY_MACHINE.test(lines[0])) return [];
  return [...headerFaults(lines[0], rules), ...restFaults(lines)];
}

function headerFaults(line, rules) {
  const header = HEADER.exec(line);
  if (header === null) {
    return [fault('error', 1, 'The first line must be written `type(scope): description`, such as `fix(parser): accept empty lists`.')];
  }
  const [, type, scope, , separator, description] = header;
  const found = [];
  if (!rules.types.includes(type)) found.push(typeFault(type, rules.types));
  if (scope !== undefined && scope.trim() === '') found.push(fault('error', 1, 'The scope is empty: name one, or leave out `()`.'));
  if (separator !== ': ') found.push(fault('error', 1, 'After the colon there must be a space.'));
  if (description.trim() === '') found.push(fault('error', 1, 'The description is missing.'));
  if (description.endsWith('.')) found.push(fault('warning', 1, 'The description should not end with a full stop.'));
  if (/^\p{Lu}\p{Ll}/u.test(description)) found.push(fault('warning', 1, 'The description should begin in lower case.'));
  const length = [...line].length;
  if (length > rules.headerLength) {
    found.push(fault('error', 1, `The first line has ${length} characters; at most ${rules.headerLength} are allowed.`));
  }
  return found;
}

function typeFault(type, types) {
  const lower = type.toLowerCase();
  const text = types.includes(lower)
    ? `Types are written in lower case: \`${lower}\`.`
    : `\`${type}\` is no known type. Known are: ${types.join(', ')}.`;
  return fault('error', 1, text);
}

function restFaults(lines) {
  const found = [];
  if (lines.length > 1 && lines[1] !== '') found.push(fault('error', 2, 'Between the first line and the body there must be an empty line.'));
  lines.forEach((line, index) => {
    if (index > 0 && /^breaking[ -]change\s*:/iu.test(line) && !/^BREAKING[ -]CHANGE: ./u.test(line)) {
      found.push(fault('error', index + 1, 'A breaking change is written `BREAKING CHANGE: what breaks`, in capitals.'));
    }
  });
  return found;
}

function fault(severity, line, text) {
  return { severity, line, text };
}

/** As a list for people and for models. @param {Fault[]} found */
export function told(found) {
  if (found.length === 0) return 'The message follows Conventional Commits.';
  return found.map(({ severity, line, text }) => `- ${severity === 'error' ? 'Error' : 'Warning'}, line ${line}: ${text}`).join('\n');
}
