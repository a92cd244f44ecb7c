import { Header } from '../parts/Header';
import { Link, useAddress } from '../parts/router';

export function NotFound() {
    const { pathname } = useAddress();
    return (
        <>
            <Header />
            <main className="narrow center" tabIndex={-1}>
                <p className="big" aria-hidden="true">404</p>
                <h1>There is no such page</h1>
                <p className="hint path"><code>{pathname}</code></p>
                <p className="actions"><Link href="/dashboard" className="button primary">Go to your workspaces</Link> <Link href="/" className="button">Start page</Link></p>
            </main>
        </>
    );
}
