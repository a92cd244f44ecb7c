import { useEffect, useRef, useState } from 'react';
import type { Scope, TokenEntry, TokenMade, UserInfo } from 'coditect-shell';
import { plainCode } from '../../logic/codes';
import type { Problem } from '../../logic/problem';
import { DAYS, FOR_ADMINS, SCOPES } from '../../logic/scopes';
import { ActionDialog } from '../../parts/ActionDialog';
import { CodeField } from '../../parts/CodeField';
import { Field, HiddenLogin, PasswordField, Select } from '../../parts/Field';
import { Copyable, Once } from '../../parts/Once';
import { ProblemNote } from '../../parts/ProblemNote';
import { Skeleton } from '../../parts/Skeleton';
import { When } from '../../parts/When';
import { Link, navigate, useAddress } from '../../parts/router';
import { useLoaded } from '../../parts/useLoaded';
import { useSecondFactor } from '../../parts/useSecondFactor';
import { shell } from '../../shell';

/** What a link may ask a new token to be for; a person who follows one must not give away more than they see. */
const LINKED: readonly Scope[] = ['llm'];
/** Days that a new token lasts unless another number is chosen. */
const USUAL_DAYS = 30;

export function Tokens({ user }: { user: UserInfo }) {
    const { value: tokens, problem, reload, change } = useLoaded<TokenEntry[]>(async () => (await shell()).listTokens());
    const [late, setLate] = useState<Problem>();
    const [makes, setMakes] = useState<readonly Scope[]>();
    const [made, setMade] = useState<TokenMade>();
    const [leaving, setLeaving] = useState<TokenEntry>();
    const heading = useRef<HTMLHeadingElement>(null);
    const asked = useAddress().searchParams.get('scope');
    const linked = LINKED.find(scope => scope === asked);
    useEffect(() => {
        if (linked) {
            setMakes([linked]);
            navigate('/account/tokens', { replace: true });
        }
    }, [linked]);

    async function revoke(token: TokenEntry): Promise<void> {
        await (await shell()).revokeToken(token.id);
        change(list => list.filter(({ id }) => id !== token.id));
        setMade(now => now?.entry.id === token.id ? undefined : now);
        reload();
        heading.current?.focus();
    }
    function added(token: TokenMade): void {
        setMade(token);
        change(list => [token.entry, ...list]);
        reload();
    }
    return (
        <>
            <div className="title-row">
                <h1 ref={heading} tabIndex={-1}>Access tokens</h1>
                <button type="button" className="primary" onClick={() => setMakes([])}>New token</button>
            </div>
            <p className="hint">A token lets a program act for you without your password, and only for what you allow. The <Link href="/api-docs">API</Link> takes it as <code>Authorization: Bearer …</code>.</p>
            {made && (
                <Once title="Copy the token now" onDone={() => setMade(undefined)}>
                    <p>It is shown only this once. Whoever has it can do in your name what it allows.</p>
                    <Copyable label="Token" text={made.token} />
                </Once>
            )}
            <ProblemNote problem={problem} action={{ label: 'Try again', run: reload }} />
            <ProblemNote problem={late} action={{ label: 'Dismiss', run: () => setLate(undefined) }} />
            {!tokens && !problem && <Skeleton rows={2} />}
            {tokens?.length === 0 && <p className="nothing">You have no token.</p>}
            <ul className="rows">{tokens?.map(token => <Row key={token.id} token={token} onRevoke={() => setLeaving(token)} />)}</ul>
            {makes && <NewToken user={user} start={makes} onClose={() => setMakes(undefined)} onLate={setLate} onDone={added} />}
            {leaving && (
                <ActionDialog title="Revoke the token" label="Revoke it" busyLabel="Revoking …" className="danger" run={() => revoke(leaving)} onClose={() => setLeaving(undefined)} onLate={setLate}>
                    <p>Programs that use <strong>{leaving.name}</strong> (…{leaving.ends_with}) are refused from then on. It cannot be undone.</p>
                </ActionDialog>
            )}
        </>
    );
}

function Row({ token, onRevoke }: { token: TokenEntry; onRevoke: () => void }) {
    const isOver = token.expires_at <= Date.now();
    return (
        <li className="card line">
            <div className="grow">
                <h2>{token.name} <code className="hint">…{token.ends_with}</code> {isOver && <span className="badge bad">Over</span>}</h2>
                <p className="hint scopes">{token.scopes.map(scope => <code key={scope}>{scope}</code>)}</p>
                <p className="hint facts">
                    <When what="Made" at={token.created_at} />
                    {token.used_at ? <When what="Last used" at={token.used_at} /> : <span>Never used</span>}
                    {isOver ? <When what="Ended" at={token.expires_at} /> : <When what="Ends" at={token.expires_at} ahead />}
                </p>
            </div>
            <button type="button" aria-label={`Revoke ${token.name}`} onClick={onRevoke}>Revoke</button>
        </li>
    );
}

interface NewProps {
    user: UserInfo;
    /** What it is for to begin with. */
    start: readonly Scope[];
    onClose: () => void;
    onLate: (problem: Problem) => void;
    onDone: (token: TokenMade) => void;
}

function NewToken({ user, start, onClose, onLate, onDone }: NewProps) {
    const [name, setName] = useState('');
    const [scopes, setScopes] = useState(start);
    const [days, setDays] = useState(USUAL_DAYS);
    const [password, setPassword] = useState('');
    const [code, setCode] = useState('');
    const [refusal, setRefusal] = useState<Problem>();
    const asksCode = useSecondFactor(refusal);
    const offered = SCOPES.filter(([scope]) => !FOR_ADMINS.includes(scope) || user.role === 'admin');
    const toggle = (scope: Scope) => setScopes(now => now.includes(scope) ? now.filter(each => each !== scope) : [...now, scope]);
    return (
        <ActionDialog title="New access token" label="Make the token" busyLabel="Making it …" className="primary" cancelLabel="Cancel" disabled={scopes.length === 0} onClose={onClose} onLate={onLate}
            onProblem={setRefusal} run={async () => onDone(await (await shell()).makeToken({ name: name.trim(), scopes: [...scopes], expires_in_days: days, password, ...(asksCode && { code: plainCode(code) }) }))}>
            {fault => (
                <>
                    <Field id="token-name" label="What it is for" value={name} onChange={setName} required autoComplete="off" placeholder="Backup script" data-first />
                    <fieldset>
                        <legend>What it may be used for</legend>
                        {offered.map(([scope, sentence]) => (
                            <label key={scope} className="check">
                                <input type="checkbox" checked={scopes.includes(scope)} onChange={() => toggle(scope)} />
                                <span><code>{scope}</code> <span className="hint">{sentence}</span></span>
                            </label>
                        ))}
                    </fieldset>
                    <Select id="token-days" label="Lasts" value={days} choices={DAYS} onChange={setDays} />
                    <HiddenLogin login={user.login} />
                    <PasswordField id="current-password" label="Your password" autoComplete="current-password" value={password} onChange={setPassword} fault={fault('current-password')} />
                    {asksCode && <CodeField value={code} onChange={setCode} fault={fault('code')} recovery />}
                </>
            )}
        </ActionDialog>
    );
}
