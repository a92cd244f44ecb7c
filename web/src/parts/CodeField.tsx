import { useRef, useState } from 'react';
import { flushSync } from 'react-dom';
import { isWholeTotp, plainCode } from '../logic/codes';
import { Field } from './Field';

interface Props {
    value: string;
    onChange: (value: string) => void;
    fault: string | undefined;
    /** Whether a recovery code will do as well. */
    recovery?: boolean;
    /** Sends the form as soon as all digits are there. */
    submits?: boolean;
    autoFocus?: boolean;
}

/** The second factor: six digits, or a recovery code. */
export function CodeField({ value, onChange, fault, recovery = false, submits = false, autoFocus = false }: Props) {
    const [written, setWritten] = useState(false);
    const place = useRef<HTMLSpanElement>(null);
    function change(typed: string): void {
        // The form reads the state when it is sent: it must be there first.
        flushSync(() => onChange(typed));
        // A code that was refused is not sent again by itself: only what is new is.
        if (submits && isWholeTotp(typed) && plainCode(typed) !== plainCode(value)) {
            place.current?.closest('form')?.requestSubmit();
        }
    }
    const kind = written
        ? { label: 'Recovery code', hint: 'One of the codes that you kept when you set up the second factor. Each is good once.', inputMode: 'text', other: 'Use the authenticator' } as const
        : { label: 'Code', hint: 'The six digits that your authenticator shows now.', inputMode: 'numeric', other: 'Use a recovery code' } as const;
    return (
        <>
            <Field id="code" label={kind.label} hint={kind.hint} value={value} onChange={change} fault={fault} inputMode={kind.inputMode} autoComplete="one-time-code" autoCapitalize="off"
                autoCorrect="off" spellCheck={false} required autoFocus={autoFocus} className="code" />
            <span ref={place} hidden={!recovery}>
                {recovery && <button type="button" className="link" onClick={() => { setWritten(!written); document.getElementById('code')?.focus(); }}>{kind.other}</button>}
            </span>
        </>
    );
}
