import { useRef, useState, type ReactNode } from 'react';
import type { KeyList, KeyOwner, KeyState, ModelKey, NewModelKey } from 'coditect-shell';
import type { Problem } from '../logic/problem';
import { shell } from '../shell';
import { ActionDialog } from './ActionDialog';
import { Field, PasswordField, Select } from './Field';
import { ProblemNote } from './ProblemNote';
import { Skeleton } from './Skeleton';
import { When } from './When';
import { useLoaded } from './useLoaded';
import './models.css';

/** Largest weight of a key. */
const MAX_WEIGHT = 1_000_000;

const STATES: Readonly<Record<KeyState, readonly [name: string, about: string]>> = {
    ready: ['Ready', 'Nothing speaks against it'],
    refused: ['Refused', 'The model server refused it; it rests for some minutes'],
    limited: ['Resting', 'The model server wants it to rest for a while'],
};

interface Props {
    /** Keys of all, which only admins see. */
    everybodys: boolean;
    title: string;
    level: 1 | 2;
    /** What is said about them. */
    children: ReactNode;
    /** Whose a key is, where that is worth saying. */
    ownerName?: (owner: KeyOwner) => string;
    /** Whom a new one may be for; the person alone where there is none. */
    owners?: readonly (readonly [owner: KeyOwner, name: string])[];
}

/** Keys of model servers: a list, adding, forgetting. A key itself is never shown again. */
export function ModelKeys({ everybodys, title, level, children, ownerName, owners }: Props) {
    const { value: list, problem, reload, change } = useLoaded<KeyList>(async () => (await shell()).listModelKeys(everybodys));
    const [late, setLate] = useState<Problem>();
    const [adds, setAdds] = useState(false);
    const [leaving, setLeaving] = useState<ModelKey>();
    const heading = useRef<HTMLHeadingElement>(null);
    const Heading = level === 1 ? 'h1' : 'h2';

    async function forget(key: ModelKey): Promise<void> {
        await (await shell()).removeModelKey(everybodys, key.id);
        change(now => ({ ...now, keys: now.keys.filter(({ id }) => id !== key.id) }));
        reload();
        heading.current?.focus();
    }
    function added(key: ModelKey): void {
        change(now => ({ ...now, keys: [key, ...now.keys] }));
        reload();
    }
    const hasServers = list !== undefined && list.upstreams.length > 0;
    return (
        <section className="stack wide">
            <div className="title-row">
                <Heading ref={heading} tabIndex={-1}>{title}</Heading>
                {hasServers && <button type="button" className={level === 1 ? 'primary' : undefined} onClick={() => setAdds(true)}>Add a key</button>}
            </div>
            {children}
            <ProblemNote problem={problem} action={{ label: 'Try again', run: reload }} />
            <ProblemNote problem={late} action={{ label: 'Dismiss', run: () => setLate(undefined) }} />
            {!list && !problem && <Skeleton rows={2} />}
            {list?.keys.length === 0 && <p className="nothing">{hasServers ? 'There is no key.' : 'This server knows no model server that a key could be for.'}</p>}
            <ul className="rows">{list?.keys.map(key => <Row key={key.id} of={key} owner={ownerName?.(key.owner)} onForget={() => setLeaving(key)} />)}</ul>
            {adds && list && <AddKey everybodys={everybodys} servers={list.upstreams} owners={owners} onClose={() => setAdds(false)} onLate={setLate} onDone={added} />}
            {leaving && (
                <ActionDialog title="Forget the key" label="Forget it" busyLabel="Forgetting it …" className="danger" run={() => forget(leaving)} onClose={() => setLeaving(undefined)} onLate={setLate}>
                    <p><strong>{leaving.name}</strong> (…{leaving.hint}) is no longer used for <strong>{leaving.upstream}</strong>. At the provider itself nothing changes: if somebody may have got hold of it, revoke it there, too.</p>
                </ActionDialog>
            )}
        </section>
    );
}

function Row({ of: { name, hint, upstream, weight, state, created_at: created }, owner, onForget }: { of: ModelKey; owner: string | undefined; onForget: () => void }) {
    const [word, about] = STATES[state];
    return (
        <li className="card line">
            <div className="grow">
                <h2>{name} <code className="hint">…{hint}</code> <span className={state === 'ready' ? 'badge' : 'badge bad'} title={about}>{word}</span></h2>
                <p className="hint facts">
                    <span className="path" title={upstream}>{upstream}</span>
                    {owner !== undefined && <span>{owner}</span>}
                    <span>{weight === 0 ? 'Never taken (weight 0)' : `Weight ${weight}`}</span>
                    <When what="Added" at={created} />
                </p>
            </div>
            <button type="button" aria-label={`Forget ${name} (${hint})`} onClick={onForget}>Forget</button>
        </li>
    );
}

interface AddProps {
    everybodys: boolean;
    servers: readonly string[];
    owners: Props['owners'];
    onClose: () => void;
    onLate: (problem: Problem) => void;
    onDone: (key: ModelKey) => void;
}

function AddKey({ everybodys, servers, owners, onClose, onLate, onDone }: AddProps) {
    const [server, setServer] = useState(servers[0] ?? '');
    const [owner, setOwner] = useState(0);
    const [name, setName] = useState('');
    const [secret, setSecret] = useState('');
    const [weight, setWeight] = useState('1');
    async function add(): Promise<void> {
        const given = owners?.[owner]?.[0];
        const key: NewModelKey = { upstream: server, name: name.trim(), key: secret.trim(), weight: Number(weight), ...(given && { owner: given }) };
        onDone(await (await shell()).addModelKey(everybodys, key));
    }
    return (
        <ActionDialog title="Add a key" label="Keep the key" busyLabel="Keeping it …" className="primary" cancelLabel="Cancel" onClose={onClose} onLate={onLate} run={add}>
            <Select id="key-server" label="Provider" value={server} choices={servers.map(each => [each, each] as const)} onChange={setServer} />
            {owners && <Select id="key-owner" label="For" value={owner} choices={owners.map(([, each], index) => [index, each] as const)} onChange={setOwner} />}
            <Field id="key-name" label="Name" value={name} onChange={setName} required autoComplete="off" placeholder="Work" data-first hint="To know it by." />
            {/* A browser fills in the password of this server for anything but a new one. */}
            <PasswordField id="key-secret" label="Key" autoComplete="new-password" value={secret} onChange={setSecret} hint="Kept encrypted, never shown again, and sent to this provider only." />
            <Field id="key-weight" label="Weight" type="number" min={0} max={MAX_WEIGHT} step={1} required value={weight} onChange={setWeight} hint="Where there are several keys for one provider: how often this one is taken, relative to the others. 0 for never." />
        </ActionDialog>
    );
}
