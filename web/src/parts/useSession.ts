import { useEffect } from 'react';
import type { AuthConfig, SessionInfo } from 'coditect-shell';
import { loginHint } from '../logic/known';
import { shell } from '../shell';
import { useLoaded } from './useLoaded';

interface Known {
    session: SessionInfo;
    /** What stood for the login: another one may be another person, who logged in in another tab. */
    hint: string | undefined;
}

/** Who is logged in, also after that changed in another tab; leads to the login where nobody is. */
export function useSession() {
    const { value, problem, reload } = useLoaded<Known>(async () => {
        const hint = loginHint();
        return { session: await (await shell()).session(), hint };
    });
    const hint = value?.hint;
    useEffect(() => {
        const check = () => {
            if (!document.hidden && loginHint() !== hint) {
                reload();
            }
        };
        const events = [[window, 'online'], [window, 'pageshow'], [document, 'visibilitychange']] as const;
        events.forEach(([target, name]) => target.addEventListener(name, check));
        return () => events.forEach(([target, name]) => target.removeEventListener(name, check));
    }, [hint, reload]);
    return { session: value?.session, problem, reload };
}

/** What must be known before anybody is logged in. */
export function useAuthConfig() {
    return useLoaded<AuthConfig>(async () => (await shell()).authConfig());
}
