import type { OfferChanges, Offer } from 'coditect-shell';

interface Disposable {
    dispose(): void;
}

/** What is registered by key. One that fails, coming or going, does not keep the others from it. */
export class Registrations {

    protected readonly registered = new Map<string, Disposable>();

    constructor(
        protected readonly register: (offer: Offer) => Disposable,
        protected readonly onFailure: (offer: Offer | undefined, error: unknown) => void
    ) { }

    /** What goes makes room for what comes: names may move from one to the other. */
    apply({ removed, added }: OfferChanges): void {
        for (const key of removed) {
            const gone = this.registered.get(key);
            this.registered.delete(key);
            this.attempt(undefined, () => gone?.dispose());
        }
        for (const offer of added) {
            this.attempt(offer, () => {
                this.registered.get(offer.key)?.dispose();
                this.registered.set(offer.key, this.register(offer));
            });
        }
    }

    protected attempt(offer: Offer | undefined, work: () => void): void {
        try {
            work();
        } catch (error) {
            this.onFailure(offer, error);
        }
    }
}
