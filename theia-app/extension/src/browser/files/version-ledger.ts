/** Most files whose versions are remembered. Beyond it the one used longest ago is forgotten, and saving it asks first. */
export const MAX_REMEMBERED_FILES = 10_000;
/** Most versions remembered of one file. */
export const MAX_REMEMBERED_VERSIONS = 8;

/** A version of a file. */
export interface FileVersion {
    /** Entity tag of the server; it changes with permissions, too. */
    readonly etag: string;
    /** Tells the content from any other, where the page can compute that. */
    readonly digest?: string;
}

/**
 * Remembers which version of a file was read or written here.
 *
 * Theia identifies the version that an editor holds by its modification time. That is too weak to overwrite a file by: two versions can
 * share a time, and a file can change to one of the same size. So the time only finds the version here, and the server compares its entity tag.
 */
export class VersionLedger {

    /** Path → modification time → version; the order of both is that of use. */
    protected readonly files = new Map<string, Map<number, FileVersion>>();

    constructor(
        protected readonly maxFiles = MAX_REMEMBERED_FILES,
        protected readonly maxVersions = MAX_REMEMBERED_VERSIONS
    ) { }

    /** A version was seen. Of two with the same time the first one stays: if it is the wrong one, saving asks instead of overwriting. */
    see(path: string, modified: number, version: FileVersion): void {
        const versions = this.files.get(path) ?? new Map<number, FileVersion>();
        if (!versions.has(modified)) {
            versions.set(modified, version);
        }
        this.files.delete(path);
        this.files.set(path, versions);
        this.dropOldest(versions, this.maxVersions);
        this.dropOldest(this.files, this.maxFiles);
    }

    /** We wrote this version ourselves, so at this time it is the one. */
    wrote(path: string, modified: number, version: FileVersion): void {
        this.files.get(path)?.delete(modified);
        this.see(path, modified, version);
    }

    /** The version with this time, if it was seen. */
    find(path: string, modified: number): FileVersion | undefined {
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
