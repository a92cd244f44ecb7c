import { useEffect, useRef, useState } from 'react';
import { problemOf, type Problem } from '../logic/problem';

interface Action {
    busy: boolean;
    problem: Problem | undefined;
    setProblem: (problem: Problem | undefined) => void;
    /** Runs it, unless it runs already. Answers whether it succeeded while it was still shown. */
    start: (run: () => Promise<void>) => Promise<boolean>;
}

/** Something that a person starts once and that may fail. `onLate` hears of a failure after what started it was closed. */
export function useAction(onLate?: (problem: Problem) => void): Action {
    const [busy, setBusy] = useState(false);
    const [problem, setProblem] = useState<Problem>();
    // Two clicks in one frame both see the state before the first.
    const running = useRef(false);
    const shown = useRef(true);
    useEffect(() => {
        shown.current = true;
        return () => { shown.current = false; };
    }, []);

    async function start(run: () => Promise<void>): Promise<boolean> {
        if (running.current) {
            return false;
        }
        running.current = true;
        setBusy(true);
        setProblem(undefined);
        try {
            await run();
            return shown.current;
        } catch (error) {
            const found = problemOf(error);
            if (shown.current) {
                setProblem(found);
            } else {
                onLate?.(found);
            }
            return false;
        } finally {
            running.current = false;
            setBusy(false);
        }
    }
    return { busy, problem, setProblem, start };
}
