import { Command, MessageService, URI } from '@theia/core';
import { ConfirmDialog, ReactWidget, SingleTextInputDialog } from '@theia/core/lib/browser';
import { Message } from '@theia/core/lib/browser/widgets';
import { inject, injectable, postConstruct } from '@theia/core/shared/inversify';
import * as React from '@theia/core/shared/react';
import { FileService } from '@theia/filesystem/lib/browser/file-service';
import { BinarySize, FileChangeType } from '@theia/filesystem/lib/common/files';
import { fileUri } from '../shell/file-uri';
import { ShellHost } from '../shell/shell-host';
import { ShellProblem } from '../shell/shell-problem';
import type { TrashItem } from '../shell/shell-types';

/** Opens the trash, and leaves it open where it is. */
export const SHOW_TRASH: Command = { id: 'coditect:show-trash', category: 'File', label: 'Show the Trash' };

/** Pause after a deletion before the list is asked for again, in milliseconds. */
const REFRESH_AFTER_MS = 300;

/** What was deleted and can be had back. */
@injectable()
export class TrashWidget extends ReactWidget {

    static readonly ID = 'coditect-trash';
    static readonly LABEL = 'Trash';

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(FileService) protected readonly fileService: FileService;
    @inject(MessageService) protected readonly messages: MessageService;

    protected items: TrashItem[] | undefined;
    protected timer: number | undefined;

    @postConstruct()
    protected init(): void {
        this.id = TrashWidget.ID;
        this.title.label = TrashWidget.LABEL;
        this.title.caption = 'Deleted files that can be had back';
        this.title.iconClass = 'codicon codicon-trash';
        this.title.closable = true;
        this.addClass('coditect-trash');
        this.node.tabIndex = 0;
        this.toDispose.push(this.fileService.onDidFilesChange(event => {
            if (this.isVisible && event.changes.some(({ type }) => type === FileChangeType.DELETED || type === FileChangeType.ADDED)) {
                window.clearTimeout(this.timer);
                this.timer = window.setTimeout(() => this.refresh(), REFRESH_AFTER_MS);
            }
        }));
        this.update();
    }

    protected override onActivateRequest(): void {
        this.node.focus();
    }

    protected override onAfterShow(message: Message): void {
        super.onAfterShow(message);
        this.refresh();
    }

    async refresh(): Promise<void> {
        await this.attempt(async () => {
            this.items = await this.host.shell.listTrash();
            this.update();
        });
    }

    protected render(): React.ReactNode {
        if (!this.items) {
            return <p role='status'>Looking …</p>;
        }
        if (this.items.length === 0) {
            return <p role='status'>The trash is empty. What you delete in the explorer is kept here for a while.</p>;
        }
        const size = this.items.reduce((sum, item) => sum + item.size, 0);
        return <React.Fragment>
            <div className='coditect-actions'>
                <button className='theia-button secondary' onClick={this.empty}>Empty the trash ({BinarySize.formatSize(size)})</button>
            </div>
            <ul aria-label='In the trash'>{this.items.map(item => this.renderItem(item))}</ul>
        </React.Fragment>;
    }

    protected renderItem(item: TrashItem): React.ReactNode {
        const uri = fileUri(item.path);
        const folder = this.host.rootUri.relative(uri.parent)?.toString();
        const size = BinarySize.formatSize(item.size);
        const deleted = new Date(item.deleted_at);
        const when = deleted.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
        return <li key={item.id} title={`${item.path}\n${size}\nDeleted ${deleted.toLocaleString()} by ${item.deleted_by}`}>
            <span className={`codicon codicon-${item.kind === 'folder' ? 'folder' : 'file'}`} />
            <span className='coditect-trash-name'>{uri.path.base}</span>
            <button className='theia-button secondary' onClick={() => this.restore(item)} aria-label={`Restore ${uri.path.base}`} title='Restore'>
                <span className='codicon codicon-discard' />
            </button>
            <button className='theia-button secondary' onClick={() => this.remove(item)} aria-label={`Delete ${uri.path.base} for good`} title='Delete for good'>
                <span className='codicon codicon-close' />
            </button>
            {folder && <small className='coditect-trash-fact'>in {folder}</small>}
            <small className='coditect-trash-fact'><time dateTime={deleted.toISOString()}>{when}</time></small>
            <small className='coditect-trash-fact'>by {item.deleted_by} · {size}</small>
        </li>;
    }

    protected async restore(item: TrashItem, to?: string): Promise<void> {
        try {
            await this.host.shell.restore(item.id, to);
        } catch (error) {
            if (!ShellProblem.is(error) || error.code !== 'files.exists') {
                this.messages.error(ShellProblem.describe(error));
                return;
            }
            const uri = fileUri(to ?? item.path);
            const name = await this.askName(uri);
            if (name) {
                await this.restore(item, uri.parent.resolve(name).path.toString());
            }
            return;
        }
        await this.refresh();
    }

    /** Where it was there is something else by now. */
    protected askName(uri: URI): Promise<string | undefined> {
        const { name, ext } = uri.path;
        return new SingleTextInputDialog({
            title: `“${uri.path.base}” is there again; restore the old one as`,
            initialValue: `${name} (restored)${ext}`,
            confirmButtonLabel: 'Restore',
            validate: value => value.trim() !== '' && !value.includes('/')
        }).open();
    }

    protected async remove(item: TrashItem): Promise<void> {
        await this.attempt(() => this.host.shell.emptyTrash([item.id]));
        await this.refresh();
    }

    protected readonly empty = async (): Promise<void> => {
        const sure = await new ConfirmDialog({
            title: 'Empty the trash?',
            msg: 'What is in it is gone then, for everybody who works here.',
            ok: 'Empty'
        }).open();
        if (sure) {
            await this.attempt(() => this.host.shell.emptyTrash([]));
            await this.refresh();
        }
    };

    protected async attempt(work: () => Promise<void>): Promise<void> {
        try {
            await work();
        } catch (error) {
            this.messages.error(ShellProblem.describe(error));
        }
    }
}
