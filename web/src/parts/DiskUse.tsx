import { useEffect, useState } from 'react';
import type { Usage } from 'coditect-shell';
import { bytes } from '../logic/time';
import { shell } from '../shell';

/** Share of the quota from which on a workspace is marked. */
const SCARCE_FROM = 0.9;

/** One workspace is asked about after the other: the first time, the server counts its files. */
let turn: Promise<unknown> = Promise.resolve();

function ask(id: string): Promise<Usage> {
    const asked = turn.then(async () => (await shell()).workspaceUsage(id));
    turn = asked.catch(() => undefined);
    return asked;
}

/** What a workspace takes on the disk; nothing until that is known. */
export function DiskUse({ id }: { id: string }) {
    const [usage, setUsage] = useState<Usage>();
    useEffect(() => {
        let isShown = true;
        // A figure that cannot be had is no reason to disturb anybody.
        ask(id).then(found => isShown && setUsage(found), () => undefined);
        return () => { isShown = false; };
    }, [id]);
    if (!usage) {
        return null;
    }
    const quota = usage.quota_bytes ?? undefined;
    const isScarce = quota !== undefined && usage.bytes >= quota * SCARCE_FROM;
    const text = quota === undefined ? bytes(usage.bytes) : `${bytes(usage.bytes)} of ${bytes(quota)}`;
    return <span className={isScarce ? 'scarce' : undefined} title={`On the disk, ${bytes(usage.trash_bytes)} of it in the trash`}>{text}</span>;
}
