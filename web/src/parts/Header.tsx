import type { ReactNode } from 'react';
import { Link } from './router';
import { toggleTheme } from './theme';

/** Top of every page: the name on the left, what the page offers on the right. */
export function Header({ children }: { children?: ReactNode }) {
    return (
        <header className="header">
            <Link href="/" className="brand"><img src="/logo.svg" alt="" width="30" height="30" />Coditect</Link>
            <nav aria-label="Account">
                {children}
                <button type="button" className="icon" onClick={toggleTheme} aria-label="Switch between dark and light" title="Switch between dark and light">
                    <svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true"><circle cx="10" cy="10" r="7" fill="none" stroke="currentColor" strokeWidth="1.8" /><path d="M10 3a7 7 0 0 1 0 14z" fill="currentColor" /></svg>
                </button>
            </nav>
        </header>
    );
}
