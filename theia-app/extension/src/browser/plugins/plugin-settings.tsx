import * as React from '@theia/core/shared/react';
import type { Setting } from 'coditect-shell';

interface Props {
    readonly settings: readonly Setting[];
    /** What was set, as JSON; a secret that is set is `true`. */
    readonly values: Readonly<Record<string, string>>;
    /** `null` goes back to the default. */
    readonly onSet: (id: string, value: string | null) => void;
}

/** The settings of a plugin. Each is kept as soon as it is left. */
export function PluginSettings({ settings, values, onSet }: Props): React.ReactElement {
    return <React.Fragment>{settings.map(setting => <SettingField key={`${setting.id} ${values[setting.id] ?? ''}`} setting={setting} value={values[setting.id]} onSet={onSet} />)}</React.Fragment>;
}

function SettingField({ setting, value, onSet }: { readonly setting: Setting; readonly value: string | undefined } & Pick<Props, 'onSet'>): React.ReactElement {
    const id = React.useId();
    const { kind, title, description } = setting;
    const isSet = value !== undefined;
    const now = parsed(value ?? setting.default);
    const set = (next: unknown) => onSet(setting.id, JSON.stringify(next));
    const hint = `${id}-hint`;
    return <div className='plugin-field'>
        {kind === 'boolean'
            ? <label><input type='checkbox' checked={now === true} aria-describedby={hint} onChange={event => set(event.target.checked)} />{title}</label>
            : <label htmlFor={id}>{title}</label>}
        {kind === 'choice' && <select id={id} className='theia-select' value={String(now)} aria-describedby={hint} onChange={event => set(event.target.value)}>
            {setting.choices?.map(choice => <option key={choice}>{choice}</option>)}
        </select>}
        {(kind === 'text' || kind === 'number') && <Line id={id} hint={hint} type={kind} value={String(now ?? '')} onLeave={text => {
            if (kind === 'text') {
                set(text);
            } else if (text.trim() !== '' && Number.isFinite(Number(text))) {
                set(Number(text));
            }
        }} />}
        {kind === 'secret' && <Line id={id} hint={hint} type='password' value='' placeholder={isSet ? 'Kept; type to replace it' : ''} onLeave={set} />}
        <p id={hint} className='plugin-muted'>{description}{isSet && <button type='button' className='coditect-link' onClick={() => onSet(setting.id, null)}>{kind === 'secret' ? 'Forget it' : 'Back to the default'}</button>}</p>
    </div>;
}

interface LineProps {
    readonly id: string;
    readonly hint: string;
    readonly type: string;
    readonly value: string;
    readonly placeholder?: string;
    readonly onLeave: (text: string) => void;
}

function Line({ id, hint, type, value, placeholder, onLeave }: LineProps): React.ReactElement {
    const [text, setText] = React.useState(value);
    const isSecret = type === 'password';
    const leave = () => {
        if (text !== value) {
            onLeave(text);
            if (isSecret) {
                // It does not come back as the value, and would be sent again.
                setText('');
            }
        }
    };
    return <input id={id} type={type} step='any' className='theia-input' value={text} placeholder={placeholder} aria-describedby={hint} autoComplete={isSecret ? 'new-password' : 'off'} spellCheck={false}
        onChange={event => setText(event.target.value)} onBlur={leave} onKeyDown={event => event.key === 'Enter' && leave()} />;
}

function parsed(json: string): unknown {
    try {
        return JSON.parse(json);
    } catch {
        return undefined;
    }
}
