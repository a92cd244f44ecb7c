import { lazy, Suspense, useEffect, useRef, type ComponentType } from 'react';
import { Dashboard } from './pages/Dashboard';
import { Landing } from './pages/Landing';
import { Login } from './pages/Login';
import { NotFound } from './pages/NotFound';
import { PAGES, pageAt, type PagePath } from './pages/pages';
import { Register } from './pages/Register';
import { NotLoaded } from './parts/NotLoaded';
import { useAddress } from './parts/router';

/** Parts of the front that most visits do without. */
const Account = later(async () => (await import('./pages/account/Account')).Account);
const Admin = later(async () => (await import('./pages/admin/Admin')).Admin);
const Device = later(async () => (await import('./pages/Device')).Device);
const ApiDocs = later(async () => (await import('./pages/ApiDocs')).ApiDocs);
const ResetPassword = later(async () => (await import('./pages/ResetPassword')).ResetPassword);

/** A page that is loaded when it is first shown; where that fails, a page that says so. */
function later(load: () => Promise<ComponentType>) {
    return lazy(async () => ({ default: await load().catch(() => NotLoaded) }));
}

const VIEWS: Record<PagePath, ComponentType> = {
    '/': Landing,
    '/login': Login,
    '/register': Register,
    '/reset-password': ResetPassword,
    '/dashboard': Dashboard,
    '/account': Account,
    '/account/password': Account,
    '/account/second-factor': Account,
    '/account/sessions': Account,
    '/account/tokens': Account,
    '/account/git-logins': Account,
    '/account/plugins': Account,
    '/account/models': Account,
    '/account/usage': Account,
    '/account/history': Account,
    '/admin/people': Admin,
    '/admin/invites': Admin,
    '/admin/models': Admin,
    '/admin/model-keys': Admin,
    '/admin/model-usage': Admin,
    '/admin/plugins': Admin,
    '/admin/keys': Admin,
    '/device': Device,
    '/api-docs': ApiDocs,
};

/** The page that the address names. */
export function App() {
    const { pathname } = useAddress();
    const page = pageAt(pathname);
    const isFirst = useRef(true);
    useEffect(() => {
        document.title = page ? PAGES[page] : 'No such page · Coditect';
        // After a link was followed the focus goes on from the new page's top, unless the page has set it itself.
        if (!isFirst.current && (!document.activeElement || document.activeElement === document.body)) {
            document.querySelector<HTMLElement>('main')?.focus({ preventScroll: true });
        }
        isFirst.current = false;
    }, [page]);
    const View = page ? VIEWS[page] : NotFound;
    return <Suspense><View /></Suspense>;
}
