import { useState, type ReactNode, type SyntheticEvent } from 'react';
import type { Workspace } from 'coditect-shell';
import { problemOf, shell, type Problem } from '../shell';
import { Dialog } from './Dialog';
import { ProblemNote } from './ProblemNote';

interface Props {
    workspace: Workspace;
    onClose: () => void;
    onDone: () => void;
}

interface ActionProps {
    title: string;
    label: string;
    className: string;
    disabled?: boolean;
    run: () => Promise<unknown>;
    onClose: () => void;
    onDone: () => void;
    children: ReactNode;
}

/** A dialogue with one action that may fail; what was typed stays. */
function ActionDialog({ title, label, className, disabled = false, run, onClose, onDone, children }: ActionProps) {
    const [busy, setBusy] = useState(false);
    const [problem, setProblem] = useState<Problem>();
    async function submit(event: SyntheticEvent) {
        event.preventDefault();
        setBusy(true);
        try {
            await run();
            onDone();
        } catch (error) {
            setProblem(problemOf(error));
            setBusy(false);
        }
    }
    return (
        <Dialog title={title} onClose={onClose}>
            <form onSubmit={event => void submit(event)}>
                {children}
                <ProblemNote problem={problem} />
                <footer>
                    <button type="button" onClick={onClose}>Keep it as it is</button>
                    <button type="submit" className={className} disabled={busy || disabled}>{label}</button>
                </footer>
            </form>
        </Dialog>
    );
}

export function RenameDialog({ workspace, onClose, onDone }: Props) {
    const [name, setName] = useState(workspace.name);
    return (
        <ActionDialog title="Rename workspace" label="Rename" className="primary" onClose={onClose} onDone={onDone}
            run={async () => (await shell()).renameWorkspace(workspace.id, name)}>
            <label htmlFor="new-name">Name</label>
            <input id="new-name" value={name} required autoFocus onChange={event => setName(event.target.value)} />
        </ActionDialog>
    );
}

/** Deleting work asks for the name; stopping an import that has produced nothing does not. */
export function DeleteDialog({ workspace, onClose, onDone }: Props) {
    const [typed, setTyped] = useState('');
    const isWork = workspace.state.type === 'ready';
    return (
        <ActionDialog title={isWork ? 'Delete workspace' : 'Remove workspace'} label={isWork ? 'Delete for good' : 'Remove'} className="danger"
            disabled={isWork && typed !== workspace.name} onClose={onClose} onDone={onDone}
            run={async () => (await shell()).deleteWorkspace(workspace.id)}>
            {isWork ? (
                <>
                    <p>This deletes all files of <strong>{workspace.name}</strong> and ends its terminals. It cannot be undone.</p>
                    <label htmlFor="confirm-name">Type the name to go on</label>
                    <input id="confirm-name" value={typed} autoFocus autoComplete="off" onChange={event => setTyped(event.target.value)} />
                </>
            ) : <p><strong>{workspace.name}</strong> is not ready; whatever has arrived so far is removed.</p>}
        </ActionDialog>
    );
}
