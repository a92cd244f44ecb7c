import { ALL_WAYS } from '../../logic/usage';
import { UsageView } from '../../parts/UsageView';
import { usePeople } from '../../parts/usePeople';

/** What everybody asked models, and what it cost. */
export function ModelUsage() {
    const { value: people } = usePeople();
    return (
        <>
            <h1>Model usage</h1>
            <UsageView everybodys ways={ALL_WAYS} people={people?.map(({ user }) => [user.id, user.login] as const)} />
        </>
    );
}
