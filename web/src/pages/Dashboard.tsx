import { useEffect, useRef, useState } from 'react';
import type { Workspace } from 'coditect-shell';
import type { Problem } from '../logic/problem';
import { FIND_FROM, isFound } from '../logic/workspaces';
import { CreateDialog } from '../parts/CreateDialog';
import { DeleteDialog, RenameDialog } from '../parts/EditDialogs';
import { Header } from '../parts/Header';
import { LeaveDialog, MembersDialog } from '../parts/MembersDialog';
import { PersonMenu } from '../parts/PersonMenu';
import { ProblemNote } from '../parts/ProblemNote';
import { WorkspaceCard } from '../parts/WorkspaceCard';
import { useWorkspaces } from '../parts/useWorkspaces';

/** The dialogue that is open; the workspace by its id, since it may change under the dialogue. */
type Open = { kind: 'create' } | { kind: 'rename' | 'delete' | 'members' | 'leave'; id: string } | undefined;

export function Dashboard() {
    const { session, workspaces, problem, told, change, refresh } = useWorkspaces();
    const [late, setLate] = useState<Problem>();
    const [open, setOpen] = useState<Open>();
    const [query, setQuery] = useState('');
    const heading = useRef<HTMLHeadingElement>(null);
    const close = () => setOpen(undefined);
    const create = () => setOpen({ kind: 'create' });
    const chosen = open && open.kind !== 'create' ? workspaces?.find(workspace => workspace.id === open.id) : undefined;

    // The button that opened a dialogue may be gone with its workspace.
    const isOpen = open?.kind === 'create' || chosen !== undefined;
    const wasOpen = useRef(false);
    useEffect(() => {
        if (wasOpen.current && !isOpen && document.activeElement === document.body) {
            heading.current?.focus();
        }
        wasOpen.current = isOpen;
    }, [isOpen]);

    function added(made: Workspace): void {
        setQuery('');
        change(list => [made, ...list.filter(({ id }) => id !== made.id)]);
    }

    return (
        <>
            <Header>
                {session && <PersonMenu user={session.user} onProblem={setLate} />}
            </Header>
            <main className="dashboard" tabIndex={-1}>
                <div className="title-row">
                    <h1 ref={heading} tabIndex={-1}>Workspaces</h1>
                    {workspaces && workspaces.length >= FIND_FROM && (
                        <input type="search" className="find" aria-label="Find a workspace" placeholder={`Find one of ${workspaces.length}`} value={query} onChange={event => setQuery(event.target.value)} />
                    )}
                    <button type="button" className="primary" onClick={create}>New workspace</button>
                </div>
                <p role="status" className="unseen">{told}</p>
                <ProblemNote problem={problem} action={{ label: 'Try again', run: refresh }} />
                <ProblemNote problem={late} action={{ label: 'Dismiss', run: () => setLate(undefined) }} />
                {!workspaces && !problem && <Loading />}
                {workspaces?.length === 0 && <Empty onCreate={create} />}
                {workspaces && <List workspaces={workspaces} query={workspaces.length >= FIND_FROM ? query : ''} onOpen={setOpen} />}
            </main>
            {open?.kind === 'create' && <CreateDialog onClose={close} onLate={setLate} onDone={added} />}
            {open?.kind === 'rename' && chosen && (
                <RenameDialog workspace={chosen} onClose={close} onLate={setLate} onDone={renamed => change(list => list.map(each => each.id === renamed.id ? renamed : each))} />
            )}
            {open?.kind === 'members' && chosen && session && (
                <MembersDialog workspace={chosen} user={session.user} onClose={close} onCount={members => change(list => list.map(each => each.id === chosen.id ? { ...each, members } : each))} />
            )}
            {open?.kind === 'leave' && chosen && session && (
                <LeaveDialog workspace={chosen} user={session.user} onClose={close} onDone={left => change(list => list.filter(each => each.id !== left))} />
            )}
            {open?.kind === 'delete' && chosen && (
                <DeleteDialog workspace={chosen} onClose={close} onLate={setLate} onDone={gone => change(list => list.filter(each => each.id !== gone))} />
            )}
        </>
    );
}

function List({ workspaces, query, onOpen }: { workspaces: Workspace[]; query: string; onOpen: (open: Open) => void }) {
    const found = workspaces.filter(workspace => isFound(workspace, query));
    if (workspaces.length > 0 && found.length === 0) {
        return <p className="hint">No workspace has “{query}” in its name or source.</p>;
    }
    return (
        <ul className="workspaces">
            {found.map(workspace => (
                <WorkspaceCard key={workspace.id} workspace={workspace}
                    onRename={() => onOpen({ kind: 'rename', id: workspace.id })} onDelete={() => onOpen({ kind: 'delete', id: workspace.id })}
                    onMembers={() => onOpen({ kind: 'members', id: workspace.id })} onLeave={() => onOpen({ kind: 'leave', id: workspace.id })} />
            ))}
        </ul>
    );
}

function Loading() {
    return (
        <div className="workspaces" aria-busy="true">
            <p className="unseen">Loading …</p>
            {[0, 1, 2].map(row => <div key={row} className="card workspace skeleton" aria-hidden="true"><span /><span /></div>)}
        </div>
    );
}

function Empty({ onCreate }: { onCreate: () => void }) {
    return (
        <section className="empty">
            <img src="/logo.svg" alt="" width="64" height="64" />
            <h2>Nothing here yet</h2>
            <p>Start empty, clone a git repository, or upload an archive.</p>
            <button type="button" className="primary" onClick={onCreate}>Create your first workspace</button>
        </section>
    );
}
