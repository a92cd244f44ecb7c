import type { Workspace, WorkspaceSource } from 'coditect-shell';
import { ago } from '../time';

/** Where a workspace is opened. */
export function ideUrl(workspace: Workspace): string {
    return `/theia/?workspace=${encodeURIComponent(workspace.id)}`;
}

function sourceText(source: WorkspaceSource): string {
    switch (source.type) {
        case 'empty': return 'Started empty';
        case 'git': return source.url;
        case 'archive': return `From ${source.file_name}`;
    }
}

interface Props {
    workspace: Workspace;
    onRename: () => void;
    onDelete: () => void;
}

export function WorkspaceCard({ workspace, onRename, onDelete }: Props) {
    const { state } = workspace;
    return (
        <li className={`card workspace ${state.type}`}>
            <div className="grow">
                <h2>{state.type === 'ready' ? <a href={ideUrl(workspace)}>{workspace.name}</a> : workspace.name}</h2>
                <p className="hint source" title={sourceText(workspace.source)}>{sourceText(workspace.source)}</p>
                {state.type === 'ready' && <p className="hint">Opened {ago(workspace.opened_at || workspace.created_at, Date.now())}</p>}
                {state.type === 'creating' && (
                    <p className="progress-row">
                        <progress max={100} aria-label={`Creating ${workspace.name}`} {...(state.percent === undefined || state.percent === null ? {} : { value: state.percent })} />
                        <span className="hint">{state.step}{state.percent === undefined || state.percent === null ? '' : ` ${state.percent} %`}</span>
                    </p>
                )}
                {state.type === 'failed' && <p className="problem"><span>{state.message}</span> <code>{state.code}</code></p>}
            </div>
            <div className="buttons">
                {state.type === 'ready' && <a className="button primary" href={ideUrl(workspace)} aria-label={`Open ${workspace.name}`}>Open</a>}
                {state.type === 'ready' && <button type="button" onClick={onRename} aria-label={`Rename ${workspace.name}`}>Rename</button>}
                <button type="button" onClick={onDelete} aria-label={state.type === 'creating' ? `Cancel ${workspace.name}` : `Delete ${workspace.name}`}>
                    {state.type === 'creating' ? 'Cancel' : 'Delete'}
                </button>
            </div>
        </li>
    );
}
