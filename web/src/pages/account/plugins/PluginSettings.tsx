import { useState, type SyntheticEvent } from 'react';
import type { Setting } from 'coditect-shell';
import { enteredValue, shownValue } from '../../../logic/plugins';
import { Field, PasswordField, Select } from '../../../parts/Field';

interface Props {
    settings: readonly Setting[];
    /** What was set, as JSON; a secret that is set is `true`. */
    values: Readonly<Record<string, string>>;
    busy: boolean;
    /** Nothing goes back to the default. */
    onSet: (id: string, value: string | null) => void;
}

/** What people may set of a plugin. */
export function PluginSettings({ settings, values, busy, onSet }: Props) {
    return (
        <section className="card stack">
            <h2>Settings</h2>
            {settings.map(setting => <One key={`${setting.id} ${values[setting.id] ?? ''}`} setting={setting} value={values[setting.id]} busy={busy} onSet={onSet} />)}
        </section>
    );
}

function One({ setting, value, busy, onSet }: { setting: Setting; value: string | undefined } & Pick<Props, 'busy' | 'onSet'>) {
    const { id, kind, title, description = '', choices = [] } = setting;
    const [text, setText] = useState(shownValue(setting, value));
    const [isWrong, setWrong] = useState(false);
    const field = `setting-${id}`;
    function keep(entered: string): void {
        const json = enteredValue(setting, entered);
        setWrong(json === undefined);
        if (json !== undefined) {
            onSet(id, json);
        }
        if (kind === 'secret') {
            setText('');
        }
    }
    function submit(event: SyntheticEvent): void {
        event.preventDefault();
        keep(text);
    }
    const reset = value !== undefined && <button type="button" className="link" disabled={busy} aria-label={kind === 'secret' ? `Forget ${title}` : `Back to the default of ${title}`} onClick={() => onSet(id, null)}>{kind === 'secret' ? 'Forget it' : 'Back to the default'}</button>;
    if (kind === 'boolean') {
        return (
            <label className="check">
                <input type="checkbox" checked={text === 'true'} disabled={busy} onChange={event => keep(String(event.target.checked))} />
                <span><strong>{title}</strong> <span className="hint">{description}</span> {reset}</span>
            </label>
        );
    }
    if (kind === 'choice') {
        return <div><Select id={field} label={title} value={text} choices={choices.map(choice => [choice, choice])} onChange={keep} hint={<>{description} {reset}</>} /></div>;
    }
    return (
        <form onSubmit={submit}>
            {kind === 'secret'
                ? <PasswordField id={field} label={title} autoComplete="new-password" value={text} onChange={setText} placeholder={value === undefined ? '' : 'Kept; type to replace it'} hint={<>{description} {reset}</>} />
                : <Field id={field} label={title} value={text} onChange={setText} inputMode={kind === 'number' ? 'decimal' : undefined} autoComplete="off" spellCheck={false}
                    fault={isWrong ? `${field}-fault` : undefined} hint={<>{description} {reset}</>} />}
            {isWrong && <p id={`${field}-fault`} role="alert" className="fault">This takes a number.</p>}
            {text !== shownValue(setting, value) && <p><button type="submit" disabled={busy} aria-label={`Keep ${title}`}>Keep it</button></p>}
        </form>
    );
}
