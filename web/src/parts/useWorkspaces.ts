import { useEffect, useRef, useState } from 'react';
import type { SessionInfo, Workspace } from 'coditect-shell';
import { loginHint } from '../logic/known';
import { isLoggedOut, problemOf, type Problem } from '../logic/problem';
import { Poller } from '../logic/poller';
import { news } from '../logic/workspaces';
import { shell } from '../shell';
import { navigate } from './router';

/** How long to wait before a workspace that is being filled is asked for its progress again, in milliseconds. */
const POLL_MS = 700;

interface Known {
    session: SessionInfo;
    /** What stood for the login: another one may be another person, who logged in in another tab. */
    hint: string | undefined;
    workspaces: Workspace[];
}

async function load(known: Known | undefined): Promise<Known> {
    const rust = await shell();
    const hint = loginHint();
    const session = known?.hint === hint ? known?.session : undefined;
    const [who, workspaces] = await Promise.all([session ?? rust.session(), rust.listWorkspaces()]);
    return { session: who, hint, workspaces };
}

function pause({ workspaces }: Known): number | undefined {
    const isMoving = workspaces.some(workspace => workspace.state.type === 'creating');
    return isMoving && !document.hidden ? POLL_MS : undefined;
}

/** The person's workspaces, kept current; leads to the login when it turns out that nobody is logged in. */
export function useWorkspaces() {
    const [known, setKnown] = useState<Known>();
    const [problem, setProblem] = useState<Problem>();
    const [told, setTold] = useState('');
    const poller = useRef<Poller<Known>>(undefined);
    /** What is shown, for what comes between two drawings. */
    const latest = useRef<Known>(undefined);
    function show(value: Known): void {
        latest.current = value;
        setKnown(value);
    }

    useEffect(() => {
        const made = new Poller<Known>({
            load: () => load(latest.current),
            pause,
            onValue: value => {
                const heard = latest.current && news(latest.current.workspaces, value.workspaces);
                if (heard) {
                    setTold(heard);
                }
                show(value);
                setProblem(undefined);
            },
            onError: error => {
                const found = problemOf(error);
                if (isLoggedOut(found)) {
                    navigate('/login?next=/dashboard', { replace: true });
                    return false;
                }
                setProblem(found);
                return true;
            },
        });
        poller.current = made;
        made.refresh();
        // What happened while nobody looked: another tab, the IDE, no network, a page from the browser's memory.
        const again = (event: Event) => {
            const isFirstShow = event.type === 'pageshow' && !(event as PageTransitionEvent).persisted;
            if (!document.hidden && !isFirstShow) {
                made.refresh();
            }
        };
        const events = [[window, 'online'], [window, 'pageshow'], [document, 'visibilitychange']] as const;
        events.forEach(([target, name]) => target.addEventListener(name, again));
        return () => {
            made.stop();
            events.forEach(([target, name]) => target.removeEventListener(name, again));
        };
    }, []);

    /** Shows at once what a person did, then asks the server. */
    function change(edit: (workspaces: Workspace[]) => Workspace[]): void {
        if (latest.current) {
            show({ ...latest.current, workspaces: edit(latest.current.workspaces) });
        }
        poller.current?.refresh();
    }
    return { session: known?.session, workspaces: known?.workspaces, problem, told, change, refresh: () => poller.current?.refresh() };
}
