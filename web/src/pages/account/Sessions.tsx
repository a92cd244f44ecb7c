import { useRef, useState } from 'react';
import type { SessionEntry } from 'coditect-shell';
import { problemOf, type Problem } from '../../logic/problem';
import { ActionDialog } from '../../parts/ActionDialog';
import { ProblemNote } from '../../parts/ProblemNote';
import { Skeleton } from '../../parts/Skeleton';
import { When } from '../../parts/When';
import { useLoaded } from '../../parts/useLoaded';
import { shell } from '../../shell';

/** This one first, then the one that was used last. */
const inOrder = (a: SessionEntry, b: SessionEntry) => Number(b.current) - Number(a.current) || b.used_at - a.used_at;

export function Sessions() {
    const { value: sessions, problem, reload, change } = useLoaded<SessionEntry[]>(async () => (await shell()).listSessions());
    const [late, setLate] = useState<Problem>();
    const [told, setTold] = useState('');
    const [asks, setAsks] = useState(false);
    const heading = useRef<HTMLHeadingElement>(null);
    const others = sessions?.filter(session => !session.current).length ?? 0;

    async function end(session: SessionEntry): Promise<void> {
        setLate(undefined);
        change(list => list.filter(({ id }) => id !== session.id));
        // The button is gone with its row.
        heading.current?.focus();
        try {
            await (await shell()).endSession(session.id);
            setTold(`The login on ${session.device} was ended.`);
        } catch (error) {
            setLate(problemOf(error));
        }
        reload();
    }
    return (
        <>
            <div className="title-row">
                <h1 ref={heading} tabIndex={-1}>Logins</h1>
                {others > 0 && <button type="button" onClick={() => setAsks(true)}>End all others</button>}
            </div>
            <p className="hint">Where you are logged in. End what you do not know, then change your password.</p>
            <p role="status" className="unseen">{told}</p>
            <ProblemNote problem={problem} action={{ label: 'Try again', run: reload }} />
            <ProblemNote problem={late} action={{ label: 'Dismiss', run: () => setLate(undefined) }} />
            {!sessions && !problem && <Skeleton rows={2} />}
            <ul className="rows">{sessions?.toSorted(inOrder).map(session => <Row key={session.id} session={session} onEnd={() => void end(session)} />)}</ul>
            {asks && (
                <ActionDialog title="End all other logins" label="End them" busyLabel="Ending them …" className="danger" cancelLabel="Cancel" onClose={() => setAsks(false)} onLate={setLate}
                    run={async () => {
                        const { ended } = await (await shell()).endOtherSessions();
                        setTold(`${ended} ${ended === 1 ? 'login was' : 'logins were'} ended.`);
                        reload();
                    }}>
                    <p>Everywhere but here you will have to log in again. What was not saved there is lost.</p>
                </ActionDialog>
            )}
        </>
    );
}

function Row({ session, onEnd }: { session: SessionEntry; onEnd: () => void }) {
    const { device, user_agent: agent, address, created_at: created, used_at: used, current } = session;
    return (
        <li className="card line">
            <div className="grow">
                <h2 title={agent}>{device} {current && <span className="badge">This one</span>}</h2>
                <p className="hint facts">
                    {address && <span>{address}</span>}
                    <When what="Logged in" at={created} />
                    {!current && <When what="Last used" at={used} />}
                </p>
            </div>
            {!current && <button type="button" aria-label={`End the login on ${device}`} onClick={onEnd}>End</button>}
        </li>
    );
}
