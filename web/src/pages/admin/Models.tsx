import type { PolicyInForce } from 'coditect-shell';
import { ProblemNote } from '../../parts/ProblemNote';
import { Skeleton } from '../../parts/Skeleton';
import { useLoaded } from '../../parts/useLoaded';
import { usePeople } from '../../parts/usePeople';
import { shell } from '../../shell';
import { PolicyEditor } from './policy/PolicyEditor';
import '../../parts/models.css';

interface Known {
    start: PolicyInForce;
    models: string[];
}

async function load(): Promise<Known> {
    const rust = await shell();
    // Suggestions only: without them everything can be typed.
    const models = rust.modelsThereAre().then(list => list.models.map(({ id }) => id), () => []);
    return { start: await rust.modelPolicy(), models: await models };
}

/** What admins say about models. */
export function Models() {
    const { value: known, problem, reload } = useLoaded<Known>(load);
    const { value: people, problem: unknown, reload: again } = usePeople();
    return (
        <>
            {!known && <h1>Models</h1>}
            <ProblemNote problem={problem} action={{ label: 'Try again', run: reload }} />
            <ProblemNote problem={unknown} action={{ label: 'Try again', run: again }} />
            {!known && !problem && <Skeleton rows={3} />}
            {known && <PolicyEditor start={known.start} models={known.models} people={people ?? []} />}
        </>
    );
}
