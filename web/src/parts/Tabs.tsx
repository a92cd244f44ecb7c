import { useRef, type KeyboardEvent } from 'react';

interface Props<Id extends string> {
    label: string;
    /** Id of the panel. */
    panel: string;
    tabs: readonly (readonly [Id, string])[];
    chosen: Id;
    /** Nothing can be chosen at the moment. */
    locked: boolean;
    onChoose: (id: Id) => void;
}

/** Which tab a key leads to, of so many; nothing where it is no key of tabs. */
export function tabOfKey(key: string, index: number, count: number): number | undefined {
    switch (key) {
        case 'ArrowRight': return (index + 1) % count;
        case 'ArrowLeft': return (index + count - 1) % count;
        case 'Home': return 0;
        case 'End': return count - 1;
        default: return undefined;
    }
}

/** A row of tabs: one stop for the Tab key, arrow keys within. */
export function Tabs<Id extends string>({ label, panel, tabs, chosen, locked, onChoose }: Props<Id>) {
    const list = useRef<HTMLDivElement>(null);
    function onKeyDown(event: KeyboardEvent): void {
        const next = tabOfKey(event.key, tabs.findIndex(([id]) => id === chosen), tabs.length);
        const tab = next === undefined ? undefined : tabs[next];
        if (tab && next !== undefined && !locked) {
            event.preventDefault();
            onChoose(tab[0]);
            list.current?.querySelectorAll<HTMLElement>('[role=tab]')[next]?.focus();
        }
    }
    return (
        <div ref={list} role="tablist" aria-label={label} className="tabs" onKeyDown={onKeyDown}>
            {tabs.map(([id, text]) => (
                <button key={id} type="button" role="tab" id={`tab-${id}`} aria-selected={chosen === id} aria-controls={panel} aria-disabled={locked}
                    tabIndex={chosen === id ? 0 : -1} onClick={() => { if (!locked) { onChoose(id); } }}>{text}</button>
            ))}
        </div>
    );
}
