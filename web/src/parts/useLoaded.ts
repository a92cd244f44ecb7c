import { useCallback, useEffect, useRef, useState } from 'react';
import { loginPath } from '../logic/links';
import { isLoggedOut, problemOf, type Problem } from '../logic/problem';
import { navigate } from './router';

/** Who is not logged in is led to the login, and back afterwards. */
export function leaveForLogin(): void {
    navigate(loginPath(location), { replace: true });
}

interface Loaded<T> {
    value: T | undefined;
    problem: Problem | undefined;
    reload: () => void;
    /** Shows at once what a person did; no answer that was asked for before undoes it. */
    change: (edit: (value: T) => T) => void;
}

/** Something that the server knows, loaded once and whenever asked for; leads to the login when it turns out that nobody is logged in. */
export function useLoaded<T>(load: () => Promise<T>): Loaded<T> {
    const [value, setValue] = useState<T>();
    const [problem, setProblem] = useState<Problem>();
    const how = useRef(load);
    how.current = load;
    /** Counts what was asked and done: only the answer to the latest is shown. */
    const turn = useRef(0);

    const reload = useCallback(() => {
        turn.current += 1;
        const mine = turn.current;
        how.current().then(loaded => {
            if (mine === turn.current) {
                setValue(() => loaded);
                setProblem(undefined);
            }
        }, (error: unknown) => {
            if (mine !== turn.current) {
                return;
            }
            const found = problemOf(error);
            if (isLoggedOut(found)) {
                leaveForLogin();
            } else {
                setProblem(found);
            }
        });
    }, []);
    const change = useCallback((edit: (value: T) => T) => {
        turn.current += 1;
        setValue(now => now === undefined ? now : edit(now));
    }, []);

    useEffect(() => {
        reload();
        return () => { turn.current += 1; };
    }, [reload]);
    return { value, problem, reload, change };
}
