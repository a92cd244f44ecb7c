import { useRef, useState } from 'react';
import type { InviteEntry, InviteMade, Role } from 'coditect-shell';
import { inviteLink } from '../../logic/links';
import type { Problem } from '../../logic/problem';
import { DAYS } from '../../logic/scopes';
import { ActionDialog } from '../../parts/ActionDialog';
import { Field, Select } from '../../parts/Field';
import { Copyable, Once } from '../../parts/Once';
import { ProblemNote } from '../../parts/ProblemNote';
import { Skeleton } from '../../parts/Skeleton';
import { When } from '../../parts/When';
import { useLoaded } from '../../parts/useLoaded';
import { useAuthConfig } from '../../parts/useSession';
import { shell } from '../../shell';

/** Days that an invitation lasts unless another number is chosen. */
const USUAL_DAYS = 7;
const ROLES: readonly (readonly [Role, string])[] = [['member', 'Member'], ['admin', 'Admin']];

/** Who may register, told to whom makes invitations. */
const POLICY = {
    open: 'Everybody who reaches this server may register; an invitation is needed only to make somebody an admin from the start.',
    invite: 'Only who has an invitation may register.',
    closed: 'Registration is closed by the server’s settings: invitations wait until that changes.',
} as const;

export function Invites() {
    const { value: config } = useAuthConfig();
    const { value: invites, problem, reload, change } = useLoaded<InviteEntry[]>(async () => (await shell()).listInvites());
    const [late, setLate] = useState<Problem>();
    const [makes, setMakes] = useState(false);
    const [made, setMade] = useState<InviteMade>();
    const [leaving, setLeaving] = useState<InviteEntry>();
    const heading = useRef<HTMLHeadingElement>(null);

    function added(invite: InviteMade): void {
        setMade(invite);
        change(list => [invite.entry, ...list]);
        reload();
    }
    async function revoke(invite: InviteEntry): Promise<void> {
        await (await shell()).revokeInvite(invite.id);
        change(list => list.filter(({ id }) => id !== invite.id));
        setMade(now => now?.entry.id === invite.id ? undefined : now);
        reload();
        heading.current?.focus();
    }
    return (
        <>
            <div className="title-row">
                <h1 ref={heading} tabIndex={-1}>Invitations</h1>
                <button type="button" className="primary" onClick={() => setMakes(true)}>New invitation</button>
            </div>
            {config && <p className="hint">{POLICY[config.registration]}</p>}
            {made && (
                <Once title="Copy the invitation now" onDone={() => setMade(undefined)}>
                    <p>It is shown only this once, and good once. Give it {made.entry.login ? <>to <strong>{made.entry.login}</strong></> : 'to one person'} over a way that you trust.</p>
                    <Copyable label="Link" text={inviteLink(made.code, location.origin)} />
                    <Copyable label="Code" text={made.code} />
                </Once>
            )}
            <ProblemNote problem={problem} action={{ label: 'Try again', run: reload }} />
            <ProblemNote problem={late} action={{ label: 'Dismiss', run: () => setLate(undefined) }} />
            {!invites && !problem && <Skeleton rows={2} />}
            {invites?.length === 0 && <p className="nothing">No invitation is open.</p>}
            <ul className="rows">{invites?.map(invite => <Row key={invite.id} invite={invite} onRevoke={() => setLeaving(invite)} />)}</ul>
            {makes && <NewInvite onClose={() => setMakes(false)} onLate={setLate} onDone={added} />}
            {leaving && (
                <ActionDialog title="Revoke the invitation" label="Revoke it" busyLabel="Revoking …" className="danger" run={() => revoke(leaving)} onClose={() => setLeaving(undefined)} onLate={setLate}>
                    <p>The invitation for {nameOf(leaving)} lets in nobody from then on.</p>
                </ActionDialog>
            )}
        </>
    );
}

const nameOf = ({ login }: InviteEntry) => login ?? 'whoever has the code';

function Row({ invite, onRevoke }: { invite: InviteEntry; onRevoke: () => void }) {
    return (
        <li className="card line">
            <div className="grow">
                <h2>{invite.login ?? 'Whoever has the code'} {invite.role === 'admin' && <span className="badge">Admin</span>}</h2>
                <p className="hint facts"><When what="Made" at={invite.created_at} /><When what="Ends" at={invite.expires_at} ahead /></p>
            </div>
            <button type="button" aria-label={`Revoke the invitation for ${nameOf(invite)}`} onClick={onRevoke}>Revoke</button>
        </li>
    );
}

interface NewProps {
    onClose: () => void;
    onLate: (problem: Problem) => void;
    onDone: (invite: InviteMade) => void;
}

function NewInvite({ onClose, onLate, onDone }: NewProps) {
    const [login, setLogin] = useState('');
    const [role, setRole] = useState<Role>('member');
    const [days, setDays] = useState(USUAL_DAYS);
    return (
        <ActionDialog title="New invitation" label="Make the invitation" busyLabel="Making it …" className="primary" cancelLabel="Cancel" onClose={onClose} onLate={onLate}
            run={async () => {
                const given = login.trim();
                onDone(await (await shell()).makeInvite({ ...(given ? { login: given } : {}), role, expires_in_days: days }));
            }}>
            {fault => (
                <>
                    <Field id="login" label={<>For <span className="hint">(optional)</span></>} value={login} onChange={setLogin} fault={fault('login')} autoComplete="off" autoCapitalize="off" spellCheck={false} data-first
                        hint="E-mail or name: only that can register with it then. Empty: whoever has the code." />
                    <Select id="invite-role" label="Becomes" value={role} choices={ROLES} onChange={setRole} />
                    <Select id="invite-days" label="Lasts" value={days} choices={DAYS.filter(([count]) => count <= 30)} onChange={setDays} />
                </>
            )}
        </ActionDialog>
    );
}
