import { useRef, useState, type ReactNode } from 'react';
import type { HistoryEntry, HistoryItem, HistoryPage, HistoryTerms } from 'coditect-shell';
import { problemOf, type Problem } from '../../logic/problem';
import { bytes } from '../../logic/time';
import { answerOf, DOOR_NAMES, turnsOf } from '../../logic/conversation';
import { counted } from '../../logic/figures';
import { ActionDialog } from '../../parts/ActionDialog';
import { Dialog } from '../../parts/Dialog';
import { ProblemNote } from '../../parts/ProblemNote';
import { Skeleton } from '../../parts/Skeleton';
import { When } from '../../parts/When';
import { useLoaded } from '../../parts/useLoaded';
import { shell } from '../../shell';
import '../../parts/models.css';

interface Known {
    terms: HistoryTerms;
    entries: HistoryEntry[];
    next: string | undefined;
}

async function page(cursor?: string): Promise<Omit<Known, 'terms'>> {
    const { entries, next }: HistoryPage = await (await shell()).listHistory(cursor);
    return { entries, next };
}

async function load(): Promise<Known> {
    const [terms, first] = await Promise.all([(await shell()).historySettings(), page()]);
    return { terms, ...first };
}

type Asked = 'off' | 'all' | HistoryEntry | undefined;

/** What a person asked models and was answered, where they want it kept. */
export function History() {
    const { value: known, problem, reload, change } = useLoaded<Known>(load);
    const [late, setLate] = useState<Problem>();
    const [busy, setBusy] = useState(false);
    const [asked, setAsked] = useState<Asked>();
    const [open, setOpen] = useState<HistoryEntry>();
    const heading = useRef<HTMLHeadingElement>(null);

    async function busily(run: () => Promise<void>): Promise<void> {
        setBusy(true);
        setLate(undefined);
        try {
            await run();
        } catch (error) {
            setLate(problemOf(error));
        } finally {
            setBusy(false);
        }
    }
    const keep = async (keepsContent: boolean) => {
        const terms = await (await shell()).changeHistorySettings({ keeps_content: keepsContent });
        change(now => ({ ...(keepsContent ? now : { entries: [], next: undefined }), terms } as Known));
        reload();
    };
    const more = async (cursor: string) => {
        const following = await page(cursor);
        change(now => ({ ...now, entries: [...now.entries, ...following.entries], next: following.next }));
    };
    async function remove(entry: HistoryEntry): Promise<void> {
        await (await shell()).deleteHistory(entry.id);
        change(now => ({ ...now, entries: now.entries.filter(({ id }) => id !== entry.id) }));
        heading.current?.focus();
    }
    async function removeAll(): Promise<void> {
        await (await shell()).clearHistory();
        change(now => ({ ...now, entries: [], next: undefined }));
        reload();
        heading.current?.focus();
    }
    const keeps = known?.terms.keeps_content ?? false;
    return (
        <>
            <div className="title-row">
                <h1 ref={heading} tabIndex={-1}>History</h1>
                {known && known.entries.length > 0 && <button type="button" onClick={() => setAsked('all')}>Delete all</button>}
            </div>
            <ProblemNote problem={problem} action={{ label: 'Try again', run: reload }} />
            <ProblemNote problem={late} action={{ label: 'Dismiss', run: () => setLate(undefined) }} />
            {!known && !problem && <Skeleton rows={2} />}
            {known && (
                <section className="card stack">
                    <label className="check consent">
                        <input type="checkbox" role="switch" checked={keeps} disabled={busy} onChange={() => { if (keeps) { setAsked('off'); } else { void busily(() => keep(true)); } }} />
                        <span><strong>Keep what I ask and am answered</strong> <span className="hint">It is stored encrypted, shown to you alone, and deleted after {counted(known.terms.keep_days, 'day')}.</span></span>
                    </label>
                </section>
            )}
            {known?.entries.length === 0 && known.next === undefined && <p className="nothing">{keeps ? 'Nothing is kept yet: what you ask from now on will be.' : 'Nothing is kept.'}</p>}
            <ul className="rows">{known?.entries.map(entry => <Row key={entry.id} entry={entry} onOpen={() => setOpen(entry)} onDelete={() => setAsked(entry)} />)}</ul>
            {known?.next !== undefined && <p><button type="button" disabled={busy} onClick={() => void busily(() => more(known.next ?? ''))}>{busy ? 'Loading …' : 'Show more'}</button></p>}
            {open && <Conversation entry={open} onClose={() => setOpen(undefined)} />}
            {asked === 'off' && (
                <ActionDialog title="Keep nothing" label="Delete it all" busyLabel="Deleting …" className="danger" run={() => keep(false)} onClose={() => setAsked(undefined)} onLate={setLate}>
                    <p>Nothing is kept from now on, and what was kept is deleted. It cannot be undone.</p>
                </ActionDialog>
            )}
            {asked === 'all' && (
                <ActionDialog title="Delete all conversations" label="Delete them" busyLabel="Deleting …" className="danger" run={removeAll} onClose={() => setAsked(undefined)} onLate={setLate}>
                    <p>All that is kept here is deleted. What you ask from now on is kept all the same, until you switch that off. It cannot be undone.</p>
                </ActionDialog>
            )}
            {typeof asked === 'object' && (
                <ActionDialog title="Delete the conversation" label="Delete it" busyLabel="Deleting …" className="danger" run={() => remove(asked)} onClose={() => setAsked(undefined)} onLate={setLate}>
                    <p>What you asked <strong>{asked.model}</strong> and were answered is deleted. It cannot be undone.</p>
                </ActionDialog>
            )}
        </>
    );
}

