import type { PersonEntry } from 'coditect-shell';
import { shell } from '../shell';
import { useLoaded } from './useLoaded';

/** Most people that are listed to choose from; one that is not listed is shown by their identifier. */
const MAX_PEOPLE = 2_000;

/** Everybody with an account, for admins to choose from. */
export function usePeople() {
    return useLoaded<PersonEntry[]>(async () => {
        const rust = await shell();
        const all: PersonEntry[] = [];
        let after: string | undefined;
        do {
            const { people, next } = await rust.listPeople(after);
            all.push(...people);
            after = next ?? undefined;
        } while (after !== undefined && all.length < MAX_PEOPLE);
        return all;
    });
}
