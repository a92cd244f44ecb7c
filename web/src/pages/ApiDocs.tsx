import { Fragment, memo, useDeferredValue, useEffect, useMemo, useState } from 'react';
import { foundIn, readApi, typeAnchor, type Api, type Document, type FieldText, type Operation, type TypeText, type Words } from '../logic/openapi';
import { pageProblem } from '../logic/problem';
import { Header } from '../parts/Header';
import { ProblemNote } from '../parts/ProblemNote';
import { Prose } from '../parts/Prose';
import { Skeleton } from '../parts/Skeleton';
import { useLoaded } from '../parts/useLoaded';
import './api-docs.css';

const DOCUMENT = '/api/v5/openapi.json';

async function load(): Promise<Api> {
    const answer = await fetch(DOCUMENT, { headers: { accept: 'application/json' } }).catch(() => undefined);
    if (!answer?.ok) {
        throw pageProblem('page.no_api', 'The description of the API could not be loaded; check the network, then try again.');
    }
    return readApi(await answer.json() as Document);
}

/** The API for people to read, made of the document that programs read. */
export function ApiDocs() {
    const { value: api, problem, reload } = useLoaded(load);
    const [query, setQuery] = useState('');
    const wanted = useDeferredValue(query);
    const groups = useMemo(() => foundIn(api?.groups ?? [], wanted), [api, wanted]);
    const count = groups.reduce((sum, group) => sum + group.operations.length, 0);
    // What the address points at was not there when the browser looked.
    useEffect(() => { if (api) { document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView(); } }, [api]);
    return (
        <>
            <Header />
            <main className="api" tabIndex={-1}>
                <ProblemNote problem={problem} action={{ label: 'Try again', run: reload }} />
                {!api && !problem && <Skeleton rows={4} />}
                {api && (
                    <>
                        <nav aria-label="Groups of routes">
                            <input type="search" aria-label="Find a route" placeholder="Find a route, field or code" value={query} onChange={event => setQuery(event.target.value)} />
                            <p role="status" className="hint">{wanted ? `${count} ${count === 1 ? 'route' : 'routes'} found` : `${count} routes`}</p>
                            <ul>
                                {groups.map(group => <li key={group.anchor}><a href={`#${group.anchor}`}>{group.name}</a></li>)}
                                {!wanted && <li><a href="#types">Types</a></li>}
                            </ul>
                        </nav>
                        <div className="api-content">
                            <h1>{api.title} API <span className="hint">{api.version}</span></h1>
                            <Prose text={api.description} />
                            <p className="hint">For programs: <a href={DOCUMENT}>openapi.json</a></p>
                            {groups.map(group => (
                                <section key={group.anchor} aria-labelledby={group.anchor}>
                                    <h2 id={group.anchor} className="section">{group.name}</h2>
                                    <Prose text={group.description} />
                                    {group.operations.map(operation => <Route key={operation.anchor} operation={operation} />)}
                                </section>
                            ))}
                            {!wanted && <Types types={api.types} />}
                        </div>
                    </>
                )}
            </main>
        </>
    );
}

const Route = memo(function Route({ operation: { anchor, method, path, summary, description, parameters, bodies, answers } }: { operation: Operation }) {
    return (
        <article className="card route" id={anchor} aria-labelledby={`${anchor}-title`}>
            <h3 id={`${anchor}-title`}><a href={`#${anchor}`}><span className={`method ${method.toLowerCase()}`}>{method}</span> <code>{path}</code></a></h3>
            <Prose text={summary} />
            <Prose text={description} />
            {parameters.length > 0 && <Fields title="Parameters" fields={parameters} />}
            {bodies.map(({ media, words, fields }) => (
                <Fragment key={media}>
                    <h4>Body <TypeWords words={words} /> <span className="hint">{media}</span></h4>
                    {fields.length > 0 && <Fields fields={fields} />}
                </Fragment>
            ))}
            <h4>Answers</h4>
            <dl className="answers">
                {answers.map(({ status, description: text, words }) => (
                    <Fragment key={status}>
                        <dt><code className={/^[23]/.test(status) ? 'fine' : 'refused'}>{status}</code></dt>
                        <dd>{words.length > 0 && <><TypeWords words={words} /> </>}<Prose text={text} inline /></dd>
                    </Fragment>
                ))}
            </dl>
        </article>
    );
});

const Types = memo(function Types({ types }: { types: TypeText[] }) {
    return (
        <section aria-labelledby="types">
            <h2 id="types" className="section">Types</h2>
            {types.map(({ name, description, words, variants }) => (
                <article key={name} className="card route" id={typeAnchor(name)}>
                    <h3><a href={`#${typeAnchor(name)}`}><code>{name}</code></a></h3>
                    <Prose text={description} />
                    {words.length > 0 && <p><TypeWords words={words} /></p>}
                    {variants.map((variant, index) => (
                        <Fragment key={index}>
                            {variant.words.length > 0 && <h4><TypeWords words={variant.words} /></h4>}
                            <Prose text={variant.description} />
                            {variant.fields.length > 0 && <Fields fields={variant.fields} />}
                        </Fragment>
                    ))}
                </article>
            ))}
        </section>
    );
});

function Fields({ title, fields }: { title?: string; fields: (FieldText & { place?: string })[] }) {
    return (
        <>
            {title && <h4>{title}</h4>}
            <dl className="fields">
                {fields.map(({ name, words, required, description, place }) => (
                    <Fragment key={`${place}-${name}`}>
                        <dt><code>{name}</code></dt>
                        <dd>
                            <TypeWords words={words} /> <span className="hint">{[place, !required && 'optional'].filter(Boolean).join(', ')}</span>
                            <Prose text={description} />
                        </dd>
                    </Fragment>
                ))}
            </dl>
        </>
    );
}

function TypeWords({ words }: { words: Words }) {
    return <span className="type">{words.map((word, index) => typeof word === 'string' ? word : <a key={index} href={`#${typeAnchor(word.type)}`}>{word.type}</a>)}</span>;
}
