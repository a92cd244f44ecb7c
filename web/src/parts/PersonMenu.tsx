import { useEffect, useId, useRef, useState, type KeyboardEvent } from 'react';
import type { UserInfo } from 'coditect-shell';
import { problemOf, type Problem } from '../logic/problem';
import { shell } from '../shell';
import { Link, navigate } from './router';

interface Props {
    user: UserInfo;
    onProblem: (problem: Problem) => void;
}

/** Who is logged in, and what they can do about it. */
export function PersonMenu({ user, onProblem }: Props) {
    const [open, setOpen] = useState(false);
    const place = useRef<HTMLDivElement>(null);
    const button = useRef<HTMLButtonElement>(null);
    const id = useId();
    useEffect(() => {
        if (!open) {
            return undefined;
        }
        const outside = (event: Event) => {
            if (event.target instanceof Node && !place.current?.contains(event.target)) {
                setOpen(false);
            }
        };
        document.addEventListener('pointerdown', outside);
        document.addEventListener('focusin', outside);
        return () => {
            document.removeEventListener('pointerdown', outside);
            document.removeEventListener('focusin', outside);
        };
    }, [open]);

    function onKeyDown(event: KeyboardEvent): void {
        if (event.key === 'Escape' && open) {
            setOpen(false);
            button.current?.focus();
        }
    }
    async function logOut(): Promise<void> {
        setOpen(false);
        try {
            await (await shell()).logout();
            navigate('/', { replace: true });
        } catch (error) {
            onProblem(problemOf(error));
        }
    }
    const close = () => setOpen(false);
    return (
        <div ref={place} className="menu" onKeyDown={onKeyDown}>
            <button ref={button} type="button" className="icon" aria-expanded={open} aria-controls={id} aria-label={`Account of ${user.login}`} title={user.login} onClick={() => setOpen(!open)}>
                <svg viewBox="0 0 20 20" width="18" height="18" fill="none" stroke="currentColor" strokeWidth="1.7" strokeLinecap="round" aria-hidden="true"><circle cx="10" cy="6.5" r="3.3" /><path d="M3.5 17c.6-3.4 3.2-5 6.5-5s5.9 1.6 6.5 5" /></svg>
                <span className="who">{user.login}</span>
                <svg viewBox="0 0 20 20" width="12" height="12" fill="none" stroke="currentColor" strokeWidth="2.4" strokeLinecap="round" aria-hidden="true"><path d="m4 7.5 6 6 6-6" /></svg>
            </button>
            <ul id={id} hidden={!open}>
                <li><Link href="/dashboard" onClick={close}>Workspaces</Link></li>
                <li><Link href="/account" onClick={close}>Your account</Link></li>
                {user.role === 'admin' && <li><Link href="/admin/people" onClick={close}>Administration</Link></li>}
                <li><Link href="/api-docs" onClick={close}>API</Link></li>
                <li className="apart"><button type="button" onClick={() => void logOut()}>Log out</button></li>
            </ul>
        </div>
    );
}
