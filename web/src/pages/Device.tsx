import { useEffect, useState, type ReactNode, type SyntheticEvent } from 'react';
import type { DeviceRequest, UserInfo } from 'coditect-shell';
import { isWholeUserCode, userCode } from '../logic/codes';
import { isLoggedOut, type Problem } from '../logic/problem';
import { Field } from '../parts/Field';
import { Header } from '../parts/Header';
import { PersonMenu } from '../parts/PersonMenu';
import { ProblemNote } from '../parts/ProblemNote';
import { Skeleton } from '../parts/Skeleton';
import { SubmitButton } from '../parts/SubmitButton';
import { When } from '../parts/When';
import { Link, useAddress } from '../parts/router';
import { useAction } from '../parts/useAction';
import { useFault } from '../parts/useFault';
import { leaveForLogin } from '../parts/useLoaded';
import { useSession } from '../parts/useSession';
import { shell } from '../shell';

/** A program without a browser asks to be let in: who it is, and the person's decision. */
export function Device() {
    const { session, problem, reload } = useSession();
    const [late, setLate] = useState<Problem>();
    return (
        <>
            <Header>{session && <PersonMenu user={session.user} onProblem={setLate} />}</Header>
            <main className="narrow" tabIndex={-1}>
                <ProblemNote problem={problem} action={{ label: 'Try again', run: reload }} />
                <ProblemNote problem={late} action={{ label: 'Dismiss', run: () => setLate(undefined) }} />
                {session ? <Steps key={session.user.id} user={session.user} /> : !problem && <Skeleton />}
            </main>
        </>
    );
}

interface Asked {
    code: string;
    request: DeviceRequest;
}

function Steps({ user }: { user: UserInfo }) {
    const { searchParams } = useAddress();
    const [code, setCode] = useState(() => userCode(searchParams.get('code') ?? ''));
    const [asked, setAsked] = useState<Asked>();
    const [decided, setDecided] = useState<'approved' | 'refused'>();
    const look = useAction();

    const find = () => look.start(async () => setAsked({ code, request: await (await shell()).deviceRequest(code) }));
    // The address brought a whole code: what it asks is shown at once, and nothing decided.
    useEffect(() => { if (isWholeUserCode(code)) { void find(); } }, []);
    useEffect(() => { if (look.problem && isLoggedOut(look.problem)) { leaveForLogin(); } }, [look.problem]);
    function again(): void {
        setAsked(undefined);
        setDecided(undefined);
        setCode('');
    }
    if (decided) {
        return <Decided approved={decided === 'approved'} onAgain={again} />;
    }
    return asked
        ? <Decision asked={asked} user={user} onDecided={setDecided} onBack={again} />
        : <Enter code={code} setCode={setCode} busy={look.busy} problem={look.problem} onSubmit={() => void find()} />;
}

interface EnterProps {
    code: string;
    setCode: (code: string) => void;
    busy: boolean;
    problem: Problem | undefined;
    onSubmit: () => void;
}

function Enter({ code, setCode, busy, problem, onSubmit }: EnterProps) {
    const fault = useFault(problem, 'problem', ['user-code']);
    function submit(event: SyntheticEvent): void {
        event.preventDefault();
        onSubmit();
    }
    return (
        <form className="card" onSubmit={submit}>
            <h1>Let a program in</h1>
            <Field id="user-code" label="Code" value={code} onChange={typed => setCode(userCode(typed))} fault={fault('user-code')} hint="The eight characters that the program shows you." className="code" required autoFocus
                autoComplete="off" autoCapitalize="characters" autoCorrect="off" spellCheck={false} placeholder="XXXX-XXXX" />
            <ProblemNote id="problem" problem={problem} />
            <SubmitButton busy={busy} busyLabel="Looking …">Go on</SubmitButton>
        </form>
    );
}

interface DecisionProps {
    asked: Asked;
    user: UserInfo;
    onDecided: (decision: 'approved' | 'refused') => void;
    onBack: () => void;
}

function Decision({ asked: { code, request }, user, onDecided, onBack }: DecisionProps) {
    const { busy, problem, start } = useAction();
    const decide = (approve: boolean) => void start(async () => {
        await (await shell()).decideDevice(code, { approve });
        onDecided(approve ? 'approved' : 'refused');
    });
    return (
        <div className="card stack">
            <h1>Let this program in?</h1>
            <dl className="facts-list">
                <Fact name="Calls itself">{request.client_name}</Fact>
                <Fact name="Shows the code"><code className="code-shown">{code}</code></Fact>
                <Fact name="Asks from">{request.address ?? 'an address that the server does not know'}</Fact>
                <Fact name="Since"><When what="Asked" at={request.created_at} />, <When what="ends" at={request.expires_at} ahead /></Fact>
                <Fact name="Would act as">{user.login}</Fact>
            </dl>
            <p className="warning"><strong>Only go on if you started this program yourself just now, and it shows this very code.</strong> Once in, it can do everything that you can do here, until you end it under <Link href="/account/sessions">Logins</Link>. Any program can claim any name. If somebody sent you the code or a link to this page, refuse.</p>
            <ProblemNote problem={problem} action={{ label: 'Enter another code', run: onBack }} />
            <div className="buttons">
                <button type="button" className="primary" aria-disabled={busy} onClick={() => decide(true)}>Let it in</button>
                <button type="button" aria-disabled={busy} onClick={() => decide(false)}>Refuse</button>
            </div>
        </div>
    );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
    return <><dt>{name}</dt><dd>{children}</dd></>;
}

function Decided({ approved, onAgain }: { approved: boolean; onAgain: () => void }) {
    return (
        <div className="card stack">
            <h1>{approved ? 'The program is in' : 'The program was refused'}</h1>
            <p role="status">{approved ? <>You can close this page and go back to it. It is in the list of your <Link href="/account/sessions">logins</Link>, where you can end it.</> : 'It gets no access. You can close this page.'}</p>
            <p><button type="button" className="link" onClick={onAgain}>Enter another code</button></p>
        </div>
    );
}