function Row({ entry: { at, model, door, bytes: size }, onOpen, onDelete }: { entry: HistoryEntry; onOpen: () => void; onDelete: () => void }) {
    const time = new Date(at).toLocaleString();
    return (
        <li className="card line">
            <div className="grow">
                <h2 className="path" title={model}>{model}</h2>
                <p className="hint facts"><When what="Asked" at={at} /><span>{DOOR_NAMES[door]}</span><span>{bytes(size)}</span></p>
            </div>
            <div className="buttons">
                <button type="button" aria-label={`Show what ${model} was asked, ${time}`} onClick={onOpen}>Show</button>
                <button type="button" aria-label={`Delete what ${model} was asked, ${time}`} onClick={onDelete}>Delete</button>
            </div>
        </li>
    );
}

/** What was said, as text: it may hold anything. */
function Conversation({ entry, onClose }: { entry: HistoryEntry; onClose: () => void }) {
    const { value: item, problem, reload } = useLoaded<HistoryItem>(async () => (await shell()).showHistory(entry.id));
    return (
        <Dialog title={entry.model} onClose={onClose}>
            <p className="hint facts"><When what="Asked" at={entry.at} /><span>{DOOR_NAMES[entry.door]}</span></p>
            <ProblemNote problem={problem} action={{ label: 'Try again', run: reload }} />
            {!item && !problem && <Skeleton />}
            {item && <Said name="Question" whole={item.question}>{turnsOf(item.question)?.map(({ role, text }, index) => <div key={index}><p className="role">{role}</p><p className="words">{text}</p></div>)}</Said>}
            {item && <Said name="Answer" whole={item.answer}>{answerOf(item.answer)}</Said>}
            <footer><button type="button" data-first onClick={onClose}>Done</button></footer>
        </Dialog>
    );
}

/** What can be read of it, and all of it as it was sent. */
function Said({ name, whole, children }: { name: string; whole: string; children: ReactNode }) {
    const sent = <pre tabIndex={0} aria-label={`${name}, as it was sent`}>{whole}</pre>;
    return (
        <section className="said">
            <h3>{name}</h3>
            {children ? <><div className="words">{children}</div><details><summary>As it was sent</summary>{sent}</details></> : sent}
        </section>
    );
}
