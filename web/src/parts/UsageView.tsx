import { useState, type ReactNode } from 'react';
import type { CallPage, CallRecord, UsageBy, UsageReport, UsageTotals } from 'coditect-shell';
import { compact, counted, duration, money, whole } from '../logic/figures';
import { problemOf, type Problem } from '../logic/problem';
import { barName, chartOf, customPeriod, dayOf, exportAddress, MEASURES, meanFirstToken, periodOf, PERIODS, seriesOf, type Chart, type Measure, type Period, type PeriodChoice, type Whose } from '../logic/usage';
import { shell } from '../shell';
import { BarChart } from './BarChart';
import { Field, Select } from './Field';
import { ProblemNote } from './ProblemNote';
import { ScrollTable } from './ScrollTable';
import { Skeleton } from './Skeleton';
import { useLoaded } from './useLoaded';
import './models.css';

const DAY_MS = 86_400_000;

interface Props {
    /** Everybody's, which only admins see. */
    everybodys: boolean;
    ways: readonly (readonly [UsageBy, string])[];
    /** Identifiers and names of the people whose calls can be looked at alone. */
    people?: readonly (readonly [string, string])[] | undefined;
}

const EVERYBODY = '';

/** What was asked in a time and what it cost: sums, bars, tables, and the calls themselves. */
export function UsageView({ everybodys, ways, people }: Props) {
    const [choice, setChoice] = useState<PeriodChoice>('7');
    const [from, setFrom] = useState(() => dayOf(Date.now() - 13 * DAY_MS));
    const [to, setTo] = useState(() => dayOf(Date.now()));
    const [by, setBy] = useState<UsageBy>('model');
    const [measure, setMeasure] = useState<Measure>();
    const [user, setUser] = useState(EVERYBODY);
    const whose: Whose = { everybodys, user: user === EVERYBODY ? undefined : user };
    const period = choice === 'custom' ? customPeriod(from, to) : periodOf(choice, Date.now());
    return (
        <>
            <div className="filters">
                <div><Select id="usage-period" label="Time" value={choice} choices={PERIODS} onChange={setChoice} /></div>
                {choice === 'custom' && <div><Field id="usage-from" label="From" type="date" value={from} max={to} onChange={setFrom} /></div>}
                {choice === 'custom' && <div><Field id="usage-to" label="To" type="date" value={to} min={from} onChange={setTo} /></div>}
                <div><Select id="usage-by" label="Told apart by" value={by} choices={ways} onChange={setBy} /></div>
                {people && <div><Select id="usage-person" label="Person" value={user} choices={[[EVERYBODY, 'Everybody'], ...people]} onChange={setUser} /></div>}
            </div>
            {period
                ? (
                    <>
                        <Report key={`${spanOf(period)} ${by} ${user}`} period={period} by={by} way={(ways.find(([way]) => way === by)?.[1] ?? '').toLowerCase()} whose={whose} chosen={measure} onChoose={setMeasure} />
                        <Calls key={`${spanOf(period)} ${user}`} period={period} whose={whose} people={people} />
                    </>
                )
                : <p className="problem" role="alert">Choose two days, the earlier one first, and six years apart at the most.</p>}
        </>
    );
}

const spanOf = ({ from, to }: Period) => `${from} ${to}`;

interface ReportProps {
    period: Period;
    by: UsageBy;
    way: string;
    whose: Whose;
    chosen: Measure | undefined;
    onChoose: (measure: Measure) => void;
}

function Report({ period, by, way, whose, chosen, onChoose }: ReportProps) {
    const { value: report, problem, reload } = useLoaded<UsageReport>(async () => (await shell()).modelUsage(whose.everybodys, period.from, period.to, period.step, by, whose.user));
    if (!report) {
        return problem ? <ProblemNote problem={problem} action={{ label: 'Try again', run: reload }} /> : <Skeleton rows={3} />;
    }
    // Models on the person's own machines cost nothing: their tokens say more.
    const measure = chosen ?? (report.totals.cost > 0 ? 'cost' : 'tokens');
    const title = `${MEASURES.find(([id]) => id === measure)?.[1] ?? ''} by ${way}`;
    const format = measure === 'cost' ? money : compact;
    const chart = chartOf(report, period, measure);
    return (
        <>
            <ProblemNote problem={problem} action={{ label: 'Try again', run: reload }} />
            <Totals totals={report.totals} />
            {report.rows.length === 0 ? <p className="nothing">No model was asked in this time.</p> : (
                <section className="card stack">
                    <div className="title-row chart-title">
                        <h2>{title}</h2>
                        <Measures chosen={measure} onChoose={onChoose} />
                    </div>
                    <BarChart title={title} chart={chart} step={report.step} format={format} />
                    <Sums report={report} measure={measure} way={way} />
                    <details>
                        <summary>Figures of each {report.step}</summary>
                        <Steps chart={chart} report={report} format={format} />
                    </details>
                    {report.step === 'day' && <p className="hint">Days begin at midnight UTC.</p>}
                </section>
            )}
        </>
    );
}

