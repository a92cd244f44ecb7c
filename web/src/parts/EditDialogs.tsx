import { useState } from 'react';
import type { Workspace } from 'coditect-shell';
import type { Problem } from '../logic/problem';
import { MAX_NAME_CHARS } from '../logic/workspaces';
import { shell } from '../shell';
import { ActionDialog } from './ActionDialog';

interface Props<T> {
    workspace: Workspace;
    onClose: () => void;
    onDone: (value: T) => void;
    onLate: (problem: Problem) => void;
}

export function RenameDialog({ workspace, onClose, onDone, onLate }: Props<Workspace>) {
    const [name, setName] = useState(workspace.name);
    return (
        <ActionDialog title="Rename workspace" label="Rename" busyLabel="Renaming …" className="primary" onClose={onClose} onLate={onLate}
            run={async () => onDone(await (await shell()).renameWorkspace(workspace.id, name.trim()))}>
            <label htmlFor="new-name">Name</label>
            <input id="new-name" value={name} required maxLength={MAX_NAME_CHARS} autoComplete="off" data-first onChange={event => setName(event.target.value)} />
            <p className="hint">The folder on the server keeps its name, {workspace.folder}.</p>
        </ActionDialog>
    );
}

/** Deleting work asks for the name; stopping an import that has produced nothing does not. */
export function DeleteDialog({ workspace, onClose, onDone, onLate }: Props<string>) {
    const [typed, setTyped] = useState('');
    const isWork = workspace.state.type === 'ready';
    return (
        <ActionDialog title={isWork ? 'Delete workspace' : 'Remove workspace'} label={isWork ? 'Delete for good' : 'Remove'} busyLabel={isWork ? 'Deleting …' : 'Removing …'}
            className="danger" disabled={isWork && typed.trim() !== workspace.name.trim()} onClose={onClose} onLate={onLate}
            run={async () => {
                await (await shell()).deleteWorkspace(workspace.id);
                onDone(workspace.id);
            }}>
            {isWork ? (
                <>
                    <p>This deletes all files of <strong>{workspace.name}</strong> and ends its terminals. It cannot be undone.</p>
                    <label htmlFor="confirm-name">Type the name to go on</label>
                    <input id="confirm-name" value={typed} autoComplete="off" spellCheck={false} data-first onChange={event => setTyped(event.target.value)} />
                </>
            ) : <p><strong>{workspace.name}</strong> is not ready; whatever has arrived so far is removed.</p>}
        </ActionDialog>
    );
}
