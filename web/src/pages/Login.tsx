import { useEffect, useState } from 'react';
import type { LoginStep, SecondFactorChallenge } from 'coditect-shell';
import { plainCode } from '../logic/codes';
import type { Problem } from '../logic/problem';
import { CodeField } from '../parts/CodeField';
import { Door } from '../parts/Door';
import { Field, PasswordField } from '../parts/Field';
import { ProblemNote } from '../parts/ProblemNote';
import { SubmitButton } from '../parts/SubmitButton';
import { goOn, useLedOn } from '../parts/enter';
import { Link, useAddress } from '../parts/router';
import { useAction } from '../parts/useAction';
import { useFault } from '../parts/useFault';
import { useAuthConfig } from '../parts/useSession';
import { shell, warmUp } from '../shell';

const TOO_LATE: Problem = { code: 'auth.second_factor_ticket', message: 'The code came too late for this login; log in again.' };

/** Name and password, then the second factor where the account has one. What was typed stays until the person is in. */
export function Login() {
    const [login, setLogin] = useState('');
    const [password, setPassword] = useState('');
    const [challenge, setChallenge] = useState<SecondFactorChallenge>();
    const action = useAction();
    useLedOn();
    useEffect(warmUp, []);

    async function begin(): Promise<void> {
        let step: LoginStep | undefined;
        await action.start(async () => { step = await (await shell()).login({ login, password }); });
        if (step?.type === 'done') {
            goOn();
        }
        setChallenge(step?.type === 'second_factor' ? step.challenge : undefined);
    }
    function back(late: boolean): void {
        setChallenge(undefined);
        action.setProblem(late ? TOO_LATE : undefined);
    }
    return challenge
        ? <SecondStep key={challenge.ticket} challenge={challenge} onBack={back} />
        : <FirstStep {...{ login, setLogin, password, setPassword, action }} onSubmit={() => void begin()} />;
}

interface FirstProps {
    login: string;
    setLogin: (login: string) => void;
    password: string;
    setPassword: (password: string) => void;
    action: ReturnType<typeof useAction>;
    onSubmit: () => void;
}

function FirstStep({ login, setLogin, password, setPassword, action: { busy, problem }, onSubmit }: FirstProps) {
    const { search } = useAddress();
    const { value: config } = useAuthConfig();
    const fault = useFault(problem, 'problem', ['login', 'password']);
    return (
        <Door title="Log in" onSubmit={onSubmit}>
            <Field id="login" label="E-mail or name" value={login} onChange={setLogin} fault={fault('login')} autoComplete="username" autoCapitalize="off" autoCorrect="off" spellCheck={false} required autoFocus />
            <PasswordField id="password" label="Password" value={password} onChange={setPassword} fault={fault('password')} autoComplete="current-password" />
            <ProblemNote id="problem" problem={problem} />
            <SubmitButton busy={busy} busyLabel="Logging in …">Log in</SubmitButton>
            <p className="hint other"><Link href="/reset-password">Forgot password?</Link></p>
            {config?.registration !== 'closed' && <p className="hint">New here? <Link href={`/register${search}`}>Create an account</Link></p>}
        </Door>
    );
}

function SecondStep({ challenge, onBack }: { challenge: SecondFactorChallenge; onBack: (late: boolean) => void }) {
    const [code, setCode] = useState('');
    const { busy, problem, start } = useAction();
    const fault = useFault(problem, 'problem', ['code']);
    useEffect(() => {
        const timer = setTimeout(() => onBack(true), challenge.expires_in * 1000);
        return () => clearTimeout(timer);
    }, []);
    useEffect(() => { if (problem?.code === 'auth.second_factor_ticket') { onBack(true); } }, [problem]);

    async function submit(): Promise<void> {
        await start(async () => {
            await (await shell()).answerSecondFactor({ ticket: challenge.ticket, code: plainCode(code) });
            goOn();
        });
    }
    return (
        <Door title="Second factor" onSubmit={() => void submit()}>
            <CodeField value={code} onChange={setCode} fault={fault('code')} recovery={challenge.methods.includes('recovery_code')} submits autoFocus />
            <ProblemNote id="problem" problem={problem} />
            <SubmitButton busy={busy} busyLabel="Checking …">Go on</SubmitButton>
            <p className="hint other"><button type="button" className="link" onClick={() => onBack(false)}>Back</button></p>
        </Door>
    );
}
