import type { ReactNode } from 'react';
import { LIMIT_SCOPES, newAlias, newBudget, newLimit, newPrice, newTarget, newTeam, PART_NAMES, ROLES, SCOPES, SPANS, type AliasDraft, type Part, type TargetDraft, type TeamDraft } from '../../../logic/policy';
import { Choice, Entry, Fault, Figure, Lines, ModelName, Of, Text, useEditing } from './fields';

interface SectionProps {
    part: Part;
    about: ReactNode;
    /** Adds a row, where rows can be added. */
    add?: { label: string; run: () => void };
    children: ReactNode;
}

function Section({ part, about, add, children }: SectionProps) {
    const { draft } = useEditing();
    const isEmpty = add && draft[part].length === 0;
    return (
        <section className="card stack policy-part" aria-labelledby={`part-${part}`}>
            <div className="title-row">
                <h2 id={`part-${part}`}>{PART_NAMES[part]}</h2>
                {add && <button type="button" id={`add-${part}`} onClick={add.run}>{add.label}</button>}
            </div>
            <p className="hint">{about}</p>
            {!isEmpty && <ul className="entries">{children}</ul>}
        </section>
    );
}

const nameOr = (name: string, otherwise: string) => name.trim() || otherwise;

export function Aliases() {
    const { draft, add } = useEditing();
    const addAlias = () => { const row = newAlias(); add('aliases', row, `${row.key}-name`); };
    return (
        <Section part="aliases" about={<>What people and programs may ask for instead of a model, such as <code>fast</code> or <code>claude-*</code>. One of the models is taken by weight, the others where it fails, then the fallbacks one after another.</>} add={{ label: 'Add a name', run: addAlias }}>
            {draft.aliases.map(alias => <AliasEntry key={alias.key} alias={alias} />)}
        </Section>
    );
}

function AliasEntry({ alias }: { alias: AliasDraft }) {
    const { patch } = useEditing();
    const { key, name, targets, fallbacks } = alias;
    const change = (target: string, changes: Partial<TargetDraft>) => patch('aliases', key, { targets: targets.map(each => each.key === target ? { ...each, ...changes } : each) });
    return (
        <Entry part="aliases" of={key} name={nameOr(name, 'the name')}>
            <Text id={`${key}-name`} className="broad" label="Name" value={name} onChange={value => patch('aliases', key, { name: value })} placeholder="fast" />
            <fieldset className="targets">
                <legend>Leads to</legend>
                {targets.map(({ key: id, model, weight }) => (
                    <div key={id} className="target">
                        <ModelName id={`${id}-model`} label="Model" value={model} onChange={value => change(id, { model: value })} />
                        <Figure id={`${id}-weight`} label="Weight" value={weight} onChange={value => change(id, { weight: value })} />
                        <button type="button" aria-label={`Remove ${nameOr(model, 'the model')} from ${nameOr(name, 'the name')}`} onClick={() => patch('aliases', key, { targets: targets.filter(each => each.key !== id) })}>Remove</button>
                    </div>
                ))}
                <p><button type="button" id={`${key}-add`} className="link" onClick={() => patch('aliases', key, { targets: [...targets, newTarget()] })}>Add a model</button></p>
                <Fault id={`${key}-add`} />
            </fieldset>
            <Lines id={`${key}-fallbacks`} label="Fallbacks" value={fallbacks} onChange={value => patch('aliases', key, { fallbacks: value })} hint="Models, one a line, in the order in which they are asked." />
        </Entry>
    );
}

export function Allowed() {
    const { draft, patch } = useEditing();
    return (
        <Section part="allowed" about="Counted after other names were followed.">
            {draft.allowed.map(({ key, role, isAll, models }) => {
                const name = ROLES.find(([id]) => id === role)?.[1] ?? role;
                return (
                    <li key={key} id={key} tabIndex={-1} className="entry">
                        <div className="entry-fields">
                            <label className="check">
                                <input type="checkbox" checked={isAll} onChange={() => patch('allowed', key, { isAll: !isAll })} />
                                <span>{name} may ask all models</span>
                            </label>
                            {!isAll && <Lines id={`${key}-models`} label={`Models that ${name.toLowerCase()} may ask`} value={models} onChange={value => patch('allowed', key, { models: value })} hint="As server/model, one a line; * stands for any text. Empty: none." />}
                        </div>
                        <Fault id={key} />
                    </li>
                );
            })}
        </Section>
    );
}

