/** An icon theme in the format of VS Code, as far as it is used here. */
export interface IconThemeDocument extends IconThemeMaps {
    readonly fonts?: readonly { readonly id: string; readonly size?: string; readonly src: readonly { readonly path: string; readonly format: string }[] }[];
    readonly iconDefinitions: Readonly<Record<string, IconDefinition>>;
    /** What is different on a light theme. */
    readonly light?: IconThemeMaps;
}

export interface IconThemeMaps {
    readonly file?: string;
    readonly folder?: string;
    readonly folderExpanded?: string;
    readonly fileNames?: Readonly<Record<string, string>>;
    readonly fileExtensions?: Readonly<Record<string, string>>;
    readonly folderNames?: Readonly<Record<string, string>>;
    readonly folderNamesExpanded?: Readonly<Record<string, string>>;
}

export interface IconDefinition {
    readonly iconPath?: string;
    readonly fontCharacter?: string;
    readonly fontColor?: string;
}

export interface IconSubject {
    readonly name: string;
    readonly folder: boolean;
    readonly expanded: boolean;
}

/** The name of the icon for a file or folder, or `undefined` where the theme has none. Light themes may have their own. */
export function findIcon(document: IconThemeDocument, subject: IconSubject, light: boolean): string | undefined {
    return light && document.light ? findIn(document.light, subject) ?? findIn(document, subject) : findIn(document, subject);
}

function findIn(maps: IconThemeMaps, { name, folder, expanded }: IconSubject): string | undefined {
    const key = name.toLowerCase();
    if (!folder) {
        return maps.fileNames?.[key] ?? findByExtension(maps.fileExtensions, key) ?? maps.file;
    }
    const open = expanded ? maps.folderNamesExpanded?.[key] : undefined;
    return open ?? maps.folderNames?.[key] ?? (expanded ? maps.folderExpanded : undefined) ?? maps.folder;
}

/** The longest extension wins: of `a.test.ts` first `test.ts`, then `ts`. */
function findByExtension(extensions: Readonly<Record<string, string>> | undefined, name: string): string | undefined {
    for (let dot = name.indexOf('.'); extensions && dot >= 0; dot = name.indexOf('.', dot + 1)) {
        const icon = extensions[name.slice(dot + 1)];
        if (icon) {
            return icon;
        }
    }
    return undefined;
}
