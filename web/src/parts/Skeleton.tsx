/** Stands where something is on its way. */
export function Skeleton({ rows = 1 }: { rows?: number }) {
    return (
        <div aria-busy="true" className="stack">
            <p className="unseen">Loading …</p>
            {Array.from({ length: rows }, (_, row) => <div key={row} className="skeleton" aria-hidden="true"><span /><span /></div>)}
        </div>
    );
}
