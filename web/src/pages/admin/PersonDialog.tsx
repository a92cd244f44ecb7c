import { useState, type ReactNode } from 'react';
import type { PersonChange, PersonEntry, ResetCode } from 'coditect-shell';
import { resetLink } from '../../logic/links';
import { Dialog } from '../../parts/Dialog';
import { Copyable } from '../../parts/Once';
import { ProblemNote } from '../../parts/ProblemNote';
import { When } from '../../parts/When';
import { useAction } from '../../parts/useAction';
import { shell } from '../../shell';

interface Props {
    person: PersonEntry;
    isSelf: boolean;
    onChanged: (person: PersonEntry) => void;
    onClose: () => void;
}

/** What an admin can do about one person. What cannot be undone by the same button is asked twice. */
export function PersonDialog({ person, isSelf, onChanged, onClose }: Props) {
    const { user, disabled, second_factor: hasSecondFactor, sessions } = person;
    const { busy, problem, start } = useAction();
    const [told, setTold] = useState('');
    const [reset, setReset] = useState<ResetCode>();

    function act(run: () => Promise<string>): void {
        setTold('');
        void start(async () => setTold(await run()));
    }
    const change = (what: PersonChange, word: string) => act(async () => {
        onChanged(await (await shell()).changePerson(user.id, what));
        return word;
    });
    const isAdmin = user.role === 'admin';
    return (
        <Dialog title={user.login} onClose={onClose}>
            <ul className="deeds">
                <Deed about={isAdmin ? 'Manages people, invitations and keys.' : 'Works on the server, and manages nobody.'}>
                    <Sure label={isAdmin ? 'Make a member' : 'Make an admin'} busy={busy} asks={isSelf || !isAdmin} onGo={() => change({ role: isAdmin ? 'member' : 'admin' }, isAdmin ? 'A member now.' : 'An admin now.')} />
                </Deed>
                <Deed about={disabled ? 'Is kept out; files and tokens wait.' : 'Keeping somebody out ends their logins at once and refuses their tokens.'}>
                    <Sure label={disabled ? 'Let in again' : 'Disable'} busy={busy} asks={!disabled} onGo={() => change({ disabled: !disabled }, disabled ? 'Let in again.' : 'Kept out now.')} />
                </Deed>
                <Deed about="A code with which they set a new password themselves. You never see the password.">
                    <Sure label="Make a reset code" busy={busy} asks={false} onGo={() => act(async () => {
                        setReset(await (await shell()).issueResetCode(user.id));
                        return 'Give the code to them over a way that you trust.';
                    })} />
                </Deed>
                {reset && <li><Code login={user.login} reset={reset} /></li>}
                {hasSecondFactor && (
                    <Deed about="For who lost the authenticator and all recovery codes. Make sure that it is really them who ask.">
                        <Sure label="Remove the second factor" busy={busy} asks onGo={() => act(async () => {
                            await (await shell()).removeSecondFactor(user.id);
                            onChanged({ ...person, second_factor: false });
                            return 'The second factor is removed.';
                        })} />
                    </Deed>
                )}
                {sessions > 0 && (
                    <Deed about={isSelf ? 'Yours, this one too: you will have to log in again.' : sessions === 1 ? 'One login.' : `${sessions} logins.`}>
                        <Sure label="End all logins" busy={busy} asks onGo={() => act(async () => {
                            const { ended } = await (await shell()).endSessionsOf(user.id);
                            onChanged({ ...person, sessions: 0 });
                            return `${ended} ${ended === 1 ? 'login was' : 'logins were'} ended.`;
                        })} />
                    </Deed>
                )}
            </ul>
            <p role="status" className="good">{told}</p>
            <ProblemNote problem={problem} />
            <footer><button type="button" onClick={onClose}>Done</button></footer>
        </Dialog>
    );
}

function Code({ login, reset: { code, expires_at: end } }: { login: string; reset: ResetCode }) {
    return (
        <div className="card stack inner">
            <Copyable label="Reset code" text={code} />
            <Copyable label="Link" text={resetLink(login, code, location.origin)} />
            <p className="hint">Shown only this once. <When what="It ends" at={end} ahead />.</p>
        </div>
    );
}

function Deed({ about, children }: { about: string; children: ReactNode }) {
    return <li><p className="hint">{about}</p>{children}</li>;
}

/** A button that, where it asks, has to be pressed a second time under another name. */
function Sure({ label, busy, asks, onGo }: { label: string; busy: boolean; asks: boolean; onGo: () => void }) {
    const [asked, setAsked] = useState(false);
    function press(): void {
        if (asks && !asked) {
            setAsked(true);
            return;
        }
        setAsked(false);
        onGo();
    }
    return (
        <>
            <button type="button" className={asked ? 'danger' : undefined} aria-disabled={busy} onBlur={() => setAsked(false)} onClick={press}>{asked ? `Really: ${label.toLowerCase()}?` : label}</button>
            <span role="status" className="unseen">{asked && 'Press it again to go on.'}</span>
        </>
    );
}
