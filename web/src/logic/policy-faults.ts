import { linesOf, type Draft, type Part } from './policy';

/** Longest names, in characters, as the server takes them. */
const ALIAS_MAX_CHARS = 128;
const MODEL_MAX_CHARS = 256;
const TEAM_MAX_CHARS = 64;
const AGENT_MAX_CHARS = 64;
const MAX_TARGETS = 32;
const MAX_WEIGHT = 1_000_000;
const MAX_PER_MINUTE = 1_000_000_000_000;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** Characters that nobody sees. */
const CONTROL = /\p{Cc}/u;
/** What the server says of an entry: `budgets[2]: …`. */
const ENTRY = /^(aliases|allowed|prices|budgets|limits|teams)\[(\d+)\]: /;

/** What is wrong, by the id of the field that it is about. */
export type Faults = ReadonlyMap<string, string>;

/** Finds what the server would refuse, so that it can be said beside the field. */
export function faultsOf(draft: Draft): Faults {
    const faults = new Map<string, string>();
    const check = new Check(faults);
    aliases(draft, check);
    for (const { key, isAll, models } of draft.allowed) {
        if (!isAll) { linesOf(models).forEach(model => check.pattern(`${key}-models`, model)); }
    }
    prices(draft, check);
    budgets(draft, check);
    limits(draft, check);
    teams(draft, check);
    return faults;
}

class Check {
    constructor(private readonly faults: Map<string, string>) {}

