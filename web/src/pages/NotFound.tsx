import { Link } from 'react-router';
import { Header } from '../parts/Header';

export function NotFound() {
    return (
        <>
            <Header />
            <main className="narrow center">
                <h1>There is no such page</h1>
                <p><Link to="/dashboard">Go to your workspaces</Link></p>
            </main>
        </>
    );
}
