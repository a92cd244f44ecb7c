import { useEffect, useState } from 'react';
import type { AuthConfig } from 'coditect-shell';
import { Door } from '../parts/Door';
import { Field, NewPasswordField } from '../parts/Field';
import { ProblemNote } from '../parts/ProblemNote';
import { Skeleton } from '../parts/Skeleton';
import { SubmitButton } from '../parts/SubmitButton';
import { goOn, useLedOn } from '../parts/enter';
import { Link, useAddress } from '../parts/router';
import { useAction } from '../parts/useAction';
import { useFault } from '../parts/useFault';
import { useAuthConfig } from '../parts/useSession';
import { shell, warmUp } from '../shell';

const TITLE = 'Create your account';

export function Register() {
    const { searchParams } = useAddress();
    const { value: config, problem, reload } = useAuthConfig();
    useLedOn();
    useEffect(warmUp, []);
    if (!config) {
        return <Door title={TITLE}>{problem ? <ProblemNote problem={problem} action={{ label: 'Try again', run: reload }} /> : <Skeleton />}</Door>;
    }
    const invite = searchParams.get('invite') ?? '';
    return config.registration === 'closed' ? <Closed /> : <Form config={config} invited={invite} />;
}

function Closed() {
    return (
        <Door title="Registration is closed">
            <p>On this server accounts are made by who runs it; ask them for one.</p>
            <p className="hint"><LogIn /></p>
        </Door>
    );
}

/** Who came to the wrong page takes their destination along, but no invitation. */
function LogIn() {
    const { searchParams } = useAddress();
    const next = searchParams.get('next');
    return <>Already registered? <Link href={next ? `/login?next=${encodeURIComponent(next)}` : '/login'}>Log in</Link></>;
}

function Form({ config, invited }: { config: AuthConfig; invited: string }) {
    const [login, setLogin] = useState('');
    const [password, setPassword] = useState('');
    const [invite, setInvite] = useState(invited);
    const { busy, problem, start } = useAction();
    const fault = useFault(problem, 'problem', ['login', 'password', 'invite']);
    const asksInvite = config.registration === 'invite' || invited !== '' || invite !== '' || problem?.code === 'auth.invite_needed';

    async function submit(): Promise<void> {
        const given = invite.trim();
        const isIn = await start(async () => { await (await shell()).register({ login, password, ...(given ? { invite: given } : {}) }); });
        if (isIn) {
            goOn();
        }
    }
    return (
        <Door title={TITLE} onSubmit={() => void submit()}>
            {asksInvite && (
                <Field id="invite" label="Invitation" value={invite} onChange={setInvite} fault={fault('invite')} hint="The code that an admin of this server gave you." autoComplete="off" autoCapitalize="off"
                    autoCorrect="off" spellCheck={false} required={config.registration === 'invite'} autoFocus={!invited} />
            )}
            <Field id="login" label="E-mail or name" value={login} onChange={setLogin} fault={fault('login')} autoComplete="username" autoCapitalize="off" autoCorrect="off" spellCheck={false} required
                autoFocus={!asksInvite || invited !== ''} hint={config.sends_mail ? 'With an e-mail address you can reset a forgotten password yourself.' : undefined} />
            <NewPasswordField id="password" label="Password" rules={config} value={password} onChange={setPassword} fault={fault('password')} />
            <ProblemNote id="problem" problem={problem}>
                {problem?.code === 'auth.login_taken' && <Link href="/login">Log in</Link>}
            </ProblemNote>
            <SubmitButton busy={busy} busyLabel="Creating …">Create account</SubmitButton>
            <p className="hint other"><LogIn /></p>
        </Door>
    );
}
