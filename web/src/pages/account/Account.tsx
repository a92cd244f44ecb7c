import type { UserInfo } from 'coditect-shell';
import { plainPath } from '../../logic/next';
import { Sections } from '../../parts/Sections';
import { When } from '../../parts/When';
import { useAddress } from '../../parts/router';
import { GitLogins } from './GitLogins';
import { History } from './History';
import { Models } from './Models';
import { Password } from './Password';
import { Plugins } from './plugins/Plugins';
import { SecondFactor } from './SecondFactor';
import { Sessions } from './Sessions';
import { Tokens } from './Tokens';
import { Usage } from './Usage';

const SECTIONS = [
    ['/account', 'You'],
    ['/account/password', 'Password'],
    ['/account/second-factor', 'Second factor'],
    ['/account/sessions', 'Logins'],
    ['/account/tokens', 'Access tokens'],
    ['/account/git-logins', 'Git logins'],
    ['/account/plugins', 'Plugins'],
    ['/account/models', 'Models'],
    ['/account/usage', 'Usage'],
    ['/account/history', 'History'],
] as const;

/** All that a person can see and change of their own account. */
export function Account() {
    const { pathname } = useAddress();
    return <Sections label="Your account" sections={SECTIONS}>{user => sectionAt(plainPath(pathname), user)}</Sections>;
}

function sectionAt(path: string, user: UserInfo) {
    switch (path) {
        case '/account/password': return <Password user={user} />;
        case '/account/second-factor': return <SecondFactor user={user} />;
        case '/account/sessions': return <Sessions />;
        case '/account/tokens': return <Tokens user={user} />;
        case '/account/git-logins': return <GitLogins />;
        case '/account/plugins': return <Plugins />;
        case '/account/models': return <Models />;
        case '/account/usage': return <Usage />;
        case '/account/history': return <History />;
        default: return <You user={user} />;
    }
}

function You({ user }: { user: UserInfo }) {
    return (
        <>
            <h1>Your account</h1>
            <dl className="card facts-list">
                <dt>E-mail or name</dt><dd>{user.login}</dd>
                <dt>Role</dt><dd>{user.role === 'admin' ? 'Admin: you run this server’s accounts' : 'Member'}</dd>
                <dt>Since</dt><dd><When what="Registered" at={user.created_at} /></dd>
            </dl>
        </>
    );
}
