import { ALL_WAYS } from '../../logic/usage';
import { UsageView } from '../../parts/UsageView';
import { usePeople } from '../../parts/usePeople';

/** What everybody asked models, and what it cost. */
export function ModelUsage() {
    // Where names cannot be had, identifiers stand for them.
    const { value: people } = usePeople();
    return (
        <>
            <h1>Model usage</h1>
            <UsageView everybodys ways={ALL_WAYS} nameOf={id => people?.find(({ user }) => user.id === id)?.user.login} />
        </>
    );
}
