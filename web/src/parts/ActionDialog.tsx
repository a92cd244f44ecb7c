import { useEffect, type ReactNode, type SyntheticEvent } from 'react';
import type { Problem } from '../logic/problem';
import { Dialog } from './Dialog';
import { ProblemNote } from './ProblemNote';
import { SubmitButton } from './SubmitButton';
import { useAction } from './useAction';
import { useFault } from './useFault';

/** Fields that dialogues have and that a problem can be about. */
const FIELDS = ['current-password', 'code', 'login'] as const;
export type FaultOf = (field: (typeof FIELDS)[number]) => string | undefined;

interface ActionProps {
    title: string;
    label: string;
    busyLabel: string;
    className: 'primary' | 'danger';
    disabled?: boolean;
    /** What leaves everything as it was. */
    cancelLabel?: string;
    run: () => Promise<void>;
    onClose: () => void;
    /** Hears of a failure while the dialogue is shown. */
    onProblem?: (problem: Problem) => void;
    /** Hears of a failure after the dialogue was closed. */
    onLate?: (problem: Problem) => void;
    children: ReactNode | ((fault: FaultOf) => ReactNode);
}

/** A dialogue with one action that may fail; what was typed stays. */
export function ActionDialog({ title, label, busyLabel, className, disabled = false, cancelLabel = 'Keep it as it is', run, onClose, onProblem, onLate, children }: ActionProps) {
    const { busy, problem, start } = useAction(onLate);
    const fault = useFault(problem, 'dialog-problem', FIELDS);
    useEffect(() => { if (problem) { onProblem?.(problem); } }, [problem, onProblem]);
    async function submit(event: SyntheticEvent): Promise<void> {
        event.preventDefault();
        if (!disabled && await start(run)) {
            onClose();
        }
    }
    const content = typeof children === 'function' ? children(fault) : children;
    return (
        <Dialog title={title} onClose={onClose}>
            <form onSubmit={event => void submit(event)}>
                {content}
                <ProblemNote id="dialog-problem" problem={problem} />
                <footer>
                    <button type="button" onClick={onClose} data-first={(className === 'danger' && typeof children !== 'function') || undefined}>{cancelLabel}</button>
                    <SubmitButton busy={busy} busyLabel={busyLabel} className={className} disabled={disabled}>{label}</SubmitButton>
                </footer>
            </form>
        </Dialog>
    );
}