export function Prices() {
    const { draft, patch, add } = useEditing();
    const addPrice = () => { const row = newPrice(); add('prices', row, `${row.key}-model`); };
    return (
        <Section part="prices" about="US dollars for a million tokens; the longest answer is in tokens. They count before those that are built in, and the first that fits counts. Models on the operator’s own machines cost nothing unless a price is here." add={{ label: 'Add a price', run: addPrice }}>
            {draft.prices.map(({ key, model, input, output, cached, cacheWrite, maxOutput }) => (
                <Entry key={key} part="prices" of={key} name={`the price of ${nameOr(model, 'a model')}`}>
                    <ModelName id={`${key}-model`} label="Models" value={model} onChange={value => patch('prices', key, { model: value })} />
                    <Figure id={`${key}-input`} label="Read" value={input} onChange={value => patch('prices', key, { input: value })} />
                    <Figure id={`${key}-output`} label="Written" value={output} onChange={value => patch('prices', key, { output: value })} />
                    <Figure id={`${key}-cached`} label="From cache" value={cached} placeholder="as read" onChange={value => patch('prices', key, { cached: value })} />
                    <Figure id={`${key}-cache-write`} label="Into cache" value={cacheWrite} placeholder="as read" onChange={value => patch('prices', key, { cacheWrite: value })} />
                    <Figure id={`${key}-max-output`} label="Longest answer" value={maxOutput} placeholder="not known" onChange={value => patch('prices', key, { maxOutput: value })} />
                </Entry>
            ))}
        </Section>
    );
}

export function Budgets() {
    const { draft, patch, add } = useEditing();
    const addBudget = () => { const row = newBudget(); add('budgets', row, `${row.key}-scope`); };
    return (
        <Section part="budgets" about="The most that may be spent. Every one that fits counts; one for “each” leaves out those that have one of their own. Days and months are those of UTC." add={{ label: 'Add a budget', run: addBudget }}>
            {draft.budgets.map(({ key, scope, of, limit, period }) => (
                <Entry key={key} part="budgets" of={key} name="the budget">
                    <Choice id={`${key}-scope`} className={scope === 'instance' ? 'broad' : ''} label="For" value={scope} choices={SCOPES} onChange={value => patch('budgets', key, { scope: value, of: '' })} />
                    <Of id={`${key}-of`} scope={scope} of={of} onChange={value => patch('budgets', key, { of: value })} />
                    <Figure id={`${key}-limit`} label="Dollars" value={limit} onChange={value => patch('budgets', key, { limit: value })} />
                    <Choice id={`${key}-period`} label="Lasts" value={period} choices={SPANS} onChange={value => patch('budgets', key, { period: value })} />
                </Entry>
            ))}
        </Section>
    );
}

export function Limits() {
    const { draft, patch, add } = useEditing();
    const addLimit = () => { const row = newLimit(); add('limits', row, `${row.key}-scope`); };
    return (
        <Section part="limits" about="The most requests and tokens, read and written, in a minute. Every one that fits counts." add={{ label: 'Add a limit', run: addLimit }}>
            {draft.limits.map(({ key, scope, of, requests, tokens }) => (
                <Entry key={key} part="limits" of={key} name="the limit">
                    <Choice id={`${key}-scope`} label="For" value={scope} choices={LIMIT_SCOPES} onChange={value => patch('limits', key, { scope: value, of: '' })} />
                    <Of id={`${key}-of`} scope={scope} of={of} onChange={value => patch('limits', key, { of: value })} />
                    <Figure id={`${key}-requests`} label="Requests" value={requests} placeholder="any" onChange={value => patch('limits', key, { requests: value })} />
                    <Figure id={`${key}-tokens`} label="Tokens" value={tokens} placeholder="any" onChange={value => patch('limits', key, { tokens: value })} />
                </Entry>
            ))}
        </Section>
    );
}

export function Teams() {
    const { draft, add } = useEditing();
    const addTeam = () => { const row = newTeam(); add('teams', row, `${row.key}-name`); };
    return (
        <Section part="teams" about="People who share keys and budgets. A person is in one team at most." add={{ label: 'Add a team', run: addTeam }}>
            {draft.teams.map(team => <TeamEntry key={team.key} team={team} />)}
        </Section>
    );
}

function TeamEntry({ team: { key, name, members } }: { team: TeamDraft }) {
    const { draft, people, patch } = useEditing();
    const taken = new Set(draft.teams.flatMap(team => team.members));
    const free = people.filter(({ user }) => !taken.has(user.id));
    const loginOf = (id: string) => people.find(({ user }) => user.id === id)?.user.login ?? id;
    const title = nameOr(name, 'the team');
    return (
        <Entry part="teams" of={key} name={title}>
            <Text id={`${key}-name`} className="broad" label="Name" value={name} onChange={value => patch('teams', key, { name: value })} />
            <Choice id={`${key}-members`} className="broad" label="Members" value="" choices={[['', free.length > 0 ? 'Add somebody …' : 'Everybody is in a team'], ...free.map(({ user }) => [user.id, user.login] as const)]}
                onChange={person => { if (person) { patch('teams', key, { members: [...members, person] }); } }} />
            {members.length > 0 && (
                <ul className="names whole-row">
                    {members.map(person => (
                        <li key={person} className="chip">{loginOf(person)}<button type="button" className="icon" aria-label={`Remove ${loginOf(person)} from ${title}`} onClick={() => patch('teams', key, { members: members.filter(each => each !== person) })}>
                            <svg viewBox="0 0 20 20" width="12" height="12" aria-hidden="true"><path d="m5 5 10 10M15 5 5 15" stroke="currentColor" strokeWidth="2.4" strokeLinecap="round" /></svg>
                        </button></li>
                    ))}
                </ul>
            )}
        </Entry>
    );
}
