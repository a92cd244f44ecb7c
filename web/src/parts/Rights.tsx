import { Fragment } from 'react';
import type { CapabilityName, RightInWords } from 'coditect-shell';
import './plugins.css';

interface Props {
    rights: readonly RightInWords[];
    isOn: (name: CapabilityName) => boolean;
    onSwitch: (name: CapabilityName, on: boolean) => void;
    disabled?: boolean;
}

/** What a plugin may do, each with a switch. The words are the shell's, the same as in the IDE. */
export function Rights({ rights, isOn, onSwitch, disabled = false }: Props) {
    return (
        <ul className="rights">
            {rights.map(right => (
                <li key={right.name} className={right.weight}>
                    <label className="check">
                        <input type="checkbox" role="switch" checked={isOn(right.name)} disabled={disabled} onChange={event => onSwitch(right.name, event.target.checked)} />
                        <span><strong>{right.title}</strong>{right.is_new && <span className="badge bad">New</span>}</span>
                    </label>
                    {right.subjects.length > 0 && (
                        <p>
                            {right.subjects.map(({ text, is_new }, index) => (
                                <Fragment key={text}>{index > 0 && ', '}{is_new && right.is_new ? <ins><code>{text}</code></ins> : <code>{text}</code>}</Fragment>
                            ))}
                        </p>
                    )}
                    {right.detail && <p>{right.detail}</p>}
                    <p className="hint">Its author says: {right.reason}</p>
                </li>
            ))}
        </ul>
    );
}
