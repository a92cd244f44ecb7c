import { useEffect } from 'react';
import { faultyField } from '../logic/faults';
import type { Problem } from '../logic/problem';

/**
 * Leads the focus to the field that a problem is about; answers for each of the form's fields the id of the note that tells what is wrong
 * with it, if something is.
 */
export function useFault<Id extends string>(problem: Problem | undefined, note: string, fields: readonly Id[]): (field: Id) => string | undefined {
    const faulty = faultyField(problem?.code, fields);
    useEffect(() => {
        const field = faulty && document.getElementById(faulty);
        if (field instanceof HTMLInputElement) {
            field.focus();
        }
    }, [problem, faulty]);
    return field => field === faulty ? note : undefined;
}
