import { useCallback, useEffect, useState } from 'react';
import { useNavigate } from 'react-router';
import type { SessionInfo, Workspace } from 'coditect-shell';
import { CreateDialog } from '../parts/CreateDialog';
import { DeleteDialog, RenameDialog } from '../parts/EditDialogs';
import { Header } from '../parts/Header';
import { ProblemNote } from '../parts/ProblemNote';
import { WorkspaceCard } from '../parts/WorkspaceCard';
import { problemOf, shell, type Problem } from '../shell';

/** How often a workspace that is being filled is asked for its progress, in milliseconds. */
const POLL_MS = 700;

type Open = { kind: 'create' } | { kind: 'rename' | 'delete'; workspace: Workspace } | undefined;

export function Dashboard() {
    const navigate = useNavigate();
    const [session, setSession] = useState<SessionInfo>();
    const [workspaces, setWorkspaces] = useState<Workspace[]>();
    const [problem, setProblem] = useState<Problem>();
    const [open, setOpen] = useState<Open>();
    const close = () => setOpen(undefined);

    const load = useCallback(async () => {
        try {
            const rust = await shell();
            setSession(await rust.session());
            setWorkspaces(await rust.listWorkspaces());
            setProblem(undefined);
        } catch (error) {
            const found = problemOf(error);
            if (found.code.startsWith('auth.')) {
                void navigate('/login?next=/dashboard', { replace: true });
            } else {
                setProblem(found);
            }
        }
    }, [navigate]);

    useEffect(() => { void load(); }, [load]);
    useEffect(() => {
        const again = () => void load();
        addEventListener('online', again);
        return () => removeEventListener('online', again);
    }, [load]);

    const creating = workspaces?.some(workspace => workspace.state.type === 'creating') ?? false;
    useEffect(() => {
        if (!creating) {
            return undefined;
        }
        const timer = setInterval(() => void load(), POLL_MS);
        return () => clearInterval(timer);
    }, [creating, load]);

    async function logOut() {
        try {
            await (await shell()).logout();
            await navigate('/', { replace: true });
        } catch (error) {
            setProblem(problemOf(error));
        }
    }

    function changed() {
        close();
        void load();
    }

    return (
        <>
            <Header>
                {session && <span className="who">{session.user.email}</span>}
                {session && <button type="button" onClick={() => void logOut()}>Log out</button>}
            </Header>
            <main className="dashboard">
                <div className="title-row">
                    <h1>Workspaces</h1>
                    <button type="button" className="primary" onClick={() => setOpen({ kind: 'create' })}>New workspace</button>
                </div>
                <ProblemNote problem={problem} onRetry={() => void load()} />
                {!workspaces && !problem && <p aria-busy="true" className="hint">Loading …</p>}
                {workspaces?.length === 0 && (
                    <section className="empty">
                        <img src="/logo.svg" alt="" width="64" height="64" />
                        <h2>Nothing here yet</h2>
                        <p>Start empty, clone a git repository, or upload an archive.</p>
                        <button type="button" className="primary" onClick={() => setOpen({ kind: 'create' })}>Create your first workspace</button>
                    </section>
                )}
                <ul className="workspaces" aria-live="polite">
                    {workspaces?.map(workspace => (
                        <WorkspaceCard key={workspace.id} workspace={workspace}
                            onRename={() => setOpen({ kind: 'rename', workspace })} onDelete={() => setOpen({ kind: 'delete', workspace })} />
                    ))}
                </ul>
            </main>
            {open?.kind === 'create' && <CreateDialog onClose={close} onDone={changed} />}
            {open?.kind === 'rename' && <RenameDialog workspace={open.workspace} onClose={close} onDone={changed} />}
            {open?.kind === 'delete' && <DeleteDialog workspace={open.workspace} onClose={close} onDone={changed} />}
        </>
    );
}
