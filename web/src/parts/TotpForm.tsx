import { useEffect, useRef, useState, type SyntheticEvent } from 'react';
import type { TotpSetup } from 'coditect-shell';
import { inGroups, plainCode, svgAddress } from '../logic/codes';
import { shell } from '../shell';
import { CodeField } from './CodeField';
import { CopyButton } from './Once';
import { ProblemNote } from './ProblemNote';
import { SubmitButton } from './SubmitButton';
import { When } from './When';
import { useAction } from './useAction';
import { useFault } from './useFault';

interface Props {
    setup: TotpSetup;
    onConfirmed: (recoveryCodes: string[]) => void;
    onCancel: () => void;
}

/** Brings the secret into the authenticator, and a code of it back. */
export function TotpForm({ setup, onConfirmed, onCancel }: Props) {
    const [code, setCode] = useState('');
    const { busy, problem, start } = useAction();
    const fault = useFault(problem, 'problem', ['code']);
    const heading = useRef<HTMLHeadingElement>(null);
    const secret = useRef<HTMLElement>(null);
    useEffect(() => heading.current?.focus(), []);

    async function submit(event: SyntheticEvent): Promise<void> {
        event.preventDefault();
        await start(async () => onConfirmed((await (await shell()).confirmTotp({ code: plainCode(code) })).codes));
    }
    return (
        <form className="card" onSubmit={event => void submit(event)}>
            <h2 ref={heading} tabIndex={-1}>Add it to your authenticator</h2>
            <div className="totp">
                <img src={svgAddress(setup.qr_svg)} alt="QR code to be scanned with an authenticator; the secret stands beside it as text" width="200" height="200" />
                <div className="stack">
                    <p>Scan the picture with it, or type this secret:</p>
                    <p><code ref={secret} className="secret" tabIndex={0}>{inGroups(setup.secret)}</code></p>
                    <p className="buttons"><CopyButton text={setup.secret} label="Copy the secret" target={() => secret.current} /> <a className="button" href={setup.uri}>Open it in an app here</a></p>
                    <p className="hint"><When what="This set-up ends" at={setup.expires_at} ahead />. Nothing changes until you have confirmed it.</p>
                </div>
            </div>
            <CodeField value={code} onChange={setCode} fault={fault('code')} submits />
            <ProblemNote id="problem" problem={problem} action={problem?.code === 'auth.second_factor_missing' ? { label: 'Begin again', run: onCancel } : undefined} />
            <div className="buttons">
                <SubmitButton busy={busy} busyLabel="Checking …">Switch it on</SubmitButton>
                <button type="button" onClick={onCancel}>Cancel</button>
            </div>
        </form>
    );
}
