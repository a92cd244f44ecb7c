import { useEffect } from 'react';
import { loginHint } from '../logic/known';
import { safeNext } from '../logic/next';
import { isOwnPage } from '../pages/pages';
import { shell } from '../shell';
import { navigate } from './router';

/** Leaves for where the person wanted to go. The login is no page to come back to. */
export function goOn(): void {
    const target = safeNext(new URLSearchParams(location.search).get('next'), location.origin);
    if (isOwnPage(new URL(target, location.origin).pathname)) {
        navigate(target, { replace: true });
    } else {
        location.replace(target);
    }
}

/** Leads on who is logged in already, also when that happened in another tab. */
export function useLedOn(): void {
    useEffect(() => {
        let asked: string | undefined;
        let isHere = true;
        const check = () => {
            const hint = loginHint();
            if (!hint || hint === asked || document.hidden) {
                return;
            }
            asked = hint;
            // A login that has ended, or no network: the form is what helps.
            void shell().then(rust => rust.session()).then(() => { if (isHere) { goOn(); } }, () => undefined);
        };
        check();
        document.addEventListener('visibilitychange', check);
        addEventListener('pageshow', check);
        return () => {
            isHere = false;
            document.removeEventListener('visibilitychange', check);
            removeEventListener('pageshow', check);
        };
    }, []);
}
