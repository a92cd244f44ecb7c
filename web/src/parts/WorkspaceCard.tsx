import type { Workspace, WorkspaceState } from 'coditect-shell';
import { pluginsAddress } from '../logic/plugins';
import { isOwn, mayAdminister, roleName, sharedText } from '../logic/roles';
import { ago } from '../logic/time';
import { ideUrl, sourceText } from '../logic/workspaces';
import { DiskUse } from './DiskUse';
import { Link } from './router';

interface Props {
    workspace: Workspace;
    onRename: () => void;
    onMembers: () => void;
    onDelete: () => void;
    onLeave: () => void;
}

export function WorkspaceCard({ workspace, onRename, onMembers, onDelete, onLeave }: Props) {
    const { name, state, source } = workspace;
    const shared = sharedText(workspace);
    return (
        <li className={`card workspace ${state.type}`}>
            <div className="grow">
                <h2>{state.type === 'ready' ? <a href={ideUrl(workspace)} tabIndex={-1}>{name}</a> : name}{!isOwn(workspace) && <span className="badge">{roleName(workspace.role)}</span>}</h2>
                <p className="hint facts">
                    <span className="source" title={sourceText(source)}>{sourceText(source)}</span>
                    {shared && <span>{shared}</span>}
                    {state.type === 'ready' && <LastUse workspace={workspace} />}
                    {state.type === 'ready' && <DiskUse id={workspace.id} />}
                </p>
                {state.type === 'creating' && <Progress name={name} state={state} />}
                {state.type === 'failed' && <p className="problem"><span>{state.message}</span> <code>{state.code}</code></p>}
            </div>
            <div className="buttons">
                {state.type === 'ready' && <a className="button primary" href={ideUrl(workspace)} aria-label={`Open ${name}`}>Open</a>}
                {state.type === 'ready' && <button type="button" onClick={onMembers} aria-label={`Members of ${name}`}>Members</button>}
                {state.type === 'ready' && <Link className="button" href={pluginsAddress(workspace.id)} aria-label={`Plugins in ${name}`}>Plugins</Link>}
                {state.type === 'ready' && mayAdminister(workspace) && <button type="button" onClick={onRename} aria-label={`Rename ${name}`}>Rename</button>}
                {isOwn(workspace) ? (
                    <button type="button" onClick={onDelete} aria-label={state.type === 'creating' ? `Cancel ${name}` : `Delete ${name}`}>
                        {state.type === 'creating' ? 'Cancel' : 'Delete'}
                    </button>
                ) : <button type="button" onClick={onLeave} aria-label={`Leave ${name}`}>Leave</button>}
            </div>
        </li>
    );
}

function LastUse({ workspace: { opened_at: opened, created_at: created } }: { workspace: Workspace }) {
    const then = Math.max(opened, created);
    return <time dateTime={new Date(then).toISOString()} title={new Date(then).toLocaleString()}>{opened > created ? 'Opened' : 'Created'} {ago(then, Date.now())}</time>;
}

function Progress({ name, state: { step, percent } }: { name: string; state: Extract<WorkspaceState, { type: 'creating' }> }) {
    const isKnown = percent !== undefined && percent !== null;
    return (
        <p className="progress-row">
            <progress max={100} aria-label={`Creating ${name}`} {...(isKnown ? { value: percent } : {})} />
            <span className="hint">{step}{isKnown && ` ${percent} %`}</span>
        </p>
    );
}
