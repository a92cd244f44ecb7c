import type { Problem } from '../logic/problem';

interface Props {
    problem: Problem | undefined;
    id?: string;
    /** A way out. */
    action?: { label: string; run: () => void };
}

/** What went wrong, read out at once, with the code for whoever is asked for help. */
export function ProblemNote({ problem, id, action }: Props) {
    return (
        <div role="alert" id={id} className="problem-slot">
            {problem && (
                <p className="problem">
                    <span>{problem.message}</span> <code>{problem.code}</code>
                    {action && <> <button type="button" className="link" onClick={action.run}>{action.label}</button></>}
                </p>
            )}
        </div>
    );
}
