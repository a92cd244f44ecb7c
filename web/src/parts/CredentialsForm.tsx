import { useEffect, useRef, useState, type SyntheticEvent } from 'react';
import { loginHint } from '../logic/known';
import { safeNext } from '../logic/next';
import { isOwnPage } from '../pages/pages';
import { shell, warmUp } from '../shell';
import { Header } from './Header';
import { ProblemNote } from './ProblemNote';
import { SubmitButton } from './SubmitButton';
import { Link, navigate, useAddress } from './router';
import { useAction } from './useAction';

interface Props {
    title: string;
    submitLabel: string;
    busyLabel: string;
    passwordHint?: string;
    autoComplete: 'current-password' | 'new-password';
    send: (credentials: { email: string; password: string }) => Promise<unknown>;
    /** The other page: who came to the wrong one takes their destination along. */
    other: { question: string; label: string; path: string };
}

/** Which field a problem belongs to. */
const FIELD: Record<string, 'email' | 'password'> = {
    'auth.email_taken': 'email',
    'auth.invalid_email': 'email',
    'auth.weak_password': 'password',
    'auth.bad_credentials': 'password',
};

/** Leaves for where the person wanted to go. The login is no page to come back to. */
function goOn(): void {
    const target = safeNext(new URLSearchParams(location.search).get('next'), location.origin);
    if (isOwnPage(new URL(target, location.origin).pathname)) {
        navigate(target, { replace: true });
    } else {
        location.replace(target);
    }
}

/** Leads on who is logged in already, also when that happened in another tab. */
function useLedOn(): void {
    useEffect(() => {
        let asked: string | undefined;
        let isHere = true;
        const check = () => {
            const hint = loginHint();
            if (!hint || hint === asked || document.hidden) {
                return;
            }
            asked = hint;
            // A login that has ended, or no network: the form is what helps.
            void shell().then(rust => rust.session()).then(() => { if (isHere) { goOn(); } }, () => undefined);
        };
        check();
        document.addEventListener('visibilitychange', check);
        addEventListener('pageshow', check);
        return () => {
            isHere = false;
            document.removeEventListener('visibilitychange', check);
            removeEventListener('pageshow', check);
        };
    }, []);
}

/** E-mail and password: the login and the registration. */
export function CredentialsForm({ title, submitLabel, busyLabel, passwordHint, autoComplete, send, other }: Props) {
    const [email, setEmail] = useState('');
    const [password, setPassword] = useState('');
    const [shown, setShown] = useState(false);
    const { busy, problem, start } = useAction();
    const { search } = useAddress();
    const fields = { email: useRef<HTMLInputElement>(null), password: useRef<HTMLInputElement>(null) };
    const field = problem && FIELD[problem.code];
    useLedOn();
    useEffect(warmUp, []);
    useEffect(() => { if (field) { fields[field].current?.focus(); } }, [problem]);

    async function submit(event: SyntheticEvent): Promise<void> {
        event.preventDefault();
        if (await start(async () => { await send({ email, password }); })) {
            goOn();
        }
    }

    const describedBy = (name: 'email' | 'password', hint?: string) => [hint, field === name && 'problem'].filter(Boolean).join(' ') || undefined;
    return (
        <>
            <Header />
            <main className="narrow" tabIndex={-1}>
                <form className="card" onSubmit={event => void submit(event)}>
                    <h1>{title}</h1>
                    <label htmlFor="email">E-mail</label>
                    <input ref={fields.email} id="email" name="email" type="email" inputMode="email" autoComplete="username" autoCapitalize="off" spellCheck={false} required autoFocus value={email}
                        aria-invalid={field === 'email'} aria-describedby={describedBy('email')} onChange={event => setEmail(event.target.value)} />
                    <label htmlFor="password">Password</label>
                    <div className="with-button">
                        <input ref={fields.password} id="password" name="password" type={shown ? 'text' : 'password'} autoComplete={autoComplete} autoCapitalize="off" spellCheck={false} required
                            value={password} aria-invalid={field === 'password'} aria-describedby={describedBy('password', passwordHint && 'password-hint')}
                            onChange={event => setPassword(event.target.value)} />
                        <button type="button" className="link" aria-label={shown ? 'Hide the characters' : 'Show the characters'} onClick={() => setShown(!shown)}>{shown ? 'Hide' : 'Show'}</button>
                    </div>
                    {passwordHint && <p id="password-hint" className="hint">{passwordHint}</p>}
                    <ProblemNote id="problem" problem={problem} />
                    <SubmitButton busy={busy} busyLabel={busyLabel}>{submitLabel}</SubmitButton>
                    <p className="hint other">{other.question} <Link href={other.path + search}>{other.label}</Link></p>
                </form>
            </main>
        </>
    );
}
