import { useState } from 'react';
import type { CapabilityName, Consent, PackageSource, Review } from 'coditect-shell';
import type { Problem } from '../logic/problem';
import { ActionDialog } from './ActionDialog';
import { Rights } from './Rights';

/** Something to agree to, with where it comes from. */
export interface Asked {
    consent: Consent;
    review: Review;
    source: PackageSource;
}

interface Props {
    asked: Asked;
    onAgree: (asked: Asked, grant: CapabilityName[]) => Promise<void>;
    onClose: () => void;
    onLate: (problem: Problem) => void;
}

/** What a plugin may do, read before it is installed. What weighs most comes first, and each of it can be left out. */
export function ConsentDialog({ asked, onAgree, onClose, onLate }: Props) {
    const { consent } = asked;
    const [refused, setRefused] = useState<ReadonlySet<CapabilityName>>(new Set());
    const granted = consent.rights.map(({ name }) => name).filter(name => !refused.has(name));
    function change(name: CapabilityName, on: boolean): void {
        const next = new Set(refused);
        if (on) {
            next.delete(name);
        } else {
            next.add(name);
        }
        setRefused(next);
    }
    return (
        <ActionDialog title={consent.title} label={consent.agree} busyLabel="Installing …" className="primary" cancelLabel="Cancel" run={() => onAgree(asked, granted)} onClose={onClose} onLate={onLate}>
            <p>{consent.summary}</p>
            <p className={consent.is_known_publisher ? 'hint' : 'problem'}>{consent.origin}</p>
            {consent.rights.length > 0 && <Rights rights={consent.rights} isOn={name => !refused.has(name)} onSwitch={change} />}
            {consent.warnings.map(warning => <p key={warning} className="warning">{warning}</p>)}
            {consent.adds.length > 0 && (
                <details>
                    <summary>What it adds</summary>
                    <ul>{consent.adds.map(line => <li key={line}>{line}</li>)}</ul>
                </details>
            )}
        </ActionDialog>
    );
}
