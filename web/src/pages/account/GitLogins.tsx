import { useRef, useState } from 'react';
import type { GitCredential } from 'coditect-shell';
import type { Problem } from '../../logic/problem';
import { ActionDialog } from '../../parts/ActionDialog';
import { Field, PasswordField } from '../../parts/Field';
import { ProblemNote } from '../../parts/ProblemNote';
import { Skeleton } from '../../parts/Skeleton';
import { When } from '../../parts/When';
import { useLoaded } from '../../parts/useLoaded';
import { shell } from '../../shell';

const nameOf = ({ username, host }: GitCredential) => `${username} at ${host}`;
/** The server keeps one for each host and name. */
const isSame = (one: GitCredential, other: GitCredential) => one.host === other.host && one.username === other.username;
/** As the server lists them. */
const inOrder = (a: GitCredential, b: GitCredential) => a.host.localeCompare(b.host) || a.username.localeCompare(b.username);

/** What a person's git logs in with at other sites. */
export function GitLogins() {
    const { value: logins, problem, reload, change } = useLoaded<GitCredential[]>(async () => (await shell()).listGitCredentials());
    const [late, setLate] = useState<Problem>();
    const [adds, setAdds] = useState(false);
    const [leaving, setLeaving] = useState<GitCredential>();
    const heading = useRef<HTMLHeadingElement>(null);

    async function forget(login: GitCredential): Promise<void> {
        await (await shell()).removeGitCredential(login.id);
        change(list => list.filter(({ id }) => id !== login.id));
        reload();
        heading.current?.focus();
    }
    function added(login: GitCredential): void {
        change(list => [...list.filter(other => !isSame(other, login)), login].toSorted(inOrder));
        reload();
    }
    return (
        <>
            <div className="title-row">
                <h1 ref={heading} tabIndex={-1}>Git logins</h1>
                <button type="button" className="primary" onClick={() => setAdds(true)}>Add a login</button>
            </div>
            <p className="hint">What your git logs in with when you fetch from or push to another site. The IDE asks for a login when a site wants one. Each is kept encrypted, shown to nobody, and sent to its own site only.</p>
            <ProblemNote problem={problem} action={{ label: 'Try again', run: reload }} />
            <ProblemNote problem={late} action={{ label: 'Dismiss', run: () => setLate(undefined) }} />
            {!logins && !problem && <Skeleton rows={2} />}
            {logins?.length === 0 && <p className="nothing">You have no login for another site.</p>}
            <ul className="rows">{logins?.map(login => <Row key={login.id} login={login} onForget={() => setLeaving(login)} />)}</ul>
            {adds && <AddLogin onClose={() => setAdds(false)} onLate={setLate} onDone={added} />}
            {leaving && (
                <ActionDialog title="Forget the login" label="Forget it" busyLabel="Forgetting it …" className="danger" run={() => forget(leaving)} onClose={() => setLeaving(undefined)} onLate={setLate}>
                    <p>Your git is no longer logged in as <strong>{leaving.username}</strong> at <strong>{leaving.host}</strong>, and asks again when it needs to be. At the site itself nothing changes.</p>
                </ActionDialog>
            )}
        </>
    );
}

function Row({ login, onForget }: { login: GitCredential; onForget: () => void }) {
    const { host, username, created_at: created, used_at: used } = login;
    return (
        <li className="card line">
            <div className="grow">
                <h2 className="path" title={host}>{host}</h2>
                <p className="hint facts">
                    <span className="path" title={username}>{username}</span>
                    <When what="Added" at={created} />
                    {used ? <When what="Last used" at={used} /> : <span>Never used</span>}
                </p>
            </div>
            <button type="button" aria-label={`Forget ${nameOf(login)}`} onClick={onForget}>Forget</button>
        </li>
    );
}

interface AddProps {
    onClose: () => void;
    onLate: (problem: Problem) => void;
    onDone: (login: GitCredential) => void;
}

function AddLogin({ onClose, onLate, onDone }: AddProps) {
    const [host, setHost] = useState('');
    const [username, setUsername] = useState('');
    const [secret, setSecret] = useState('');
    return (
        <ActionDialog title="Add a git login" label="Keep the login" busyLabel="Keeping it …" className="primary" cancelLabel="Cancel" onClose={onClose} onLate={onLate}
            run={async () => onDone(await (await shell()).addGitCredential({ host: host.trim(), username: username.trim(), secret }))}>
            <Field id="git-host" label="Site" value={host} onChange={setHost} required autoComplete="off" autoCapitalize="off" spellCheck={false} placeholder="git.example.org" data-first
                hint="Its name, with the port if it has one of its own." />
            <Field id="git-username" label="Your name there" value={username} onChange={setUsername} required autoComplete="off" autoCapitalize="off" spellCheck={false} />
            {/* A browser fills in the password of this server for anything but a new one. */}
            <PasswordField id="git-secret" label="Access token or password" autoComplete="new-password" value={secret} onChange={setSecret}
                hint="It takes the place of the one that is kept for the same site and name." />
        </ActionDialog>
    );
}