function Measures({ chosen, onChoose }: { chosen: Measure; onChoose: (measure: Measure) => void }) {
    return (
        <div className="choice" role="group" aria-label="What is shown">
            {MEASURES.map(([id, name]) => <button key={id} type="button" aria-pressed={id === chosen} onClick={() => onChoose(id)}>{name}</button>)}
        </div>
    );
}

function Totals({ totals }: { totals: UsageTotals }) {
    const { calls, failures, tokens, cost } = totals;
    return (
        <dl className="tiles">
            <Tile name="Cost" value={money(cost)} exact={`$${cost}`} />
            <Tile name="Calls" value={compact(calls)} exact={whole(calls)} more={failures > 0 ? `${whole(failures)} did not go well` : undefined} />
            <Tile name="Tokens read" value={compact(tokens.input)} exact={whole(tokens.input)} more={tokens.cached > 0 ? `${compact(tokens.cached)} from a cache` : undefined} />
            <Tile name="Tokens written" value={compact(tokens.output)} exact={whole(tokens.output)} more={tokens.reasoning > 0 ? `${compact(tokens.reasoning)} of them thoughts` : undefined} />
            <Tile name="First token after" value={meanFirstToken(totals) ?? '–'} more={totals.first_tokens > 0 ? 'on average' : undefined} />
        </dl>
    );
}

function Tile({ name, value, exact, more }: { name: string; value: string; exact?: string; more?: string | undefined }) {
    return <div className="card tile"><dt>{name}</dt><dd title={exact}>{value}</dd>{more && <dd className="hint">{more}</dd>}</div>;
}

/** The sums of each that is told apart; says which colour is whose. */
function Sums({ report, measure, way }: { report: UsageReport; measure: Measure; way: string }) {
    const series = seriesOf(report, measure);
    return (
        <ScrollTable caption={`Sums by ${way}`}>
            <thead><tr><th scope="col" className="capital">{way}</th><Numbers of={['Calls', 'Read', 'Written', 'First token', 'Cost']} /></tr></thead>
            <tbody>
                {series.map(({ of, name, totals, tone }) => (
                    <tr key={of}>
                        <th scope="row"><span className={`swatch tone-${tone}`} aria-hidden="true" /><span className="cell-name" title={name}>{name}</span></th>
                        <td>{whole(totals.calls)}</td><td>{compact(totals.tokens.input)}</td><td>{compact(totals.tokens.output)}</td>
                        <td>{meanFirstToken(totals) ?? '–'}</td><td>{money(totals.cost)}</td>
                    </tr>
                ))}
            </tbody>
        </ScrollTable>
    );
}

function Numbers({ of }: { of: readonly string[] }): ReactNode {
    return of.map(name => <th key={name} scope="col" className="number">{name}</th>);
}

/** The figures that the bars show. */
function Steps({ chart: { series, bars }, report: { step }, format }: { chart: Chart; report: UsageReport; format: (value: number) => string }) {
    return (
        <ScrollTable caption={`Figures of each ${step}`}>
            <thead><tr><th scope="col" className="capital">{step}</th>{series.map(({ of, name }) => <th key={of} scope="col" className="number"><span className="cell-name" title={name}>{name}</span></th>)}<th scope="col" className="number">Sum</th></tr></thead>
            <tbody>
                {bars.toReversed().map(({ at, values, sum }) => (
                    <tr key={at}><th scope="row">{barName(at, step)}</th>{values.map((value, index) => <td key={index}>{value > 0 ? format(value) : '–'}</td>)}<td>{sum > 0 ? format(sum) : '–'}</td></tr>
                ))}
            </tbody>
        </ScrollTable>
    );
}

const OUTCOMES: Readonly<Record<Exclude<CallRecord['outcome'], 'ok'>, string>> = { cancelled: 'Cancelled', refused: 'Refused', broke_off: 'Broke off', out_of_money: 'Budget used up' };

interface CallsProps {
    period: Period;
    whose: Whose;
    people: Props['people'];
}

