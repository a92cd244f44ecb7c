import { useState, type ReactNode } from 'react';
import type { Reauthentication } from 'coditect-shell';
import { plainCode } from '../logic/codes';
import { ActionDialog } from './ActionDialog';
import { CodeField } from './CodeField';
import { HiddenLogin, PasswordField } from './Field';

interface Props {
    title: string;
    label: string;
    busyLabel: string;
    className?: 'primary' | 'danger';
    login: string;
    /** Whether the account has a second factor, which is then asked too. */
    hasSecondFactor: boolean;
    run: (who: Reauthentication) => Promise<void>;
    onClose: () => void;
    children: ReactNode;
}

/** Asks again who somebody is, before something that a stranger at an unlocked screen must not do. */
export function ConfirmPassword({ title, label, busyLabel, className = 'primary', login, hasSecondFactor, run, onClose, children }: Props) {
    const [password, setPassword] = useState('');
    const [code, setCode] = useState('');
    return (
        <ActionDialog title={title} label={label} busyLabel={busyLabel} className={className} cancelLabel="Cancel" onClose={onClose}
            run={() => run({ password, ...(hasSecondFactor ? { code: plainCode(code) } : {}) })}>
            {fault => (
                <>
                    {children}
                    <HiddenLogin login={login} />
                    <PasswordField id="current-password" label="Your password" autoComplete="current-password" value={password} onChange={setPassword} fault={fault('current-password')} data-first />
                    {hasSecondFactor && <CodeField value={code} onChange={setCode} fault={fault('code')} recovery />}
                </>
            )}
        </ActionDialog>
    );
}
