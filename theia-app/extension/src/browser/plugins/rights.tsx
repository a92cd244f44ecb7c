import * as React from '@theia/core/shared/react';
import type { CapabilityName, RightInWords } from 'coditect-shell';

interface Props {
    readonly rights: readonly RightInWords[];
    /** Which are on; the page's own choice while it asks. */
    readonly isOn: (name: CapabilityName) => boolean;
    readonly onSwitch: (name: CapabilityName, on: boolean) => void;
    readonly disabled?: boolean;
}

const WEIGHTS = { high: 'Weighs much', medium: 'Sees your work', low: '' } as const;

/** What a plugin may do, each with a switch. The words are the shell's. */
export function Rights({ rights, isOn, onSwitch, disabled }: Props): React.ReactElement {
    return <ul className='plugin-rights'>{rights.map(right => <li key={right.name} className={`weight-${right.weight}`}>
        <label>
            <input type='checkbox' role='switch' checked={isOn(right.name)} disabled={disabled} onChange={event => onSwitch(right.name, event.target.checked)} />
            <strong>{right.title}</strong>
            {right.is_new && <span className='coditect-loaded'>New</span>}
            {WEIGHTS[right.weight] && <small className='plugin-muted'>{WEIGHTS[right.weight]}</small>}
        </label>
        {right.subjects.length > 0 && <p>{right.subjects.map(({ text, is_new }, index) => <React.Fragment key={text}>
            {index > 0 && ', '}{is_new && right.is_new ? <ins><code>{text}</code></ins> : <code>{text}</code>}
        </React.Fragment>)}</p>}
        {right.detail && <p>{right.detail}</p>}
        <p className='plugin-muted'>Its author says: {right.reason}</p>
    </li>)}</ul>;
}
