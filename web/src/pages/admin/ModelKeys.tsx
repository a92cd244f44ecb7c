import type { KeyOwner, PolicyInForce } from 'coditect-shell';
import { ModelKeys as Keys } from '../../parts/ModelKeys';
import { useLoaded } from '../../parts/useLoaded';
import { usePeople } from '../../parts/usePeople';
import { shell } from '../../shell';

/** Keys of model servers: everybody's, teams', and those that people have added for themselves. */
export function ModelKeys() {
    // Where names cannot be had, the keys are of use all the same.
    const { value: people } = usePeople();
    const { value: inForce } = useLoaded<PolicyInForce>(async () => (await shell()).modelPolicy());
    const teams = inForce?.policy.teams ?? [];
    const owners: readonly (readonly [KeyOwner, string])[] = [
        [{ kind: 'everybody' }, 'Everybody'],
        ...teams.map(({ id, name }): readonly [KeyOwner, string] => [{ kind: 'team', id }, `Team ${name}`]),
        ...(people ?? []).map(({ user }): readonly [KeyOwner, string] => [{ kind: 'person', id: user.id }, user.login]),
    ];
    function ownerName(owner: KeyOwner): string {
        switch (owner.kind) {
            case 'everybody': return 'For everybody';
            case 'team': return `For team ${teams.find(({ id }) => id === owner.id)?.name ?? owner.id}`;
            case 'person': return `For ${people?.find(({ user }) => user.id === owner.id)?.user.login ?? owner.id}`;
        }
    }
    return (
        <Keys everybodys title="Model keys" level={1} ownerName={ownerName} owners={owners}>
            <p className="hint">What this server shows to model providers. A person’s own key is taken before their team’s, and that before everybody’s. Each is kept encrypted and sent to its provider only.</p>
        </Keys>
    );
}
