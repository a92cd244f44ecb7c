/** Folder of the files loaded when they are needed, named after their content; set by the bundler. */
declare const __coditectAssets: string;

/** The address of a file that is loaded when it is needed. */
export function assetUrl(path: string): URL {
    return new URL(__coditectAssets + path, document.baseURI);
}

export async function loadAsset<T>(path: string): Promise<T> {
    const response = await fetch(assetUrl(path));
    if (!response.ok) {
        throw new Error(`${response.url} answered ${response.status}.`);
    }
    return response.json() as Promise<T>;
}
