import type { ReactNode, SyntheticEvent } from 'react';
import { Header } from './Header';

interface Props {
    title: string;
    /** Where it is something to fill in. */
    onSubmit?: () => void;
    children: ReactNode;
}

/** A page of one narrow card: where people come in. */
export function Door({ title, onSubmit, children }: Props) {
    const content = <><h1>{title}</h1>{children}</>;
    function submit(event: SyntheticEvent): void {
        event.preventDefault();
        onSubmit?.();
    }
    return (
        <>
            <Header />
            <main className="narrow" tabIndex={-1}>
                {onSubmit ? <form className="card" onSubmit={submit}>{content}</form> : <div className="card stack">{content}</div>}
            </main>
        </>
    );
}
