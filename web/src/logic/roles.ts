import type { Workspace, WorkspaceRole } from 'coditect-shell';

/** What can be given to a member, with what it allows. */
export const GIVEN_ROLES = [
    ['read', 'Read: look at everything'],
    ['write', 'Write: change files'],
    ['admin', 'Admin: rename it, say who its members are'],
] as const satisfies readonly (readonly [WorkspaceRole, string])[];

const NAMES: Readonly<Record<WorkspaceRole, string>> = { read: 'Read only', write: 'Can write', admin: 'Admin', owner: 'Owner' };

/** What somebody may do, in a word or two. */
export const roleName = (role: WorkspaceRole): string => NAMES[role];

/** Whether the person may rename the workspace and say who its members are. */
export const mayAdminister = ({ role }: Workspace): boolean => role === 'admin' || role === 'owner';

/** Whether the workspace is the person's own. */
export const isOwn = ({ role }: Workspace): boolean => role === 'owner';

/** With whom it is shared, as a few words; empty where with nobody. */
export function sharedText(workspace: Workspace): string {
    const { members, owner } = workspace;
    if (!isOwn(workspace)) {
        return owner ? `Shared by ${owner}` : 'Shared with you';
    }
    return members === 0 ? '' : `Shared with ${members} ${members === 1 ? 'person' : 'people'}`;
}
