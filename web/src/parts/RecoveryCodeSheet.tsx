import { useRef } from 'react';
import { CopyButton, Once } from './Once';

interface Props {
    codes: string[];
    login: string;
    onKept: () => void;
}

/** The recovery codes, to be kept: copied, as a file, or on paper. */
export function RecoveryCodeSheet({ codes, login, onKept }: Props) {
    const list = useRef<HTMLUListElement>(null);
    const text = `Recovery codes of ${login} at ${location.host}. Each is good once.\n\n${codes.join('\n')}\n`;
    function download(): void {
        const address = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
        const link = Object.assign(document.createElement('a'), { href: address, download: 'coditect-recovery-codes.txt' });
        link.click();
        URL.revokeObjectURL(address);
    }
    return (
        <Once title="Keep these recovery codes" done="I have kept them" onDone={onKept}>
            <p>Each of them lets you in once without your authenticator. They are shown only now: keep them where you find them when your phone is gone, such as in a password manager or on paper.</p>
            <p className="only-print">{login} at {location.host}</p>
            <ul ref={list} className="recovery">{codes.map(code => <li key={code}><code>{code}</code></li>)}</ul>
            <div className="buttons no-print">
                <CopyButton text={text} label="Copy" target={() => list.current} />
                <button type="button" onClick={download}>Save as a file</button>
                <button type="button" onClick={() => print()}>Print</button>
            </div>
        </Once>
    );
}
