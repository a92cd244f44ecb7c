import { useEffect, useMemo, useRef, useState } from 'react';
import type { PersonEntry, Policy, PolicyInForce } from 'coditect-shell';
import { counted } from '../../../logic/figures';
import { draftOf, isSame, PART_NAMES, policyOf, rebase, whole, withPart, type Draft, type Part } from '../../../logic/policy';
import { entryOf, faultsOf, type Faults } from '../../../logic/policy-faults';
import { ProblemNote } from '../../../parts/ProblemNote';
import { SubmitButton } from '../../../parts/SubmitButton';
import { useAction } from '../../../parts/useAction';
import { shell } from '../../../shell';
import { EditingContext, MODELS_LIST, type Editing } from './fields';
import { PolicyText } from './PolicyText';
import { Aliases, Allowed, Budgets, Limits, Prices, Teams } from './sections';

interface Props {
    start: PolicyInForce;
    people: readonly PersonEntry[];
    /** Names of models to suggest. */
    models: readonly string[];
}

const NO_FAULTS: Faults = new Map();

/** Everything that admins say about models, as a form or as JSON. Nothing typed is lost, whatever the server says. */
export function PolicyEditor({ start, people, models }: Props) {
    const [base, setBase] = useState(start);
    const [draft, setDraft] = useState(() => draftOf(start.policy));
    const [tried, setTried] = useState(false);
    const [disputed, setDisputed] = useState<readonly Part[]>([]);
    const [told, setTold] = useState('');
    const [asText, setAsText] = useState(false);
    const [focus, setFocus] = useState<string>();
    const { busy, problem, setProblem, start: act } = useAction();
    const isDirty = useMemo(() => !isSame(policyOf(draft), whole(base.policy)), [draft, base]);
    const found = useMemo(() => faultsOf(draft), [draft]);
    const refused = problem?.code === 'llm.policy_invalid' ? entryOf(draft, problem.message) : undefined;
    const shown = useMemo(() => new Map([...(tried ? found : NO_FAULTS), ...(refused ? [[refused.key, problem?.message ?? ''] as const] : [])]), [tried, found, refused, problem]);
    useWarning(isDirty);
    useFocus(focus, () => setFocus(undefined));
    useEffect(() => { setFocus(refused?.key); }, [refused?.key]);

    function edit(next: (draft: Draft) => Draft): void {
        setDraft(next);
        setTold('');
        // What the server said was about what stood there before.
        setProblem(undefined);
    }
    const editing: Editing = {
        draft, people, faults: shown,
        patch: (part, key, changes) => edit(now => ({ ...now, [part]: now[part].map(row => row.key === key ? { ...row, ...changes } : row) })),
        add: (part, row, field) => {
            edit(now => ({ ...now, [part]: [...now[part], row] }));
            setFocus(field);
        },
        remove: (part, key) => {
            edit(now => ({ ...now, [part]: (now[part] as { key: string }[]).filter(row => row.key !== key) }));
            setFocus(`add-${part}`);
        },
    };
    async function save(): Promise<void> {
        setTried(true);
        setTold('');
        const [first] = found.keys();
        if (first !== undefined) {
            setFocus(first);
            return;
        }
        const policy = policyOf(draft);
        await act(async () => {
            setBase(await (await shell()).changeModelPolicy({ version: base.version, policy }));
            setTried(false);
            setDisputed([]);
            setTold('Saved. It counts from now on.');
        });
    }
    const reload = () => act(async () => {
        const theirs = await (await shell()).modelPolicy();
        const rebased = rebase(base.policy, draft, theirs.policy);
        setDraft(rebased.draft);
        setBase(theirs);
        setDisputed(rebased.disputed);
        setTold(`Version ${theirs.version} is loaded, and what you changed stands on top of it. It is not saved yet.`);
    });
    function take(policy: Policy): void {
        edit(() => draftOf(policy));
        setTried(true);
        setAsText(false);
        setTold('It is in the form now, and not saved yet.');
        setFocus('as-json');
    }
    function undo(): void {
        edit(() => draftOf(base.policy));
        setTried(false);
        setDisputed([]);
    }
    const count = tried ? found.size : 0;
    return (
        <EditingContext value={editing}>
            <datalist id={MODELS_LIST}>{models.map(name => <option key={name} value={name} />)}</datalist>
            <form className="policy" noValidate onSubmit={event => { event.preventDefault(); void save(); }}>
                <div className="title-row">
                    <h1 tabIndex={-1}>Models</h1>
                    {!asText && <button type="button" id="as-json" onClick={() => setAsText(true)}>As JSON</button>}
                </div>
                <p className="hint">Who may ask which models, how often, and for how much. Changes count at once, on all servers, when they are saved.</p>
                {disputed.map(part => (
                    <p key={part} className="warning">
                        Somebody else has changed “{PART_NAMES[part]}”, too. What you typed is shown; saving replaces theirs. <button type="button" className="link" onClick={() => { edit(now => withPart(now, base.policy, part)); setDisputed(disputed.filter(each => each !== part)); }}>Take theirs</button>
                    </p>
                ))}
                {asText
                    ? <PolicyText policy={policyOf(draft)} onTake={take} onLeave={() => { setAsText(false); setFocus('as-json'); }} />
                    : <><Aliases /><Allowed /><Prices /><Budgets /><Limits /><Teams /></>}
                <div className="save-bar" hidden={asText}>
                    {problem?.code === 'llm.policy_changed'
                        ? <ProblemNote problem={{ ...problem, message: 'Somebody else changed this meanwhile. What you typed is still here.' }} action={{ label: 'Load theirs and keep what I changed', run: () => void reload() }} />
                        : <ProblemNote problem={problem} />}
                    <p role="status" className={count > 0 ? 'fault' : 'hint'}>{count > 0 ? `${counted(count, 'thing is', 'things are')} to be mended.` : told || (isDirty ? 'Not saved yet.' : `Version ${base.version}`)}</p>
                    <div className="buttons">
                        {isDirty && <button type="button" disabled={busy} onClick={undo}>Undo all</button>}
                        <SubmitButton busy={busy} busyLabel="Saving …" disabled={!isDirty}>Save</SubmitButton>
                    </div>
                </div>
            </form>
        </EditingContext>
    );
}

/** Lets the browser ask before a page is left with what is not saved. */
function useWarning(isDirty: boolean): void {
    useEffect(() => {
        const warn = (event: Event) => { if (isDirty) { event.preventDefault(); } };
        addEventListener('beforeunload', warn);
        return () => removeEventListener('beforeunload', warn);
    }, [isDirty]);
}

/** Leads the focus to an element once it is drawn. */
function useFocus(id: string | undefined, done: () => void): void {
    const after = useRef(done);
    after.current = done;
    useEffect(() => {
        if (id !== undefined) {
            document.getElementById(id)?.focus();
            after.current();
        }
    }, [id]);
}
