import { useState } from 'react';
import type { UserInfo, Workspace, WorkspaceMember, WorkspaceRole } from 'coditect-shell';
import { GIVEN_ROLES, mayAdminister, roleName } from '../logic/roles';
import { shell } from '../shell';
import { ActionDialog } from './ActionDialog';
import { Dialog } from './Dialog';
import { Field, Select } from './Field';
import { ProblemNote } from './ProblemNote';
import { SubmitButton } from './SubmitButton';
import { useAction } from './useAction';
import { useFault } from './useFault';
import { useLoaded } from './useLoaded';

interface Props {
    workspace: Workspace;
    user: UserInfo;
    onClose: () => void;
    /** Hears how many members there are. */
    onCount: (members: number) => void;
}

/** Who may use a workspace; who administers it changes that here. */
export function MembersDialog({ workspace, user, onClose, onCount }: Props) {
    const { value: members, problem, reload, change } = useLoaded(async () => (await shell()).listMembers(workspace.id));
    const [told, setTold] = useState('');
    function edit(how: (members: WorkspaceMember[]) => WorkspaceMember[], sentence: string): void {
        change(now => {
            const next = how(now);
            // The owner stands in the list as well.
            onCount(next.length - 1);
            return next;
        });
        setTold(sentence);
    }
    const manages = mayAdminister(workspace);
    return (
        <Dialog title={`Members of ${workspace.name}`} onClose={onClose}>
            {manages && <AddMember workspace={workspace} onAdded={added => edit(all => [...all.filter(each => each.user !== added.user), added], `${added.name} can use it now.`)} />}
            <ProblemNote problem={problem} action={{ label: 'Try again', run: reload }} />
            {!members && !problem && <p className="hint" aria-busy="true">Loading …</p>}
            <ul className="members">
                {members?.map(member => (
                    <Member key={member.user} workspace={workspace} member={member} isSelf={member.user === user.id} manages={manages}
                        onChanged={changed => edit(all => all.map(each => each.user === changed.user ? changed : each), `${changed.name}: ${roleName(changed.role)}.`)}
                        onRemoved={() => edit(all => all.filter(each => each.user !== member.user), `${member.name} cannot use it any more.`)} />
                ))}
            </ul>
            <p role="status" className="good">{told}</p>
        </Dialog>
    );
}

const FIELDS = ['login'] as const;

function AddMember({ workspace, onAdded }: { workspace: Workspace; onAdded: (member: WorkspaceMember) => void }) {
    const [login, setLogin] = useState('');
    const [role, setRole] = useState<WorkspaceRole>('write');
    const { busy, problem, start } = useAction();
    const fault = useFault(problem, 'add-problem', FIELDS);
    async function add(): Promise<void> {
        onAdded(await (await shell()).addMember(workspace.id, login.trim(), role));
        setLogin('');
    }
    return (
        <form onSubmit={event => { event.preventDefault(); void start(add); }}>
            <Field id="login" label="Add somebody" value={login} onChange={setLogin} fault={fault('login')} required data-first autoComplete="off" autoCapitalize="off" spellCheck={false}
                hint="The name or e-mail address that they log in with here." />
            <Select<WorkspaceRole> id="role" label="What they may do" value={role} choices={GIVEN_ROLES} onChange={setRole} />
            <ProblemNote id="add-problem" problem={problem} />
            <SubmitButton busy={busy} busyLabel="Adding …" className="primary">Add</SubmitButton>
        </form>
    );
}

interface MemberProps {
    workspace: Workspace;
    member: WorkspaceMember;
    isSelf: boolean;
    manages: boolean;
    onChanged: (member: WorkspaceMember) => void;
    onRemoved: () => void;
}

function Member({ workspace, member, isSelf, manages, onChanged, onRemoved }: MemberProps) {
    const { busy, problem, start } = useAction();
    const canChange = manages && member.role !== 'owner' && !isSelf;
    const change = (role: WorkspaceRole) => void start(async () => onChanged(await (await shell()).changeMember(workspace.id, member.user, role)));
    const remove = () => void start(async () => {
        await (await shell()).removeMember(workspace.id, member.user);
        onRemoved();
    });
    return (
        <li>
            <span className="grow">{member.name}{isSelf && ' (you)'}</span>
            {canChange ? (
                <>
                    <select aria-label={`What ${member.name} may do`} value={member.role} disabled={busy} onChange={event => change(event.target.value as WorkspaceRole)}>
                        {GIVEN_ROLES.map(([role]) => <option key={role} value={role}>{roleName(role)}</option>)}
                    </select>
                    <button type="button" disabled={busy} onClick={remove} aria-label={`Remove ${member.name}`}>Remove</button>
                </>
            ) : <span className="hint">{roleName(member.role)}</span>}
            <ProblemNote problem={problem} />
        </li>
    );
}

/** Ends one's own membership. */
export function LeaveDialog({ workspace, user, onClose, onDone }: { workspace: Workspace; user: UserInfo; onClose: () => void; onDone: (id: string) => void }) {
    return (
        <ActionDialog title="Leave workspace" label="Leave" busyLabel="Leaving …" className="danger" onClose={onClose}
            run={async () => {
                await (await shell()).removeMember(workspace.id, user.id);
                onDone(workspace.id);
            }}>
            <p>You will not be able to open <strong>{workspace.name}</strong> any more, and your terminals there end. Its files stay; an admin can add you again.</p>
        </ActionDialog>
    );
}
