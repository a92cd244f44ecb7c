import { useState, type ReactNode, type SyntheticEvent } from 'react';
import { useSearchParams } from 'react-router';
import { safeNext } from '../next';
import { problemOf, type Problem } from '../shell';
import { Header } from './Header';
import { ProblemNote } from './ProblemNote';

interface Props {
    title: string;
    submitLabel: string;
    busyLabel: string;
    passwordHint?: string;
    autoComplete: 'current-password' | 'new-password';
    send: (credentials: { email: string; password: string }) => Promise<unknown>;
    children: ReactNode;
}

/** Which field a problem belongs to. */
const FIELD: Record<string, 'email' | 'password'> = {
    'auth.email_taken': 'email',
    'auth.invalid_email': 'email',
    'auth.weak_password': 'password',
};

/** E-mail and password: the login and the registration. */
export function CredentialsForm({ title, submitLabel, busyLabel, passwordHint, autoComplete, send, children }: Props) {
    const [email, setEmail] = useState('');
    const [password, setPassword] = useState('');
    const [shown, setShown] = useState(false);
    const [busy, setBusy] = useState(false);
    const [problem, setProblem] = useState<Problem>();
    const [query] = useSearchParams();
    const field = problem && FIELD[problem.code];

    async function submit(event: SyntheticEvent) {
        event.preventDefault();
        setBusy(true);
        setProblem(undefined);
        try {
            await send({ email, password });
            // A whole load, since the target may be the IDE.
            location.assign(safeNext(query.get('next'), location.origin));
        } catch (error) {
            setProblem(problemOf(error));
            setBusy(false);
        }
    }

    return (
        <>
            <Header />
            <main className="narrow">
                <form className="card" onSubmit={event => void submit(event)}>
                    <img src="/logo.svg" alt="" width="48" height="48" />
                    <h1>{title}</h1>
                    <label htmlFor="email">E-mail</label>
                    <input id="email" name="email" type="email" autoComplete="username" required autoFocus value={email}
                        aria-invalid={field === 'email'} onChange={event => setEmail(event.target.value)} />
                    <label htmlFor="password">Password</label>
                    <div className="with-button">
                        <input id="password" name="password" type={shown ? 'text' : 'password'} autoComplete={autoComplete} required value={password}
                            aria-invalid={field === 'password'} aria-describedby={passwordHint ? 'password-hint' : undefined}
                            onChange={event => setPassword(event.target.value)} />
                        <button type="button" className="link" aria-pressed={shown} onClick={() => setShown(!shown)}>{shown ? 'Hide' : 'Show'}</button>
                    </div>
                    {passwordHint && <p id="password-hint" className="hint">{passwordHint}</p>}
                    <ProblemNote problem={problem} />
                    <button type="submit" className="primary" disabled={busy}>{busy ? busyLabel : submitLabel}</button>
                    {children}
                </form>
            </main>
        </>
    );
}

