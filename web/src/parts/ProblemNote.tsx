import type { ReactNode } from 'react';
import { loginPath } from '../logic/links';
import { isLoggedOut, type Problem } from '../logic/problem';
import { Link } from './router';

interface Props {
    problem: Problem | undefined;
    id?: string;
    /** A way out. */
    action?: { label: string; run: () => void } | undefined;
    /** A way out by a link. */
    children?: ReactNode;
}

/** What went wrong, read out at once, with the code for whoever is asked for help. */
export function ProblemNote({ problem, id, action, children }: Props) {
    return (
        <div role="alert" id={id} className="problem-slot">
            {problem && (
                <p className="problem">
                    <span>{problem.message}</span> <code>{problem.code}</code>
                    {action && <> <button type="button" className="link" onClick={action.run}>{action.label}</button></>}
                    {isLoggedOut(problem) && <> <Link href={loginPath(location)}>Log in</Link></>}
                    {children && <> {children}</>}
                </p>
            )}
        </div>
    );
}
