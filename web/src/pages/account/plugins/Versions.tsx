import { useState } from 'react';
import type { RegistryPlugin, RegistryVersion, Shell } from 'coditect-shell';
import { bytes } from '../../../logic/time';
import type { Problem } from '../../../logic/problem';
import { ActionDialog } from '../../../parts/ActionDialog';
import { When } from '../../../parts/When';
import { useLoaded } from '../../../parts/useLoaded';

interface Props {
    registry: RegistryPlugin;
    rust: Shell;
    onChange: () => void;
    onLate: (problem: Problem) => void;
}

/** The versions of a plugin; whoever publishes it, and admins, can take them back. */
export function Versions({ registry: { manifest: { id, title }, versions }, rust, onChange, onLate }: Props) {
    const { value: mayTakeBack = false } = useLoaded(() => isGoverned(rust, id));
    const [turning, setTurning] = useState<RegistryVersion>();
    return (
        <section className="card stack">
            <h2>Versions</h2>
            <ul className="deeds">
                {versions.map(listed => {
                    const { version, published_at: at, key, yanked, bytes: size } = listed;
                    return (
                        <li key={version}>
                            <p>{version}{yanked && <span className="badge bad">Taken back</span>} <span className="hint"><When what="Published" at={at} />, {bytes(size)}, signed with <code>{key}</code></span></p>
                            {mayTakeBack && <button type="button" aria-label={`${yanked ? 'Offer again' : 'Take back'} ${version}`} onClick={() => setTurning(listed)}>{yanked ? 'Offer again …' : 'Take back …'}</button>}
                        </li>
                    );
                })}
            </ul>
            {turning && (
                <ActionDialog title={`${turning.yanked ? 'Offer again' : 'Take back'} ${title} ${turning.version}`} onClose={() => setTurning(undefined)} onLate={onLate}
                    {...(turning.yanked ? { label: 'Offer it again', busyLabel: 'Offering …', className: 'primary' } : { label: 'Take it back', busyLabel: 'Taking it back …', className: 'danger' })}
                    run={async () => {
                        await rust.takeBackPlugin(id, turning.version, { yanked: !turning.yanked });
                        onChange();
                    }}>
                    <p>{turning.yanked ? 'It can be installed again.' : 'Nobody installs it anew. Who has it keeps it, and is told.'} The registry’s log says so for good.</p>
                </ActionDialog>
            )}
        </section>
    );
}

/** Whether the person publishes a plugin, or is an admin. */
async function isGoverned(rust: Shell, id: string): Promise<boolean> {
    const [{ user }, publishers] = await Promise.all([rust.session(), rust.listPublishers()]);
    return user.role === 'admin' || publishers.some(({ name }) => id.startsWith(`${name}.`));
}
