import type { MyModels } from 'coditect-shell';
import { doorsOf } from '../../logic/links';
import { budgetName, budgetShares, budgetText, limitText } from '../../logic/usage';
import { ModelKeys } from '../../parts/ModelKeys';
import { Copyable } from '../../parts/Once';
import { ProblemNote } from '../../parts/ProblemNote';
import { Skeleton } from '../../parts/Skeleton';
import { When } from '../../parts/When';
import { Link } from '../../parts/router';
import { useLoaded } from '../../parts/useLoaded';
import { shell } from '../../shell';
import '../../parts/models.css';

/** What stands for all models. */
const ALL = '*';

/** Which models a person may ask, for how much, with which keys, and from where. */
export function Models() {
    const { value: mine, problem, reload } = useLoaded<MyModels>(async () => (await shell()).myModels());
    return (
        <>
            <h1>Models</h1>
            <ProblemNote problem={problem} action={{ label: 'Try again', run: reload }} />
            {!mine && !problem && <Skeleton rows={3} />}
            {mine && <Budgets mine={mine} />}
            {mine && <Allowed mine={mine} />}
            <ModelKeys everybodys={false} title="Your keys" level={2}>
                <p className="hint">With a key of your own at a provider, your calls go there on your bill, and count towards no budget of your team or of the whole server, unless this server’s operator pays there as well.</p>
            </ModelKeys>
            <Elsewhere />
        </>
    );
}

function Budgets({ mine: { budgets, limits, team } }: { mine: MyModels }) {
    return (
        <section className="card stack">
            <h2>What is left</h2>
            {team !== undefined && <p className="hint">Your team: <strong>{team}</strong></p>}
            {budgets.length === 0 && <p>No budget counts for you: nobody has bounded what you may spend.</p>}
            <ul className="budgets">{budgets.map(budget => <Budget key={`${budget.scope} ${budget.of} ${budget.period}`} budget={budget} />)}</ul>
            {limits.length > 0 && (
                <>
                    <h3>Limits</h3>
                    <ul className="plain">{limits.map(limit => <li key={`${limit.scope} ${limit.of ?? ''}`}>{limitText(limit)}</li>)}</ul>
                </>
            )}
        </section>
    );
}

function Budget({ budget }: { budget: MyModels['budgets'][number] }) {
    const { spent, held, isScarce } = budgetShares(budget);
    const name = budgetName(budget);
    return (
        <li>
            <p className="budget-head"><strong>{name}</strong> <span className={isScarce ? 'scarce' : undefined}>{budgetText(budget)}</span></p>
            <div className="budget" role="meter" aria-label={name} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round((spent + held) * 100)} aria-valuetext={budgetText(budget)}>
                <span className={isScarce ? 'spent scarce' : 'spent'} style={{ width: `${spent * 100}%` }} /><span className="held" style={{ width: `${held * 100}%` }} />
            </div>
            {budget.renews_at !== undefined && <p className="hint"><When what="Begins anew" at={budget.renews_at} ahead /></p>}
        </li>
    );
}

function Allowed({ mine: { allowed, aliases } }: { mine: MyModels }) {
    const isAll = allowed.includes(ALL);
    return (
        <section className="card stack">
            <h2>What you may ask</h2>
            {isAll ? <p>All models that this server reaches.</p> : allowed.length === 0 ? <p>No model. Ask who runs this server.</p> : <Names of={allowed} />}
            {!isAll && allowed.some(name => name.includes('*')) && <p className="hint"><code>*</code> stands for any text.</p>}
            {aliases.length > 0 && (
                <>
                    <h3>Other names</h3>
                    <p className="hint">Ask for one of these, and the server chooses the model.</p>
                    <Names of={aliases} />
                </>
            )}
        </section>
    );
}

function Names({ of }: { of: readonly string[] }) {
    return <ul className="names">{of.map(name => <li key={name}><code>{name}</code></li>)}</ul>;
}

/** Where other programs find the same models. */
function Elsewhere() {
    return (
        <section className="card stack">
            <h2>Use it elsewhere</h2>
            <p className="hint">Programs that know OpenAI, Anthropic or Gemini reach the same models here, under the same budgets. Give them an address, and as the key an <Link href="/account/tokens?scope=llm">access token</Link> with the scope <code>llm</code>.</p>
            {doorsOf(location.origin).map(({ provider, address, variable, key }) => (
                <div key={provider} className="door">
                    <Copyable label={`Address for ${provider}`} text={address} />
                    <p className="hint"><code>{variable}</code>; the token goes into <code>{key}</code></p>
                </div>
            ))}
        </section>
    );
}
