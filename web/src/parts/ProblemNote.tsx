import type { Problem } from '../shell';

/** What went wrong, read out at once, with the code for whoever is asked for help. */
export function ProblemNote({ problem, onRetry }: { problem: Problem | undefined; onRetry?: () => void }) {
    return (
        <div aria-live="assertive" role="alert" className="problem-slot">
            {problem && (
                <p className="problem">
                    <span>{problem.message}</span> <code>{problem.code}</code>
                    {onRetry && <button type="button" className="link" onClick={onRetry}>Try again</button>}
                </p>
            )}
        </div>
    );
}
