import { useMemo, useSyncExternalStore, type ComponentProps, type MouseEvent } from 'react';

/** Told when the page itself changed its address: the browser has no event for that. */
const NAVIGATED = 'coditect:navigated';

/** Shows another page of the front. */
export function navigate(to: string, { replace = false } = {}): void {
    const url = new URL(to, location.href);
    if (replace || url.href === location.href) {
        history.replaceState(null, '', url);
    } else {
        history.pushState(null, '', url);
    }
    dispatchEvent(new Event(NAVIGATED));
    scrollTo(0, 0);
}

function subscribe(listener: () => void): () => void {
    addEventListener('popstate', listener);
    addEventListener(NAVIGATED, listener);
    return () => {
        removeEventListener('popstate', listener);
        removeEventListener(NAVIGATED, listener);
    };
}

/** The address that is shown. */
export function useAddress(): URL {
    const href = useSyncExternalStore(subscribe, () => location.href);
    return useMemo(() => new URL(href), [href]);
}

/** A link to another page of the front; every way to open it elsewhere stays the browser's. */
export function Link({ href, onClick, ...rest }: ComponentProps<'a'> & { href: string }) {
    function follow(event: MouseEvent<HTMLAnchorElement>): void {
        onClick?.(event);
        const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
        if (isPlain && !event.defaultPrevented) {
            event.preventDefault();
            navigate(href);
        }
    }
    return <a href={href} onClick={follow} {...rest} />;
}
