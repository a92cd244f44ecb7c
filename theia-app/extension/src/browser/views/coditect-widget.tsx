import { ReactWidget } from '@theia/core/lib/browser';
import { MessageService } from '@theia/core';
import { inject, injectable, postConstruct } from '@theia/core/shared/inversify';
import * as React from '@theia/core/shared/react';
import { ModelCatalogue } from '../chat/model-catalogue';
import { PageTokenUsageService } from '../chat/page-token-usage-service';
import { ShellHost } from '../shell/shell-host';
import { ShellProblem } from '../shell/shell-problem';
import type { ModelList, WorkspaceInfo } from '../shell/shell-types';
import { connectionLabel, connectionNotice, formatMilliseconds } from './connection-text';

/** The side bar's view of what the IDE works with: connection, person, workspace and models. */
@injectable()
export class CoditectWidget extends ReactWidget {

    static readonly ID = 'coditect-view';
    static readonly LABEL = 'Coditect';

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(ModelCatalogue) protected readonly catalogue: ModelCatalogue;
    @inject(PageTokenUsageService) protected readonly usage: PageTokenUsageService;
    @inject(MessageService) protected readonly messages: MessageService;

    @postConstruct()
    protected init(): void {
        this.id = CoditectWidget.ID;
        this.title.label = CoditectWidget.LABEL;
        this.title.caption = CoditectWidget.LABEL;
        this.title.iconClass = 'coditect-icon';
        this.title.closable = true;
        this.addClass('coditect-view');
        this.node.tabIndex = 0;
        this.toDispose.push(this.host.onStatus(() => this.update()));
        this.toDispose.push(this.catalogue.onDidChange(() => this.update()));
        this.toDispose.push(this.usage.onDidChange(() => this.update()));
        this.update();
    }

    protected override onActivateRequest(): void {
        this.node.focus();
    }

    protected render(): React.ReactNode {
        return <React.Fragment>
            {this.renderConnection()}
            {this.renderSession()}
            {this.renderWorkspace()}
            {this.renderModels()}
        </React.Fragment>;
    }

    protected renderConnection(): React.ReactNode {
        const status = this.host.status;
        return <Section title='Connection'>
            <dl>
                <Fact name='State'><span className={`coditect-state ${status.connection}`}>{connectionLabel(status)}</span></Fact>
                <Fact name='Round trip'>{formatMilliseconds(status.round_trip_ms ?? undefined)}</Fact>
                <Fact name='Reconnects'>{status.reconnects}{status.reconnects > 0 && ` (the last took ${formatMilliseconds(status.last_reconnect_ms ?? undefined)})`}</Fact>
                <Fact name='Open calls'>{status.pending_calls}</Fact>
                <Fact name='Server'>{status.server_version ?? '–'}</Fact>
            </dl>
            {status.connection !== 'online' && <p role='status'>{connectionNotice(status)}</p>}
        </Section>;
    }

    protected renderSession(): React.ReactNode {
        const { user, expires_at } = this.host.session;
        return <Section title='Session'>
            <dl>
                <Fact name='Person'>{user.login}</Fact>
                <Fact name='Role'>{String(user.role)}</Fact>
                <Fact name='Until'>{new Date(expires_at).toLocaleString()}</Fact>
            </dl>
            <div className='coditect-actions'>
                <button className='theia-button secondary' onClick={this.logOut}>Log out</button>
            </div>
        </Section>;
    }

    protected renderWorkspace(): React.ReactNode {
        const workspace = this.host.workspace;
        return <Section title='Workspace'>
            <dl>
                <Fact name='Name'>{workspace.name}</Fact>
                <Fact name='Folder'><code>{this.host.rootUri.path.toString()}</code></Fact>
                <Fact name='Source'>{describeSource(workspace.source)}</Fact>
            </dl>
            <div className='coditect-actions'>
                <a className='theia-button secondary' href={this.host.pageUrl('dashboard')}>All workspaces</a>
            </div>
        </Section>;
    }

    protected renderModels(): React.ReactNode {
        const { models, upstreams, advice } = this.catalogue;
        const { input, output } = this.usage.total;
        return <Section title='Models'>
            {advice && !upstreams.some(({ problem }) => problem === advice) && <p role='status'>{advice}</p>}
            {upstreams.length > 0 && <ul>{upstreams.map(upstream => <Upstream key={upstream.name} {...upstream} />)}</ul>}
            {models.length > 0 && <ul className='coditect-models'>{models.map(model => <Model key={model.id} {...model} />)}</ul>}
            <dl>
                <Fact name='Tokens'>{`${input.toLocaleString()} read, ${output.toLocaleString()} written since this page was opened`}</Fact>
            </dl>
            <div className='coditect-actions'>
                <button className='theia-button secondary' onClick={() => this.catalogue.refresh(true)}>Look again</button>
            </div>
        </Section>;
    }

    protected readonly logOut = async (): Promise<void> => {
        try {
            await this.host.shell.logout();
            location.assign(this.host.pageUrl('login'));
        } catch (error) {
            this.messages.error(ShellProblem.describe(error));
        }
    };
}

function Section({ title, children }: React.PropsWithChildren<{ title: string }>): React.ReactElement {
    return <section aria-label={title}><h3>{title}</h3>{children}</section>;
}

function Fact({ name, children }: React.PropsWithChildren<{ name: string }>): React.ReactElement {
    return <React.Fragment><dt>{name}</dt><dd>{children}</dd></React.Fragment>;
}

function Model({ id, name, loaded }: ModelList['models'][number]): React.ReactElement {
    return <li title={id}>{name}{loaded && <span className='coditect-loaded' title='Answers without being loaded first'>loaded</span>}</li>;
}

function Upstream({ name, configured, models, problem }: ModelList['upstreams'][number]): React.ReactElement {
    return <li>
        <span className={`coditect-state ${problem ? 'waiting' : 'online'}`}>{name}</span>
        <small>{problem ?? `${models} ${models === 1 ? 'model' : 'models'}${configured ? '' : ', found by itself'}`}</small>
    </li>;
}

function describeSource(source: WorkspaceInfo['source']): string {
    switch (source.type) {
        case 'git': return `Git: ${source.url}`;
        case 'archive': return `Archive: ${source.file_name}`;
        default: return 'Empty';
    }
}
