import { useState } from 'react';
import type { Publisher, PublisherKey } from 'coditect-shell';
import type { Problem } from '../../../logic/problem';
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

/** The names that a person publishes plugins under, with the keys that they sign with. */
export function Publishing() {
    const { value: publishers, problem, reload } = useLoaded<Publisher[]>(async () => (await shell()).listPublishers());
    const [late, setLate] = useState<Problem>();
    const [adds, setAdds] = useState(false);
    const [leaving, setLeaving] = useState<Leaving>();
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
                {publishers?.map(({ name, keys }) => (
                    <li key={name} className="card stack">
                        <h3>{name}</h3>
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
