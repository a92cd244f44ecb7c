import { Disposable, Event, Emitter, URI } from '@theia/core';
import { ReactWidget } from '@theia/core/lib/browser';
import { EditorManager } from '@theia/editor/lib/browser';
import { inject, injectable, postConstruct } from '@theia/core/shared/inversify';
import * as React from '@theia/core/shared/react';
import { MonacoTextModelService } from '@theia/monaco/lib/browser/monaco-text-model-service';
import { Shell } from 'coditect-shell';
import type { CallContext, Installed, ViewAction, ViewShown } from 'coditect-shell';
import type { ITextModel } from '@theia/monaco-editor-core/esm/vs/editor/common/model';
import type * as monaco from '@theia/monaco-editor-core';
import { fileUri } from '../shell/file-uri';
import { ShellHost } from '../shell/shell-host';
import { ShellProblem } from '../shell/shell-problem';
import { NodeActions, NodeTree } from './node-tree';
import { PluginCalls } from './plugin-calls';
import { PluginList } from './plugin-list';
import { toDocument } from './plugin-text';
import { PLUGIN_VIEW_FACTORY, PluginViewOptions } from './plugin-view-opener';

export const PluginViewOptionsToken = Symbol('PluginViewOptions');

/** How long a file is quiet before its view is told that it changed, in milliseconds. */
const QUIET_MS = 500;
const REFRESH: ViewAction = { id: '', kind: 'refresh', value: 'null' };

/** A view of a plugin. What it shows is data; the state that belongs to it goes with each action. */
@injectable()
export class PluginViewWidget extends ReactWidget {

    @inject(PluginViewOptionsToken) protected readonly options: PluginViewOptions;
    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(PluginList) protected readonly list: PluginList;
    @inject(PluginCalls) protected readonly calls: PluginCalls;
    @inject(EditorManager) protected readonly editors: EditorManager;
    @inject(MonacoTextModelService) protected readonly models: MonacoTextModelService;

    protected shown: ViewShown | undefined;
    protected problem: string | undefined;
    protected busy = 0;
    /** Which version of the plugin it was opened with. */
    protected openedWith: string | undefined;
    protected model: monaco.editor.ITextModel | undefined;
    protected timer: number | undefined;
    /** One action after the other: each needs the state that the one before left. */
    protected turn: Promise<void> = Promise.resolve();
    protected readonly controller = new AbortController();
    protected readonly resourceEmitter = new Emitter<URI>();
    readonly onDidChangeResource: Event<URI> = this.resourceEmitter.event;

    @postConstruct()
    protected init(): void {
        const { plugin, view, uri } = this.options;
        const icon = uri === undefined ? 'list-tree' : 'extensions';
        this.id = [PLUGIN_VIEW_FACTORY, plugin, view, uri ?? ''].join(':');
        this.title.closable = true;
        // In the side bar it stands beside the view of all plugins.
        this.title.iconClass = `codicon codicon-${icon}`;
        this.addClass('coditect-plugin-view');
        this.node.tabIndex = 0;
        this.nameIt();
        this.toDispose.pushAll([
            this.list.onDidChange(() => this.follow()),
            this.resourceEmitter,
            Disposable.create(() => {
                this.controller.abort();
                window.clearTimeout(this.timer);
            })
        ]);
        this.start().catch(error => this.fail(error));
    }

    /** The file, for the tab's decorations and for what Theia does with the files of views. */
    getResourceUri(): URI | undefined {
        return this.options.uri === undefined ? undefined : new URI(this.options.uri);
    }

    createMoveToUri(uri: URI): URI {
        return uri;
    }

    protected override onActivateRequest(): void {
        this.node.focus();
    }

    protected async start(): Promise<void> {
        const uri = this.getResourceUri();
        if (uri) {
            await this.readFile(uri);
        }
        this.follow();
    }

    /** What is in the file, also where it is not saved yet. A file that is no text is known by its path alone. */
    protected async readFile(uri: URI): Promise<void> {
        try {
            const reference = await this.models.createModelReference(uri);
            if (this.isDisposed) {
                reference.dispose();
                return;
            }
            this.model = reference.object.textEditorModel as monaco.editor.ITextModel & ITextModel;
            this.toDispose.pushAll([reference, this.model.onDidChangeContent(() => {
                window.clearTimeout(this.timer);
                this.timer = window.setTimeout(() => this.act(REFRESH), QUIET_MS);
            })]);
        } catch {
            this.model = undefined;
        }
    }

