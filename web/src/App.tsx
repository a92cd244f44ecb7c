import { useEffect, useRef } from 'react';
import { Dashboard } from './pages/Dashboard';
import { Landing } from './pages/Landing';
import { Login } from './pages/Login';
import { NotFound } from './pages/NotFound';
import { PAGES, pageAt } from './pages/pages';
import { Register } from './pages/Register';
import { useAddress } from './parts/router';

const VIEWS = { '/': Landing, '/login': Login, '/register': Register, '/dashboard': Dashboard };

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
    return <View />;
}
