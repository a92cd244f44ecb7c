import { Disposable, Emitter, URI } from '@theia/core';
import { IconTheme } from '@theia/core/lib/browser/icon-theme-service';
import { DidChangeLabelEvent, LabelProviderContribution, URIIconReference } from '@theia/core/lib/browser/label-provider';
import { ThemeService } from '@theia/core/lib/browser/theming';
import { DirNode, FileStatNode } from '@theia/filesystem/lib/browser';
import { FileStat } from '@theia/filesystem/lib/common/files';
import { ExpandableTreeNode } from '@theia/core/lib/browser';
import { assetUrl, loadAsset } from '../assets';
import { findIcon, IconSubject, IconThemeDocument } from './icon-theme-document';

/** Above every other contribution while the theme is the chosen one. */
const PRIORITY = Number.MAX_SAFE_INTEGER - 1024;

/** A file icon theme out of static files in VS Code's format, loaded when it is first chosen. */
export class FileIconTheme implements IconTheme, LabelProviderContribution {

    readonly hasFileIcons = true;
    readonly hasFolderIcons = true;
    readonly showLanguageModeIcons = true;

    protected readonly changeEmitter = new Emitter<DidChangeLabelEvent>();
    readonly onDidChange = this.changeEmitter.event;

    protected active = false;
    protected document: IconThemeDocument | undefined;
    protected sheet: CSSStyleSheet | undefined;
    protected readonly classes = new Map<string, string>();

    constructor(readonly id: string, readonly label: string, protected readonly path: string, protected readonly themes: ThemeService) {
        themes.onDidColorThemeChange(() => this.fireChange());
    }

    activate(): Disposable {
        this.active = true;
        this.load().catch(error => console.error(`The icons “${this.label}” could not be loaded.`, error));
        this.fireChange();
        return Disposable.create(() => {
            this.active = false;
            this.fireChange();
        });
    }

    canHandle(element: object): number {
        return this.active && this.document && toSubject(element) ? PRIORITY : 0;
    }

    getIcon(element: object): string | undefined {
        const subject = toSubject(element);
        const light = this.themes.getCurrentTheme().type === 'light';
        const icon = this.document && subject && findIcon(this.document, subject, light);
        return icon ? this.classOf(icon) : undefined;
    }

    protected async load(): Promise<void> {
        if (this.document) {
            return;
        }
        const document_ = await loadAsset<IconThemeDocument>(this.path);
        this.sheet = new CSSStyleSheet();
        document.adoptedStyleSheets.push(this.sheet);
        for (const { id, src: [{ path, format }] } of document_.fonts ?? []) {
            this.sheet.insertRule(`@font-face { font-family: '${this.id}-${id}'; src: url('${this.resolve(path)}') format('${format}'); }`);
        }
        this.document = document_;
        this.fireChange();
    }

    /** The style of an icon is made when it is first shown, so only the pictures in sight are fetched. */
    protected classOf(icon: string): string | undefined {
        const known = this.classes.get(icon);
        const definition = this.document?.iconDefinitions[icon];
        if (known || !definition || !this.sheet) {
            return known;
        }
        const name = `${this.id}-${icon.replace(/[^\w-]/g, '-')}`;
        const look = definition.iconPath
            ? `content: ''; background: url('${this.resolve(definition.iconPath)}') center / 16px no-repeat;`
            : `content: '${definition.fontCharacter}'; font-family: '${this.id}-${this.document?.fonts?.[0]?.id}'; color: ${definition.fontColor ?? 'inherit'};`;
        this.sheet.insertRule(`.${name}::before { ${look} }`);
        const classes = `file-icon coditect-file-icon ${name}`;
        this.classes.set(icon, classes);
        return classes;
    }

    protected resolve(path: string): string {
        return new URL(path, assetUrl(this.path)).href;
    }

    protected fireChange(): void {
        this.changeEmitter.fire({ affects: () => true });
    }
}

function toSubject(element: object): IconSubject | undefined {
    if (FileStatNode.is(element)) {
        return { name: element.uri.path.base, folder: DirNode.is(element), expanded: ExpandableTreeNode.isExpanded(element) };
    }
    if (FileStat.is(element)) {
        return { name: element.resource.path.base, folder: element.isDirectory, expanded: false };
    }
    if (URIIconReference.is(element)) {
        return { name: element.uri?.path.base ?? '', folder: element.id === 'folder', expanded: false };
    }
    return element instanceof URI ? { name: element.path.base, folder: false, expanded: false } : undefined;
}
