import { Disposable, Emitter, URI } from '@theia/core';
import { FrontendApplicationContribution, Saveable } from '@theia/core/lib/browser';
import { inject, injectable } from '@theia/core/shared/inversify';
import { EditorManager, EditorWidget } from '@theia/editor/lib/browser';
import { fileUri } from '../shell/file-uri';
import { ShellHost } from '../shell/shell-host';
import type { PersonPresent } from '../shell/shell-types';

/** How long changes of the editors are gathered before the others are told, in milliseconds. */
const TELL_AFTER_MS = 100;
/** How long somebody's save explains why a file is not the version any more that one began with, in milliseconds. */
const SAVE_REMEMBERED_MS = 10 * 60 * 1000;

/** Who else has the workspace open, and in which files. Tells them the same of this page. */
@injectable()
export class PresentPeople implements FrontendApplicationContribution {

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(EditorManager) protected readonly editors: EditorManager;

    /** Everybody but this page. */
    people: readonly PersonPresent[] = [];

    protected readonly changeEmitter = new Emitter<URI[]>();
    /** Tells the files of which something may have changed. */
    readonly onDidChange = this.changeEmitter.event;

    protected readonly followed = new Map<EditorWidget, Disposable>();
    /** Who ceased to have unsaved changes in a file, by its path, and when. */
    protected readonly saved = new Map<string, { person: PersonPresent; at: number }>();
    protected telling: number | undefined;

    onStart(): void {
        this.host.shell.onPresence((people: PersonPresent[]) => this.take(people));
        this.editors.onCreated(editor => this.follow(editor));
        this.editors.all.forEach(editor => this.follow(editor));
        this.editors.onCurrentEditorChanged(() => this.tellSoon());
    }

    /** Who has the file open. */
    inFile(uri: URI): PersonPresent[] {
        const path = uri.path.toString();
        return uri.scheme === 'file' ? this.people.filter(({ showing }) => showing.open.includes(path)) : [];
    }

    /** Who has changes in the file that are not saved. */
    unsavedIn(uri: URI): PersonPresent[] {
        const path = uri.path.toString();
        return uri.scheme === 'file' ? this.people.filter(({ showing }) => showing.unsaved.includes(path)) : [];
    }

    /** Who saved the file lately, as far as could be seen. */
    savedBy(uri: URI): PersonPresent | undefined {
        const saved = this.saved.get(uri.path.toString());
        return saved && Date.now() - saved.at < SAVE_REMEMBERED_MS ? saved.person : undefined;
    }

    /** Whether this page has changes in the file that are not saved. */
    isUnsavedHere(uri: URI): boolean {
        return this.editors.all.some(editor => editor.editor.uri.toString() === uri.toString() && Saveable.isDirty(editor));
    }

    protected take(people: PersonPresent[]): void {
        const before = this.people;
        this.people = people;
        this.noteSaves(before);
        const files = [...before, ...people].flatMap(({ showing }) => showing.open);
        this.changeEmitter.fire([...new Set(files)].map(fileUri));
    }

    protected noteSaves(before: readonly PersonPresent[]): void {
        const at = Date.now();
        for (const person of before) {
            const now = this.people.find(({ user, own }) => user === person.user && own === person.own);
            for (const path of person.showing.unsaved) {
                if (now?.showing.open.includes(path) && !now.showing.unsaved.includes(path)) {
                    this.saved.set(path, { person, at });
                }
            }
        }
        for (const [path, saved] of this.saved) {
            if (at - saved.at >= SAVE_REMEMBERED_MS) {
                this.saved.delete(path);
            }
        }
    }

    protected follow(editor: EditorWidget): void {
        if (this.followed.has(editor)) {
            return;
        }
        this.followed.set(editor, editor.saveable.onDirtyChanged(() => this.tellSoon()));
        editor.disposed.connect(() => {
            this.followed.get(editor)?.dispose();
            this.followed.delete(editor);
            this.tellSoon();
        });
        this.tellSoon();
    }

    protected tellSoon(): void {
        this.telling ??= window.setTimeout(() => {
            this.telling = undefined;
            this.tell();
        }, TELL_AFTER_MS);
    }

    protected tell(): void {
        // What others have not saved there matters as soon as something is changed here.
        this.changeEmitter.fire(this.people.flatMap(({ showing }) => showing.unsaved).map(fileUri));
        const pathsOf = (editors: EditorWidget[]) => [...new Set(editors.map(({ editor }) => editor.uri).filter(uri => uri.scheme === 'file').map(uri => uri.path.toString()))];
        const all = [...this.followed.keys()];
        const current = this.editors.currentEditor;
        const [active] = current ? pathsOf([current]) : [];
        this.host.shell.show({ open: pathsOf(all), unsaved: pathsOf(all.filter(editor => Saveable.isDirty(editor))), ...(active ? { active } : {}) });
    }
}
