import { useEffect, useState } from 'react';
import type { AuthConfig } from 'coditect-shell';
import { resetOf } from '../logic/links';
import { Door } from '../parts/Door';
import { Field, NewPasswordField } from '../parts/Field';
import { ProblemNote } from '../parts/ProblemNote';
import { Skeleton } from '../parts/Skeleton';
import { SubmitButton } from '../parts/SubmitButton';
import { Link } from '../parts/router';
import { useAction } from '../parts/useAction';
import { useFault } from '../parts/useFault';
import { useAuthConfig } from '../parts/useSession';
import { shell, warmUp } from '../shell';

const TITLE = 'Reset your password';

/** A forgotten password: a code by mail or from an admin, and with it a new one. */
export function ResetPassword() {
    const { value: config, problem, reload } = useAuthConfig();
    // The link of a mail; read once, and taken out of the address so that it does not stay in the history.
    const [given] = useState(() => resetOf(location.hash));
    const [login, setLogin] = useState(given.login);
    const [step, setStep] = useState<'ask' | 'mailed' | 'code' | 'done'>(given.code ? 'code' : 'ask');
    useEffect(() => {
        warmUp();
        if (location.hash) {
            history.replaceState(null, '', location.pathname);
        }
    }, []);
    if (!config) {
        return <Door title={TITLE}>{problem ? <ProblemNote problem={problem} action={{ label: 'Try again', run: reload }} /> : <Skeleton />}</Door>;
    }
    if (step === 'done') {
        return <Done />;
    }
    if (step === 'ask' && config.sends_mail) {
        return <Ask login={login} setLogin={setLogin} onMailed={() => setStep('mailed')} onHasCode={() => setStep('code')} />;
    }
    return <WithCode {...{ config, login, setLogin }} code={given.code} mailed={step === 'mailed'} onDone={() => setStep('done')} />;
}

interface AskProps {
    login: string;
    setLogin: (login: string) => void;
    onMailed: () => void;
    onHasCode: () => void;
}

function Ask({ login, setLogin, onMailed, onHasCode }: AskProps) {
    const { busy, problem, start } = useAction();
    async function submit(): Promise<void> {
        if (await start(async () => { await (await shell()).forgotPassword({ login }); })) {
            onMailed();
        }
    }
    return (
        <Door title={TITLE} onSubmit={() => void submit()}>
            <p className="hint">If your account has an e-mail address, a code is sent there.</p>
            <Field id="login" label="E-mail or name" value={login} onChange={setLogin} autoComplete="username" autoCapitalize="off" autoCorrect="off" spellCheck={false} required autoFocus />
            <ProblemNote problem={problem} />
            <SubmitButton busy={busy} busyLabel="Asking …">Send a code</SubmitButton>
            <p className="hint other"><button type="button" className="link" onClick={onHasCode}>I have a code</button></p>
            <p className="hint"><Link href="/login">Back to the login</Link></p>
        </Door>
    );
}

interface CodeProps {
    config: AuthConfig;
    login: string;
    setLogin: (login: string) => void;
    code: string;
    /** Whether a mail was just asked for. */
    mailed: boolean;
    onDone: () => void;
}

function WithCode({ config, login, setLogin, code: given, mailed, onDone }: CodeProps) {
    const [code, setCode] = useState(given);
    const [password, setPassword] = useState('');
    const { busy, problem, start } = useAction();
    const fault = useFault(problem, 'problem', ['code', 'new-password']);
    async function submit(): Promise<void> {
        if (await start(async () => { await (await shell()).resetPassword({ login, code: code.trim(), new_password: password }); })) {
            onDone();
        }
    }
    return (
        <Door title={TITLE} onSubmit={() => void submit()}>
            <p className="hint" role="status">{word(config, mailed)}</p>
            <Field id="login" label="E-mail or name" value={login} onChange={setLogin} autoComplete="username" autoCapitalize="off" autoCorrect="off" spellCheck={false} required autoFocus={!login} />
            <Field id="code" label="Code" value={code} onChange={setCode} fault={fault('code')} autoComplete="off" autoCapitalize="off" autoCorrect="off" spellCheck={false} required autoFocus={login !== '' && !given} />
            <NewPasswordField id="new-password" label="New password" rules={config} value={password} onChange={setPassword} fault={fault('new-password')} autoFocus={login !== '' && given !== ''} />
            <ProblemNote id="problem" problem={problem} />
            <SubmitButton busy={busy} busyLabel="Setting it …">Set the new password</SubmitButton>
            <p className="hint other"><Link href="/login">Back to the login</Link></p>
        </Door>
    );
}

function word(config: AuthConfig, mailed: boolean): string {
    if (mailed) {
        return 'If there is such an account and it has an e-mail address, a mail with a code is on its way. Without an address, ask an admin of this server for a code.';
    }
    return config.sends_mail ? 'Enter the code from the mail, or the one that an admin gave you.' : 'This server sends no mail. Ask an admin of it for a reset code, then enter it here.';
}

function Done() {
    return (
        <Door title="The new password is set">
            <p role="status">Every login of the account was ended, and its access tokens were revoked. Log in with the new password.</p>
            <Link href="/login" className="button primary">Log in</Link>
        </Door>
    );
}
