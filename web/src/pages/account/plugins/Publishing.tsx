import { useState } from 'react';
import type { PersonEntry, Publisher, PublisherKey } from 'coditect-shell';
import { problemOf, type Problem } from '../../../logic/problem';
import { ActionDialog } from '../../../parts/ActionDialog';
import { Field } from '../../../parts/Field';
import { ProblemNote } from '../../../parts/ProblemNote';
import { When } from '../../../parts/When';
import { useLoaded } from '../../../parts/useLoaded';
import { shell } from '../../../shell';

interface Leaving {
    publisher: string;
    key: PublisherKey;
}

interface Listed {
    publishers: Publisher[];
    next: string | undefined;
}

interface Props {
    /** For an admin, everybody with an account: the names of all are shown, with whose they are. */
    people?: readonly PersonEntry[];
}

/** The names that a person publishes plugins under, with the keys that they sign with; those of all for an admin. */
export function Publishing({ people }: Props) {
    async function page(after?: string): Promise<Listed> {
        const rust = await shell();
        if (!people) {
            return { publishers: await rust.listPublishers(), next: undefined };
        }
        const { publishers, next } = await rust.listAllPublishers(after);
        return { publishers, next: next ?? undefined };
    }
    const { value: listed, problem, reload, change } = useLoaded<Listed>(page);
    const [late, setLate] = useState<Problem>();
    const [busy, setBusy] = useState(false);
    const [adds, setAdds] = useState(false);
    const [leaving, setLeaving] = useState<Leaving>();
    async function more(after: string): Promise<void> {
        setBusy(true);
        setLate(undefined);
        try {
            const following = await page(after);
            change(now => ({ publishers: [...now.publishers, ...following.publishers], next: following.next }));
        } catch (error) {
            setLate(problemOf(error));
        } finally {
            setBusy(false);
        }
    }
    return (
        <section className="stack" aria-labelledby="publishing">
            <div className="title-row">
                <h2 id="publishing">Publishing</h2>
                <button type="button" onClick={() => setAdds(true)}>Add a key</button>
            </div>
            <p className="hint">Plugins of your own are named after you: <code>you.name</code>. Who signs with one of your keys publishes for you.</p>
            <ProblemNote problem={problem} action={{ label: 'Try again', run: reload }} />
            <ProblemNote problem={late} action={{ label: 'Dismiss', run: () => setLate(undefined) }} />
            <ul className="rows">
                {listed?.publishers.map(({ name, owner, keys }) => (
                    <li key={name} className="card stack">
                        <h3>{name}</h3>
                        {people && <p className="hint">{ownerText(owner, people)}</p>}
                        <ul className="deeds">
                            {keys.map(key => (
                                <li key={key.id}>
                                    <p><code>{key.id}</code> <span className="hint"><When what="Added" at={key.added_at} />{key.revoked_at && <>, <When what="revoked" at={key.revoked_at} /></>}</span></p>
                                    {!key.revoked_at && <button type="button" aria-label={`Revoke the key ${key.id}`} onClick={() => setLeaving({ publisher: name, key })}>Revoke</button>}
                                </li>
                            ))}
                        </ul>
                    </li>
                ))}
            </ul>
            {listed?.next !== undefined && <p><button type="button" disabled={busy} onClick={() => void more(listed.next ?? '')}>{busy ? 'Loading …' : 'Show more'}</button></p>}
            {adds && <AddKey onClose={() => setAdds(false)} onLate={setLate} onDone={reload} />}
            {leaving && (
                <ActionDialog title="Revoke the key" label="Revoke it" busyLabel="Revoking …" className="danger" onClose={() => setLeaving(undefined)} onLate={setLate}
                    run={async () => {
                        await (await shell()).revokePublisherKey(leaving.publisher, leaving.key.id);
                        reload();
                    }}>
                    <p>Nothing that <code>{leaving.key.id}</code> signed is installed any more. It cannot be undone.</p>
                </ActionDialog>
            )}
        </section>
    );
}

function ownerText(owner: string | null | undefined, people: readonly PersonEntry[]): string {
    return owner ? `Of ${people.find(({ user }) => user.id === owner)?.user.login ?? owner}` : 'Of nobody: admins decide about it.';
}

function AddKey({ onClose, onLate, onDone }: { onClose: () => void; onLate: (problem: Problem) => void; onDone: () => void }) {
    const [name, setName] = useState('');
    const [key, setKey] = useState('');
    return (
        <ActionDialog title="Add a key" label="Add it" busyLabel="Adding it …" className="primary" cancelLabel="Cancel" onClose={onClose} onLate={onLate}
            run={async () => {
                await (await shell()).addPublisherKey({ name: name.trim(), public_key: key.trim() });
                onDone();
            }}>
            <Field id="publisher-name" label="Name" value={name} onChange={setName} required autoComplete="off" autoCapitalize="off" spellCheck={false} placeholder="you" data-first
                hint="A name that nobody has, or one of yours: lower-case letters, digits and hyphens." />
            <Field id="publisher-key" label="Public key" value={key} onChange={setKey} required autoComplete="off" autoCapitalize="off" spellCheck={false} hint="Ed25519, in base64, as your tools print it. The private key stays with you." />
        </ActionDialog>
    );
}
