import { useState, type SyntheticEvent } from 'react';
import type { UserInfo } from 'coditect-shell';
import { plainCode } from '../../logic/codes';
import { CodeField } from '../../parts/CodeField';
import { HiddenLogin, NewPasswordField, PasswordField } from '../../parts/Field';
import { ProblemNote } from '../../parts/ProblemNote';
import { SubmitButton } from '../../parts/SubmitButton';
import { Link } from '../../parts/router';
import { useAction } from '../../parts/useAction';
import { useFault } from '../../parts/useFault';
import { useSecondFactor } from '../../parts/useSecondFactor';
import { useAuthConfig } from '../../parts/useSession';
import { shell } from '../../shell';

export function Password({ user }: { user: UserInfo }) {
    const { value: rules } = useAuthConfig();
    const [current, setCurrent] = useState('');
    const [password, setPassword] = useState('');
    const [code, setCode] = useState('');
    const [done, setDone] = useState(false);
    const { busy, problem, start } = useAction();
    const asksCode = useSecondFactor(problem);
    const fault = useFault(problem, 'problem', ['current-password', 'new-password', 'code']);

    async function submit(event: SyntheticEvent): Promise<void> {
        event.preventDefault();
        setDone(false);
        if (await start(async () => { await (await shell()).changePassword({ current_password: current, new_password: password, ...(asksCode && { code: plainCode(code) }) }); })) {
            setCurrent('');
            setPassword('');
            setCode('');
            setDone(true);
        }
    }
    return (
        <>
            <h1>Password</h1>
            <p className="hint">Another password ends every other login of yours; this one stays. Access tokens stay, too; only a <Link href="/reset-password">reset</Link> revokes them.</p>
            <form className="card slim" onSubmit={event => void submit(event)}>
                <HiddenLogin login={user.login} />
                <PasswordField id="current-password" label="Password until now" autoComplete="current-password" value={current} onChange={setCurrent} fault={fault('current-password')} />
                <NewPasswordField id="new-password" label="New password" rules={rules} value={password} onChange={setPassword} fault={fault('new-password')} />
                {asksCode && <CodeField value={code} onChange={setCode} fault={fault('code')} recovery />}
                <ProblemNote id="problem" problem={problem} />
                <SubmitButton busy={busy} busyLabel="Changing …">Change the password</SubmitButton>
                <p className="good" role="status">{done && 'Your password is changed, and every other login was ended.'}</p>
                <p className="hint">Forgotten? <Link href="/reset-password">Reset it</Link></p>
            </form>
        </>
    );
}
