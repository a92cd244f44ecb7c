import type { UserInfo } from 'coditect-shell';
import { plainPath } from '../../logic/next';
import { Sections } from '../../parts/Sections';
import { Link, useAddress } from '../../parts/router';
import { Invites } from './Invites';
import { Keys } from './Keys';
import { ModelKeys } from './ModelKeys';
import { Models } from './Models';
import { ModelUsage } from './ModelUsage';
import { People } from './People';
import { Plugins } from './Plugins';

const SECTIONS = [
    ['/admin/people', 'People'],
    ['/admin/invites', 'Invitations'],
    ['/admin/models', 'Models'],
    ['/admin/model-keys', 'Model keys'],
    ['/admin/model-usage', 'Model usage'],
    ['/admin/plugins', 'Plugins'],
    ['/admin/keys', 'Signing keys'],
] as const;

/** What an admin does about people, models and plugins. The server refuses everybody else; they are told so before they try. */
export function Admin() {
    const { pathname } = useAddress();
    return <Sections label="Administration" sections={SECTIONS}>{user => user.role === 'admin' ? sectionAt(plainPath(pathname), user) : <NoAdmin />}</Sections>;
}

function sectionAt(path: string, user: UserInfo) {
    switch (path) {
        case '/admin/invites': return <Invites />;
        case '/admin/models': return <Models />;
        case '/admin/model-keys': return <ModelKeys />;
        case '/admin/model-usage': return <ModelUsage />;
        case '/admin/plugins': return <Plugins />;
        case '/admin/keys': return <Keys />;
        default: return <People self={user} />;
    }
}

function NoAdmin() {
    return (
        <>
            <h1>Only for admins</h1>
            <p>Your account is no admin’s; ask who runs this server.</p>
            <p><Link href="/dashboard" className="button">Go to your workspaces</Link></p>
        </>
    );
}
