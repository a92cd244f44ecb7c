import { Disposable, DisposableCollection } from '@theia/core';
import { Diagnostic, DiagnosticSeverity } from '@theia/core/shared/vscode-languageserver-protocol';
import { inject, injectable } from '@theia/core/shared/inversify';
import { ProblemManager } from '@theia/markers/lib/browser/problem/problem-manager';
import * as monaco from '@theia/monaco-editor-core';
import { Shell } from 'coditect-shell';
import type { Finding, FindingSeverity } from 'coditect-shell';
import { fileUri } from '../shell/file-uri';
import { ShellHost } from '../shell/shell-host';
import { PluginCalls } from './plugin-calls';
import { PluginMessages } from './plugin-messages';
import { OfferOf, PluginSurface } from './plugin-surface';
import { findingsByPath, toDocument } from './plugin-text';
import { TextWatch } from './text-watch';

const SEVERITIES: Readonly<Record<FindingSeverity, DiagnosticSeverity>> = { error: 1, warning: 2, information: 3, hint: 4 };

/** What plugins have to say about texts, as the editor's problems. */
@injectable()
export class PluginFindings {

    @inject(ProblemManager) protected readonly problems: ProblemManager;

    /** Files about which an owner said something when it was asked about a file. */
    protected readonly told = new Map<string, Set<string>>();

    /** Takes the place of all that the owner said when it was asked about this file before. */
    show(owner: string, title: string, path: string, findings: readonly Finding[]): void {
        const key = `${owner}\n${path}`;
        const files = findingsByPath(findings, path);
        for (const gone of this.told.get(key) ?? []) {
            if (!files.has(gone)) {
                this.problems.setMarkers(fileUri(gone), this.ownerAt(owner, path, gone), []);
            }
        }
        this.told.set(key, new Set(files.keys()));
        files.forEach((about, file) => this.problems.setMarkers(fileUri(file), this.ownerAt(owner, path, file), about.map(finding => toDiagnostic(title, finding))));
    }

    clear(owner: string, path: string): void {
        this.show(owner, '', path, []);
        this.told.delete(`${owner}\n${path}`);
    }

    clearAll(owner: string): void {
        [...this.told.keys()].filter(key => key.startsWith(`${owner}\n`)).forEach(key => this.clear(owner, key.slice(owner.length + 1)));
    }

    /** What is said about a file from another one stays apart from what is said about it from itself. */
    protected ownerAt(owner: string, asked: string, file: string): string {
        return asked === file ? owner : `${owner} ${asked}`;
    }
}

/** Diagnostics of plugins, while texts are edited. */
@injectable()
export class PluginChecks implements PluginSurface<'check'> {

    readonly kind = 'check';

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(PluginCalls) protected readonly calls: PluginCalls;
    @inject(PluginFindings) protected readonly findings: PluginFindings;
    @inject(PluginMessages) protected readonly messages: PluginMessages;

    add(offer: OfferOf<'check'>): Disposable {
        const owner = `plugin:${offer.plugin}`;
        const watches = new Map<monaco.editor.ITextModel, TextWatch>();
        const follow = (model: monaco.editor.ITextModel) => {
            if (model.uri.scheme === 'file') {
                watches.set(model, new TextWatch(model, signal => this.check(offer, owner, model, signal), () => this.findings.clear(owner, model.uri.path)));
            }
        };
        monaco.editor.getModels().forEach(follow);
        return new DisposableCollection(
            monaco.editor.onDidCreateModel(follow),
            monaco.editor.onWillDisposeModel(model => {
                watches.get(model)?.dispose();
                watches.delete(model);
            }),
            Disposable.create(() => {
                watches.forEach(watch => watch.dispose());
                this.findings.clearAll(owner);
            })
        );
    }

    protected async check(offer: OfferOf<'check'>, owner: string, model: monaco.editor.ITextModel, signal: AbortSignal): Promise<void> {
        const path = model.uri.path;
        if (model.getValueLength() > Shell.maxUnaskedText() || !this.host.shell.offerFits(offer, path, model.getLanguageId())) {
            this.findings.clear(owner, path);
            return;
        }
        const version = model.getVersionId();
        try {
            const { findings } = await this.calls.ask(offer.plugin, { call: 'check', document: toDocument(model) }, 'findings', signal);
            if (!signal.aborted && !model.isDisposed() && model.getVersionId() === version) {
                this.findings.show(owner, offer.plugin_title, path, findings);
            }
        } catch (error) {
            this.messages.failed(offer.plugin, offer.plugin_title, error);
        }
    }
}

function toDiagnostic(source: string, { range, severity, message, code }: Finding): Diagnostic {
    return {
        source,
        message,
        severity: SEVERITIES[severity],
        range: { start: { line: range.start.line, character: range.start.column }, end: { line: range.end.line, character: range.end.column } },
        ...(code ? { code } : {})
    };
}
