import { Link } from 'react-router';
import { Header } from '../parts/Header';

const POINTS: [string, string][] = [
    ['Any model, one window', 'LM Studio and Ollama are found by themselves; any OpenAI-compatible server is one line of configuration. Keys stay on the server.'],
    ['A whole workspace', 'Files, search, real terminals and a chat that reads and edits your code, each change with your approval.'],
    ['Nothing gets lost', 'One resumable connection: close the lid, change the network, restart the server, and go on in the middle of the line.'],
    ['A Rust heart', 'One small server carries many people. In the page, Rust compiled to WebAssembly drives the IDE.'],
];

export function Landing() {
    return (
        <>
            <Header>
                <Link to="/login">Log in</Link>
                <Link to="/register" className="button primary">Sign up</Link>
            </Header>
            <main className="landing">
                <section className="hero">
                    <div>
                        <h1>Several minds.<br /><em>One workspace.</em></h1>
                        <p className="lead">Coditect is an IDE in the browser for working with language models, yours or anybody's, on real code.</p>
                        <p className="actions">
                            <Link to="/register" className="button primary">Create an account</Link>
                            <Link to="/dashboard" className="button">Open your workspaces</Link>
                        </p>
                    </div>
                    <Preview />
                </section>
                <ul className="points">
                    {POINTS.map(([title, text]) => <li key={title}><h2>{title}</h2><p>{text}</p></li>)}
                </ul>
            </main>
        </>
    );
}

/** The IDE, drawn: tree, editor, chat, terminal. */
function Preview() {
    const code: [number, number, string][] = [[0, 62, 'v'], [1, 96, 't'], [2, 130, 'f'], [2, 74, 'v'], [3, 150, 't'], [3, 92, 'g'], [2, 54, 'v'], [1, 38, 'f'], [0, 20, 't'], [0, 84, 'v'], [1, 118, 'g'], [1, 64, 't']];
    return (
        <svg className="preview" viewBox="0 0 640 400" role="img" aria-label="The IDE with its file tree, an editor, a chat and a terminal">
            <rect className="p-window" width="640" height="400" rx="12" />
            <path className="p-bar" d="M0 12A12 12 0 0 1 12 0h616a12 12 0 0 1 12 12v20H0z" />
            {[18, 36, 54].map(x => <circle key={x} className="p-dot" cx={x} cy="16" r="5" />)}
            <rect className="p-side" y="32" width="132" height="346" />
            {[0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map(i => <rect key={i} className={i === 3 ? 'p-hit' : 'p-dim'} x={18 + (i % 4 === 0 ? 0 : 14)} y={50 + i * 22} width={60 + ((i * 37) % 34)} height="8" rx="4" />)}
            {code.map(([indent, width, kind], i) => <rect key={i} className={`p-${kind}`} x={156 + indent * 18} y={56 + i * 18} width={width} height="7" rx="3.5" />)}
            <path className="p-line" d="M132 284h308M440 32v346" />
            <text className="p-term" x="150" y="308">$ cargo test</text>
            <text className="p-ok" x="150" y="328">test result: ok. 128 passed</text>
            <rect className="p-caret" x="150" y="340" width="8" height="14" />
            <rect className="p-bubble" x="456" y="52" width="166" height="52" rx="8" />
            {[0, 1].map(i => <rect key={i} className="p-dim" x="468" y={66 + i * 16} width={130 - i * 44} height="8" rx="4" />)}
            <rect className="p-answer" x="456" y="118" width="166" height="96" rx="8" />
            {[0, 1, 2, 3].map(i => <rect key={i} className={i === 2 ? 'p-g' : 'p-dim'} x="468" y={132 + i * 18} width={142 - ((i * 29) % 60)} height="8" rx="4" />)}
            <rect className="p-answer" x="456" y="228" width="166" height="70" rx="8" />
            {[0, 1, 2].map(i => <rect key={i} className={i === 1 ? 'p-v' : 'p-dim'} x="468" y={242 + i * 18} width={136 - ((i * 41) % 70)} height="8" rx="4" />)}
            <path className="p-status" d="M0 378h640v10a12 12 0 0 1-12 12H12a12 12 0 0 1-12-12z" />
        </svg>
    );
}
