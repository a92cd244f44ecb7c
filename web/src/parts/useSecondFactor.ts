import { useEffect, useState } from 'react';
import type { Problem } from '../logic/problem';
import { shell } from '../shell';

/** What the server says where it wants a code. Somebody may have set the second factor up in another window meanwhile. */
const WANTS_CODE = new Set(['auth.second_factor_missing', 'auth.second_factor_wrong']);

/** Whether the person has a second factor, so that a form asks for a code of it; `problem` is what the server said to the form. */
export function useSecondFactor(problem: Problem | undefined): boolean {
    const [enabled, setEnabled] = useState(false);
    useEffect(() => {
        let shown = true;
        // Where it cannot be told, the form goes by what the server says to it.
        shell().then(rust => rust.secondFactor()).then(status => { if (shown) { setEnabled(status.enabled); } }, () => undefined);
        return () => { shown = false; };
    }, []);
    useEffect(() => { if (problem && WANTS_CODE.has(problem.code)) { setEnabled(true); } }, [problem]);
    return enabled;
}
