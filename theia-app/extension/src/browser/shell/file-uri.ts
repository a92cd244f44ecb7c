import { URI } from '@theia/core';

/** The URI of a path on the server. Not `URI.fromFilePath`: that one reads paths the way of the computer the browser runs on. */
export function fileUri(path: string): URI {
    return new URI().withScheme('file').withPath(path);
}
