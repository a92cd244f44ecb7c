import { Disposable } from '@theia/core';
import { parse, ParsedPattern } from '@theia/core/lib/common/glob';
import { isWithin } from './version-ledger';

/** What is watched, and what of it is not wanted. */
interface Place {
    readonly path: string;
    readonly excludes: readonly ParsedPattern[];
}

/** Decides which changes are handed on: what nobody watches is, and what everybody who watches it has excluded is not. */
export class WatchedPlaces {

    protected readonly places = new Set<Place>();

    /** `excludes` are globs of absolute paths. */
    add(path: string, excludes: readonly string[]): Disposable {
        const place = { path, excludes: excludes.map(glob => parse(glob)) };
        this.places.add(place);
        return Disposable.create(() => this.places.delete(place));
    }

    wants(path: string): boolean {
        const places = [...this.places].filter(place => isWithin(path, place.path));
        return places.length === 0 || places.some(({ excludes }) => !excludes.some(excluded => excluded(path)));
    }
}