    /** Opens the view with the plugin as it is now, and closes it with the plugin. */
    protected follow(): void {
        if (this.list.plugins === undefined) {
            this.update();
            return;
        }
        const plugin = this.list.find(this.options.plugin);
        const known = plugin?.manifest.offers?.views?.some(({ id }) => id === this.options.view);
        if (!plugin || !known) {
            this.dispose();
            return;
        }
        this.nameIt();
        const version = versionOf(plugin);
        if (this.openedWith !== version && plugin.state === 'ready') {
            this.openedWith = version;
            this.later(async () => this.take(await this.calls.ask(plugin.manifest.id, { call: 'open_view', view: this.options.view, context: this.context() }, 'view', this.controller.signal)));
        } else if (!this.shown && plugin.state !== 'ready') {
            this.problem = this.host.shell.stateInWords(plugin).detail;
        }
        this.update();
    }

    protected readonly act = (action: ViewAction): void => {
        this.later(async () => {
            if (this.shown) {
                this.take(await this.calls.ask(this.options.plugin, {
                    call: 'view_action', view: this.options.view, state: this.shown.state, action, context: this.context()
                }, 'view', this.controller.signal));
            }
        });
    };

    /** Also where it could not be opened. */
    protected readonly again = (): void => {
        if (this.shown) {
            this.act(REFRESH);
        } else {
            this.openedWith = undefined;
            this.problem = undefined;
            this.follow();
        }
    };

    protected later(work: () => Promise<void>): void {
        this.busy++;
        this.update();
        this.turn = this.turn.then(work).catch(error => this.fail(error)).finally(() => {
            this.busy--;
            this.update();
        });
    }

    protected take(shown: ViewShown): void {
        this.shown = shown;
        this.problem = undefined;
        this.nameIt();
    }

    protected fail(error: unknown): void {
        if (!this.isDisposed && !ShellProblem.hasKind(error, 'cancelled')) {
            this.problem = ShellProblem.describe(error);
            this.update();
        }
    }

    protected context(): CallContext {
        const uri = this.getResourceUri();
        if (!uri) {
            return this.calls.context();
        }
        const isText = this.model && this.model.getValueLength() <= Shell.maxUnaskedText();
        return { arguments: JSON.stringify({ path: this.host.rootUri.relative(uri)?.toString() }), document: isText ? toDocument(this.model!) : undefined, selection: undefined };
    }

    protected nameIt(): void {
        const plugin = this.list.find(this.options.plugin);
        const title = this.shown?.title ?? plugin?.manifest.offers?.views?.find(({ id }) => id === this.options.view)?.title ?? this.options.view;
        const file = this.getResourceUri()?.path.base;
        this.title.label = file ?? title;
        this.title.caption = `${file ? `${file} – ` : ''}${title} (plugin “${this.list.titleOf(this.options.plugin)}”)`;
    }

    protected readonly actions: NodeActions = {
        act: action => this.act(action),
        open: (path, line) => this.openFile(fileUri(path), line),
        openBelow: path => this.openFile(this.host.rootUri.resolve(path)),
        read: markdown => this.host.shell.readMarkdown(markdown)
    };

    protected openFile(uri: URI, line = 0): void {
        const at = { line, character: 0 };
        this.editors.open(uri, { selection: { start: at, end: at } }).catch(error => this.fail(error));
    }

    protected render(): React.ReactNode {
        return <React.Fragment>
            <div className='plugin-view-head'>
                <small className='plugin-muted'>{this.list.titleOf(this.options.plugin)}</small>
                <button type='button' className='theia-button secondary' title='Look again' aria-label='Look again' disabled={this.busy > 0} onClick={this.again}>
                    <span className='codicon codicon-refresh' />
                </button>
            </div>
            {this.problem && <p role='alert' className='coditect-problem'>{this.problem}</p>}
            <div className='plugin-view-body' aria-busy={this.busy > 0}>
                {this.shown ? <NodeTree node={this.shown.tree} actions={this.actions} /> : !this.problem && <p role='status'>Waits for the plugin …</p>}
            </div>
        </React.Fragment>;
    }
}

/** Another one where the plugin may have become another. */
function versionOf({ manifest, installed_at, granted }: Installed): string {
    return JSON.stringify([manifest.version, installed_at, granted]);
}