function Calls({ period, whose, people }: CallsProps) {
    const page = async (cursor?: string): Promise<CallPage> => (await shell()).modelCalls(whose.everybodys, period.from, period.to, cursor, whose.user);
    // Where names cannot be had, identifiers stand for them.
    const nameOf = whose.everybodys ? (id: string) => people?.find(([person]) => person === id)?.[1] : undefined;
    const { value: listed, problem, reload, change } = useLoaded<CallPage>(() => page());
    const [late, setLate] = useState<Problem>();
    const [busy, setBusy] = useState(false);
    const next = listed?.next;
    async function more(cursor: string): Promise<void> {
        setBusy(true);
        setLate(undefined);
        try {
            const { calls, next: following } = await page(cursor);
            change(now => ({ calls: [...now.calls, ...calls], ...(following !== undefined && { next: following }) }));
        } catch (error) {
            setLate(problemOf(error));
        } finally {
            setBusy(false);
        }
    }
    return (
        <section className="stack">
            <div className="title-row">
                <h2>Latest calls</h2>
                <Export period={period} whose={whose} onProblem={setLate} />
            </div>
            <ProblemNote problem={problem} action={{ label: 'Try again', run: reload }} />
            <ProblemNote problem={late} action={{ label: 'Dismiss', run: () => setLate(undefined) }} />
            {!listed && !problem && <Skeleton rows={2} />}
            {listed?.calls.length === 0 && next === undefined && <p className="nothing">No calls.</p>}
            {listed && listed.calls.length > 0 && (
                <ScrollTable caption="Latest calls">
                    <thead><tr><th scope="col">{nameOf ? 'When, person' : 'When'}</th><th scope="col">Model, agent</th><Numbers of={['Read', 'Written', 'Cost', 'Time']} /></tr></thead>
                    <tbody>{listed.calls.map(call => <Call key={call.id} call={call} nameOf={nameOf} />)}</tbody>
                </ScrollTable>
            )}
            {next !== undefined && <p><button type="button" disabled={busy} onClick={() => void more(next)}>{busy ? 'Loading …' : 'Show more'}</button></p>}
        </section>
    );
}

function Call({ call, nameOf }: { call: CallRecord; nameOf: ((user: string) => string | undefined) | undefined }) {
    const { at, user, model, asked, agent, tokens, estimated, cost, own_key: isOwn, first_token_us: first, total_us: total, outcome, code, retries } = call;
    const about = estimated ? '≈\u2009' : '';
    return (
        <tr>
            <td><time dateTime={new Date(at).toISOString()} title={new Date(at).toLocaleString()}>{new Date(at).toLocaleString(undefined, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' })}</time>{nameOf && <span className="below cell-name" title={user}>{nameOf(user) ?? user}</span>}</td>
            <td className="text">
                <span className="cell-name" title={!model || asked === model ? asked : `${model}, asked for as ${asked}`}>{model || asked}</span>
                <span className="below cell-name" title={agent}>{agent || 'Unnamed'}</span>
                {outcome !== 'ok' && <span className="below went-wrong">{OUTCOMES[outcome]}{code && <> <code>{code}</code></>}</span>}
                {retries > 0 && <span className="below">{counted(retries, 'retry', 'retries')}</span>}
            </td>
            <td title={tokens.cached > 0 ? `${whole(tokens.cached)} from a cache` : undefined}>{about}{whole(tokens.input)}</td>
            <td title={tokens.reasoning > 0 ? `${whole(tokens.reasoning)} of them thoughts` : undefined}>{about}{whole(tokens.output)}</td>
            <td>{money(cost)}{isOwn && <span className="below">own key</span>}</td>
            <td>{duration(total)}{first !== undefined && <span className="below">first {duration(first)}</span>}</td>
        </tr>
    );
}

const FORMS = ['csv', 'json'] as const;

/** Downloads all calls of the time. */
function Export({ period, whose, onProblem }: { period: Period; whose: Whose; onProblem: (problem: Problem | undefined) => void }) {
    async function download(form: (typeof FORMS)[number]): Promise<void> {
        onProblem(undefined);
        try {
            // Renews a login that has run out: the browser itself fetches the file, and does not know how.
            await (await shell()).session();
            const link = document.createElement('a');
            link.href = exportAddress(period, form, whose);
            link.download = '';
            link.click();
        } catch (error) {
            onProblem(problemOf(error));
        }
    }
    return (
        <div className="buttons" role="group" aria-label="Download all calls of this time">
            {FORMS.map(form => <button key={form} type="button" onClick={() => void download(form)}>Download {form.toUpperCase()}</button>)}
        </div>
    );
}
