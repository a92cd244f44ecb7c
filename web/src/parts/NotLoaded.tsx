import { Header } from './Header';

/** Stands for a page whose code did not arrive; a reload tries again. */
export function NotLoaded() {
    return (
        <>
            <Header />
            <main className="narrow center" tabIndex={-1}>
                <h1>This page could not be loaded</h1>
                <p role="alert">Check the network, then try again. <code>page.not_loaded</code></p>
                <p className="actions"><button type="button" className="primary" onClick={() => location.reload()}>Try again</button></p>
            </main>
        </>
    );
}