    /** Keeps the first fault of a field. */
    must(field: string, holds: boolean, fault: string): boolean {
        if (!holds && !this.faults.has(field)) { this.faults.set(field, fault); }
        return holds;
    }
    name(field: string, text: string, most: number): boolean {
        const name = text.trim();
        return this.must(field, name !== '', 'Fill this in.') && this.must(field, [...name].length <= most && !CONTROL.test(name), `At most ${most} visible characters.`);
    }
    pattern(field: string, text: string): boolean {
        const name = text.trim();
        return this.name(field, name, MODEL_MAX_CHARS) && this.must(field, /[/*]/.test(name), `“${name}” names no model; name it as server/model, where * stands for any text.`);
    }
    model(field: string, text: string): boolean {
        const name = text.trim();
        return this.name(field, name, MODEL_MAX_CHARS) && this.must(field, /^[^/]+\/./.test(name) && !name.includes('*'), `“${name}” is not one model; name it as server/model, without *.`);
    }
    amount(field: string, text: string, isNeeded: boolean): void {
        const isEmpty = text.trim() === '';
        if (!isNeeded && isEmpty) { return; }
        this.must(field, !isEmpty && Number.isFinite(Number(text)) && Number(text) >= 0, 'An amount in dollars, such as 2.50.');
    }
    count(field: string, text: string, least: number, most: number): void {
        if (text.trim() === '') { return; }
        const number = Number(text);
        this.must(field, Number.isSafeInteger(number) && number >= least && number <= most, `A whole number from ${least} to ${most.toLocaleString('en')}.`);
    }
    /** Something that may be there once. */
    once(field: string, seen: Set<string>, what: string, fault: string): void {
        this.must(field, !seen.has(what), fault);
        seen.add(what);
    }
}

function aliases(draft: Draft, check: Check): void {
    const names = new Set(draft.aliases.map(({ name }) => name.trim()).filter(Boolean));
    const seen = new Set<string>();
    for (const { key, name: typed, targets, fallbacks } of draft.aliases) {
        const name = typed.trim();
        if (check.name(`${key}-name`, name, ALIAS_MAX_CHARS)) { check.once(`${key}-name`, seen, name, 'This name is there twice.'); }
        const add = `${key}-add`;
        check.must(add, targets.length > 0, 'It leads nowhere; add a model.');
        check.must(add, targets.length <= MAX_TARGETS, `At most ${MAX_TARGETS} models.`);
        const models = new Set<string>();
        const leadsTo = (field: string, model: string) => {
            if (!check.model(field, model)) { return; }
            check.must(field, model === name || !names.has(model), `“${model}” is another of these names; name the models that it leads to.`);
            check.once(field, models, model, `“${model}” is there twice.`);
        };
        for (const target of targets) {
            leadsTo(`${target.key}-model`, target.model.trim());
            check.count(`${target.key}-weight`, target.weight, 0, MAX_WEIGHT);
        }
        const lines = linesOf(fallbacks);
        check.must(`${key}-fallbacks`, lines.length <= MAX_TARGETS, `At most ${MAX_TARGETS} models.`);
        lines.forEach(model => leadsTo(`${key}-fallbacks`, model));
        const first = targets[0];
        if (first) { check.must(`${first.key}-weight`, targets.some(({ weight }) => weight.trim() === '' || Number(weight) !== 0), 'All weights are 0, so that none would ever be asked.'); }
    }
}

function prices(draft: Draft, check: Check): void {
    const seen = new Set<string>();
    for (const { key, model, input, output, cached, cacheWrite, maxOutput } of draft.prices) {
        if (check.pattern(`${key}-model`, model)) { check.once(`${key}-model`, seen, model.trim(), 'There is a price for this already.'); }
        check.amount(`${key}-input`, input, true);
        check.amount(`${key}-output`, output, true);
        check.amount(`${key}-cached`, cached, false);
        check.amount(`${key}-cache-write`, cacheWrite, false);
        check.count(`${key}-max-output`, maxOutput, 1, Number.MAX_SAFE_INTEGER);
    }
}

/** What a budget or limit is of: a team that there is, an agent's name, or an identifier. */
function isOf(draft: Draft, check: Check, field: string, scope: string, of: string): void {
    if (scope === 'instance' || of === '') { return; }
    if (scope === 'agent') {
        check.name(field, of, AGENT_MAX_CHARS);
    } else if (scope === 'team') {
        check.must(field, draft.teams.some(({ id }) => id === of), 'There is no such team any more; choose another.');
    } else {
        check.must(field, UUID.test(of), 'An identifier, such as 0190a6c8-7f5e-7c3a-8b1f-0a1b2c3d4e5f.');
    }
}

function budgets(draft: Draft, check: Check): void {
    const seen = new Set<string>();
    for (const { key, scope, of: typed, limit, period } of draft.budgets) {
        const of = scope === 'instance' ? '' : typed.trim();
        isOf(draft, check, `${key}-of`, scope, of);
        check.amount(`${key}-limit`, limit, true);
        check.once(`${key}-period`, seen, JSON.stringify([scope, of, period]), 'There is a budget of the same for this time already.');
    }
}

function limits(draft: Draft, check: Check): void {
    const seen = new Set<string>();
    for (const { key, scope, of: typed, requests, tokens } of draft.limits) {
        const of = typed.trim();
        isOf(draft, check, `${key}-of`, scope, of);
        check.must(`${key}-requests`, requests.trim() !== '' || tokens.trim() !== '', 'It limits nothing; fill in requests or tokens.');
        check.count(`${key}-requests`, requests, 1, MAX_PER_MINUTE);
        check.count(`${key}-tokens`, tokens, 1, MAX_PER_MINUTE);
        check.once(`${key}-scope`, seen, JSON.stringify([scope, of]), 'There is a limit of the same already.');
    }
}

function teams(draft: Draft, check: Check): void {
    const names = new Set<string>();
    const members = new Set<string>();
    for (const { key, name, members: people } of draft.teams) {
        if (check.name(`${key}-name`, name, TEAM_MAX_CHARS)) { check.once(`${key}-name`, names, name.trim(), 'There is a team of this name already.'); }
        people.forEach(person => check.once(`${key}-members`, members, person, 'Somebody of them is in another team, too; a person is in one at most.'));
    }
}

/** The entry that a refusal of the server is about, where it names one. */
export function entryOf(draft: Draft, message: string): { part: Part; key: string } | undefined {
    const [, part, index] = ENTRY.exec(message) ?? [];
    if (part === undefined) {
        return undefined;
    }
    const of = part as Part;
    // A role that may ask everything is no entry.
    const entries = of === 'allowed' ? draft.allowed.filter(({ isAll }) => !isAll) : draft[of];
    const key = entries[Number(index)]?.key;
    return key === undefined ? undefined : { part: of, key };
}
