import { ago, until } from '../logic/time';

interface Props {
    /** What happened or will happen then. */
    what: string;
    /** Milliseconds since 1970. */
    at: number;
    /** Whether it lies ahead; the clocks of page and server may differ, so that is not told from the time. */
    ahead?: boolean;
}

/** A time in words, with the exact one for who points at it. */
export function When({ what, at, ahead = false }: Props) {
    const now = Date.now();
    const words = ahead ? until(at, now) : ago(Math.min(at, now), now);
    return <time dateTime={new Date(at).toISOString()} title={new Date(at).toLocaleString()}>{what} {words}</time>;
}
