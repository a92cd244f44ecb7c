import { useState, type ComponentProps, type ReactNode } from 'react';
import { passwordHint, type PasswordRules } from '../logic/password';

interface FieldProps extends Omit<ComponentProps<'input'>, 'id' | 'value' | 'onChange' | 'children'> {
    id: string;
    label: ReactNode;
    value: string;
    onChange: (value: string) => void;
    hint?: ReactNode;
    /** Id of what tells what is wrong with it, where something is. */
    fault?: string | undefined;
    /** Beside the input. */
    children?: ReactNode;
}

/** A labelled input with its hint and its fault tied to it. */
export function Field({ id, label, value, onChange, hint, fault, children, ...rest }: FieldProps) {
    const hintId = hint ? `${id}-hint` : undefined;
    const describedBy = [hintId, fault].filter(Boolean).join(' ') || undefined;
    const input = <input id={id} name={id} value={value} aria-invalid={fault !== undefined} aria-describedby={describedBy} onChange={event => onChange(event.target.value)} {...rest} />;
    return (
        <>
            <label htmlFor={id}>{label}</label>
            {children ? <div className="with-button">{input}{children}</div> : input}
            {hint && <p id={hintId} className="hint">{hint}</p>}
        </>
    );
}

interface PasswordProps extends Omit<FieldProps, 'type' | 'children'> {
    autoComplete: 'current-password' | 'new-password';
}

/** A password: can be shown, pasted, and filled in by a password manager. */
export function PasswordField(props: PasswordProps) {
    const [shown, setShown] = useState(false);
    return (
        <Field {...props} type={shown ? 'text' : 'password'} autoCapitalize="off" spellCheck={false} required>
            <button type="button" className="link" aria-label={shown ? 'Hide the characters' : 'Show the characters'} onClick={() => setShown(!shown)}>{shown ? 'Hide' : 'Show'}</button>
        </Field>
    );
}

/** A password to be set, with what can be said about it while it is typed. */
export function NewPasswordField({ rules, ...props }: Omit<PasswordProps, 'autoComplete' | 'hint'> & { rules: PasswordRules | undefined }) {
    return <PasswordField {...props} autoComplete="new-password" hint={passwordHint(props.value, rules)} />;
}

/** Tells a password manager whose password it is; nobody sees it. */
export function HiddenLogin({ login }: { login: string }) {
    return <input className="unseen" type="text" name="username" autoComplete="username" value={login} readOnly tabIndex={-1} aria-hidden="true" />;
}

interface SelectProps<T extends string | number> {
    id: string;
    label: ReactNode;
    value: T;
    choices: readonly (readonly [T, string])[];
    onChange: (value: T) => void;
    hint?: ReactNode;
    /** Id of what tells what is wrong with it, where something is. */
    fault?: string | undefined;
}

/** A labelled choice of one. */
export function Select<T extends string | number>({ id, label, value, choices, onChange, hint, fault }: SelectProps<T>) {
    const describedBy = [hint && `${id}-hint`, fault].filter(Boolean).join(' ') || undefined;
    function choose(text: string): void {
        const chosen = choices.find(([choice]) => String(choice) === text);
        if (chosen) {
            onChange(chosen[0]);
        }
    }
    return (
        <>
            <label htmlFor={id}>{label}</label>
            <select id={id} value={value} aria-invalid={fault !== undefined} aria-describedby={describedBy} onChange={event => choose(event.target.value)}>
                {choices.map(([choice, text]) => <option key={choice} value={choice}>{text}</option>)}
            </select>
            {hint && <p id={`${id}-hint`} className="hint">{hint}</p>}
        </>
    );
}
