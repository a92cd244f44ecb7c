import type { ReactNode } from 'react';
import screenshot from '../assets/ide.webp';
import { loginHint } from '../logic/known';
import { Header } from '../parts/Header';
import { Link } from '../parts/router';

const POINTS: { title: string; text: string; icon: ReactNode }[] = [
    {
        title: 'The models you choose',
        text: 'LM Studio and Ollama are found by themselves; any other OpenAI-compatible server is one line of configuration. Keys stay on the server and never reach the page.',
        icon: <path d="M7 4.5h10M7 12h10M7 19.5h10M4 4.5h.01M4 12h.01M4 19.5h.01M20 4.5h.01M20 12h.01M20 19.5h.01" />,
    },
    {
        title: 'A whole workspace',
        text: 'Files, quick open, text search, real terminals, and a chat whose models read your project. Before one of them changes a file, you are asked.',
        icon: <path d="M3.5 5.5h17v13h-17zM9 5.5v13M9 14h11.5M12 9h5" />,
    },
    {
        title: 'Nothing gets lost',
        text: 'Close the lid, change the network, reload the page: terminals run on and keep their output. When the server restarts, the page goes on by itself. A file that changed meanwhile is not overwritten unasked.',
        icon: <path d="M4 12a8 8 0 0 1 13.7-5.6L20 8.7M20 4v4.7h-4.7M20 12a8 8 0 0 1-13.7 5.6L4 15.3M4 20v-4.7h4.7" />,
    },
    {
        title: 'Walls between people',
        text: 'Each terminal runs in a sandbox of its own, each file access stays below the workspace’s folder, and each request is checked against the login it came with.',
        icon: <path d="M12 3.2 19 6v5.5c0 4.4-2.9 7.6-7 9.3-4.1-1.7-7-4.9-7-9.3V6zM9 12l2.2 2.2L15.2 10" />,
    },
];

const STEPS: [string, string][] = [
    ['Bring your code', 'Clone a git repository, upload an archive, or start with an empty folder.'],
    ['Open it in the browser', 'Nothing to install. The IDE is Eclipse Theia, driven by Rust compiled to WebAssembly.'],
    ['Ask a model', 'Talk about the code in front of you. The model looks things up with tools, and you decide what it may change.'],
];

export function Landing() {
    const isKnown = loginHint() !== undefined;
    return (
        <>
            <Header>
                {isKnown ? <Link href="/dashboard" className="button primary">Open your workspaces</Link> : (
                    <>
                        <Link href="/login" className="quiet">Log in</Link>
                        <Link href="/register" className="button primary">Sign up</Link>
                    </>
                )}
            </Header>
            <main className="landing" tabIndex={-1}>
                <section className="hero">
                    <h1>Several minds.<br /><em>One workspace.</em></h1>
                    <p className="lead">Coditect is an IDE in the browser for working with language models on real code: your models, on your server.</p>
                    <p className="actions">
                        {isKnown ? <Link href="/dashboard" className="button primary large">Open your workspaces</Link> : (
                            <>
                                <Link href="/register" className="button primary large">Create an account</Link>
                                <Link href="/login" className="button large">Log in</Link>
                            </>
                        )}
                    </p>
                </section>
                <figure className="shot">
                    <img src={screenshot} width="1600" height="1000" alt="The IDE: the files of a small Python project on the left, one of them in the editor, a terminal with passing tests below, and a chat with a language model on the right" />
                </figure>
                <section aria-labelledby="what">
                    <h2 id="what" className="section">What you get</h2>
                    <ul className="points">
                        {POINTS.map(({ title, text, icon }) => (
                            <li key={title}>
                                <svg viewBox="0 0 24 24" width="26" height="26" fill="none" stroke="currentColor" strokeWidth="1.7" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">{icon}</svg>
                                <h3>{title}</h3>
                                <p>{text}</p>
                            </li>
                        ))}
                    </ul>
                </section>
                <section aria-labelledby="how">
                    <h2 id="how" className="section">How it goes</h2>
                    <ol className="steps">
                        {STEPS.map(([title, text]) => <li key={title}><h3>{title}</h3><p>{text}</p></li>)}
                    </ol>
                </section>
            </main>
            <footer className="foot">
                <p>Coditect is free software under the Apache License 2.0. Programs reach it through its <Link href="/api-docs">API</Link>.</p>
            </footer>
        </>
    );
}
