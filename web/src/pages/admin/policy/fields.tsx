import { createContext, useContext, type ComponentProps, type ReactNode } from 'react';
import type { PersonEntry } from 'coditect-shell';
import type { Draft, Part } from '../../../logic/policy';
import type { Faults } from '../../../logic/policy-faults';
import { Field, Select } from '../../../parts/Field';

/** Id of the list of models that fields suggest. */
export const MODELS_LIST = 'models-there-are';

export interface Editing {
    draft: Draft;
    /** What is wrong, by the ids of fields. */
    faults: Faults;
    people: readonly PersonEntry[];
    /** Changes one row of a part. */
    patch: <Of extends Part>(part: Of, key: string, changes: Partial<Draft[Of][number]>) => void;
    /** Adds a row, and leads the focus to one of its fields. */
    add: <Of extends Part>(part: Of, row: Draft[Of][number], focus: string) => void;
    remove: (part: Part, key: string) => void;
}

export const EditingContext = createContext<Editing | undefined>(undefined);

export function useEditing(): Editing {
    const editing = useContext(EditingContext);
    if (!editing) {
        throw new Error('a part of a policy stands outside of its editor');
    }
    return editing;
}

/** A field and beneath it what is wrong with it. */
function Cell({ id, className = '', children }: { id: string; className?: string; children: (fault: string | undefined) => ReactNode }) {
    const fault = useEditing().faults.get(id);
    return (
        <div className={`cell ${className}`}>
            {children(fault === undefined ? undefined : `${id}-fault`)}
            <Fault id={id} />
        </div>
    );
}

/** What is wrong with a field, if something is. */
export function Fault({ id }: { id: string }) {
    const fault = useEditing().faults.get(id);
    return fault === undefined ? null : <p id={`${id}-fault`} className="fault">{fault}</p>;
}

type TextProps = Omit<ComponentProps<typeof Field>, 'fault' | 'children' | 'className'> & { className?: string };

/** A text. */
export function Text({ className = '', ...rest }: TextProps) {
    return <Cell id={rest.id} className={className}>{fault => <Field {...rest} fault={fault} autoComplete="off" autoCapitalize="off" spellCheck={false} />}</Cell>;
}

/** The name of models, with those that there are to choose from. */
export function ModelName(props: TextProps) {
    return <Text {...props} className="broad" list={MODELS_LIST} placeholder="server/model" />;
}

/** An amount of money or a count. */
export function Figure(props: TextProps) {
    return <Text {...props} className="figure" inputMode="decimal" />;
}

/** One of several. */
export function Choice<T extends string>({ className = '', ...rest }: Omit<ComponentProps<typeof Select<T>>, 'fault'> & { className?: string }) {
    return <Cell id={rest.id} className={className}>{fault => <Select<T> {...rest} fault={fault} />}</Cell>;
}

/** Several, one a line. */
export function Lines({ id, label, value, onChange, hint }: { id: string; label: ReactNode; value: string; onChange: (value: string) => void; hint: string }) {
    return (
        <Cell id={id}>
            {fault => (
                <>
                    <label htmlFor={id}>{label}</label>
                    <textarea id={id} rows={Math.min(8, Math.max(2, value.split('\n').length))} value={value} autoCapitalize="off" spellCheck={false} aria-invalid={fault !== undefined}
                        aria-describedby={[`${id}-hint`, fault].filter(Boolean).join(' ')} onChange={event => onChange(event.target.value)} />
                    <p id={`${id}-hint`} className="hint">{hint}</p>
                </>
            )}
        </Cell>
    );
}

/** Which team, person, workspace, agent or token; none of them stands for each. */
export function Of({ id, scope, of, onChange }: { id: string; scope: string; of: string; onChange: (of: string) => void }) {
    const { draft, people } = useEditing();
    switch (scope) {
        case 'instance': return null;
        case 'team': return <Choice id={id} label="Which" value={of} choices={named('Each team', draft.teams.map(({ id: team, name }) => [team, name || 'Team without a name']), of)} onChange={onChange} />;
        case 'person': return <Choice id={id} label="Which" value={of} choices={named('Each person', people.map(({ user }) => [user.id, user.login]), of)} onChange={onChange} />;
        case 'agent': return <Text id={id} label="Which" value={of} onChange={onChange} placeholder="Each agent" />;
        default: return <Text id={id} label="Which (identifier)" value={of} onChange={onChange} placeholder={scope === 'workspace' ? 'Each workspace' : 'Each token'} />;
    }
}

function named(each: string, all: readonly (readonly [string, string])[], chosen: string): readonly (readonly [string, string])[] {
    const isKnown = chosen === '' || all.some(([id]) => id === chosen);
    return [['', each], ...all, ...(isKnown ? [] : [[chosen, chosen] as const])];
}

interface EntryProps {
    part: Part;
    of: string;
    /** What it is, for the button that removes it. */
    name: string;
    children: ReactNode;
}

/** A row that can be removed. */
export function Entry({ part, of, name, children }: EntryProps) {
    const { remove, faults } = useEditing();
    return (
        <li id={of} tabIndex={-1} className={faults.has(of) ? 'entry faulty' : 'entry'}>
            <div className="entry-fields">{children}</div>
            <button type="button" aria-label={`Remove ${name}`} onClick={() => remove(part, of)}>Remove</button>
            <Fault id={of} />
        </li>
    );
}
