/** Most files whose versions are remembered. Beyond it the one used longest ago is forgotten, and saving it asks first. */
export const MAX_REMEMBERED_FILES = 10_000;
/** Most versions remembered of one file. */
export const MAX_REMEMBERED_VERSIONS = 8;

/**
 * Remembers which version (entity tag) of a file was read or written here.
 *
 * Theia identifies the version that an editor holds by its modification time. That is too weak to overwrite a file by: two versions can
 * share a time, and a file can change to one of the same size. So the time only finds the entity tag here, and the server compares that.
 */
export class VersionLedger {

    /** Path → modification time → entity tag; the order of both is that of use. */
    protected readonly files = new Map<string, Map<number, string>>();

    constructor(
        protected readonly maxFiles = MAX_REMEMBERED_FILES,
        protected readonly maxVersions = MAX_REMEMBERED_VERSIONS
    ) { }

    /** A version was seen. Of two with the same time the first one stays: if it is the wrong one, saving asks instead of overwriting. */
    see(path: string, modified: number, etag: string): void {
        const versions = this.files.get(path) ?? new Map<number, string>();
        if (!versions.has(modified)) {
            versions.set(modified, etag);
        }
        this.files.delete(path);
        this.files.set(path, versions);
        this.dropOldest(versions, this.maxVersions);
        this.dropOldest(this.files, this.maxFiles);
    }

    /** We wrote this version ourselves, so at this time it is the one. */
    wrote(path: string, modified: number, etag: string): void {
        this.files.get(path)?.delete(modified);
        this.see(path, modified, etag);
    }

    /** The entity tag of the version with this time, if it was seen. */
    etagOf(path: string, modified: number): string | undefined {
        return this.files.get(path)?.get(modified);
    }

    /** The known files that are `folder` or below it. */
    within(folder: string): string[] {
        return [...this.files.keys()].filter(path => isWithin(path, folder));
    }

    protected dropOldest(map: Map<unknown, unknown>, limit: number): void {
        for (const key of map.keys()) {
            if (map.size <= limit) {
                return;
            }
            map.delete(key);
        }
    }
}

/** Whether `path` is `folder` or below it. */
export function isWithin(path: string, folder: string): boolean {
    return path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}
