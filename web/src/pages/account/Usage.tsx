import { OWN_WAYS } from '../../logic/usage';
import { UsageView } from '../../parts/UsageView';

/** What a person asked models, and what it cost. */
export function Usage() {
    return (
        <>
            <h1>Usage</h1>
            <UsageView everybodys={false} ways={OWN_WAYS} />
        </>
    );
}
