import type { PersonPresent } from '../shell/shell-types';

/** Most characters of somebody's sign. */
const SIGN_CHARS = 2;

/** What others call somebody: oneself in another page is no other. */
export function nameOf(person: PersonPresent): string {
    return person.own ? 'You (in another page)' : person.name || 'Somebody';
}

/** Two letters that stand for somebody: of the first two words of the name, or of its only one. */
export function signOf(person: PersonPresent): string {
    const words = (person.name.split('@', 1)[0] ?? '').split(/[^\p{L}\p{N}]+/u).filter(word => word !== '');
    const [first = '?', second] = words;
    const letters = second === undefined ? [...first].slice(0, SIGN_CHARS) : [[...first][0], [...second][0]];
    return letters.join('').toUpperCase();
}

/** “Ada”, “Ada and Bob”, “Ada, Bob and Eve”. */
export function listed(names: readonly string[]): string {
    const last = names.at(-1) ?? '';
    return names.length < 2 ? last : `${names.slice(0, -1).join(', ')} and ${last}`;
}
