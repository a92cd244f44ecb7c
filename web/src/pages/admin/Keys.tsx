import { useState } from 'react';
import type { Problem } from '../../logic/problem';
import { ActionDialog } from '../../parts/ActionDialog';
import { ProblemNote } from '../../parts/ProblemNote';
import { shell } from '../../shell';

export function Keys() {
    const [asks, setAsks] = useState(false);
    const [done, setDone] = useState(false);
    const [late, setLate] = useState<Problem>();
    return (
        <>
            <h1>Signing keys</h1>
            <section className="card stack">
                <p>The server signs each login’s short-lived access token with a key, and takes a new key by itself from time to time.</p>
                <p>If you think that somebody may have got hold of it, change it now. Nobody is logged out: what was signed with the old key is good until it ends, within minutes. Personal access tokens are not signed and stay as they are.</p>
                <p className="hint">Other services find the public keys at <a href="/.well-known/jwks.json"><code>/.well-known/jwks.json</code></a>.</p>
                <p><button type="button" className="primary" onClick={() => { setDone(false); setAsks(true); }}>Change the key now</button></p>
                <p className="good" role="status">{done && 'New tokens are signed with a new key.'}</p>
                <ProblemNote problem={late} action={{ label: 'Dismiss', run: () => setLate(undefined) }} />
            </section>
            {asks && (
                <ActionDialog title="Change the signing key" label="Change it" busyLabel="Changing …" className="primary" cancelLabel="Cancel" onClose={() => setAsks(false)} onLate={setLate}
                    run={async () => {
                        await (await shell()).rotateKeys();
                        setDone(true);
                    }}>
                    <p>From then on access tokens are signed with a new key.</p>
                </ActionDialog>
            )}
        </>
    );
}
