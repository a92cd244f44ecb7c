import { URI } from '@theia/core';
import { inject, injectable } from '@theia/core/shared/inversify';
import { WorkspaceServer } from '@theia/workspace/lib/common';
import { WorkspaceOpenHandlerContribution } from '@theia/workspace/lib/browser/workspace-service';
import { ShellHost } from '../shell/shell-host';
import type { WorkspaceInfo } from '../shell/shell-types';

/** Scheme by which Theia's list of recent workspaces names one that is not open: `coditect-workspace:/<id>/<name>`. */
const OTHER_WORKSPACE_SCHEME = 'coditect-workspace';
/** Most other workspaces offered. */
const MAX_RECENT = 20;

/** The workspaces of the person, the one used last first. The server keeps that order; nothing is stored here. */
@injectable()
export class ShellWorkspaceServer implements WorkspaceServer, WorkspaceOpenHandlerContribution {

    @inject(ShellHost) protected readonly host: ShellHost;

    async getMostRecentlyUsedWorkspace(): Promise<string> {
        return this.host.rootUri.toString();
    }

    /** Opening a workspace tells the server already. */
    async setMostRecentlyUsedWorkspace(): Promise<void> { }

    /** A workspace leaves the list when it is deleted, on the dashboard. */
    async removeRecentWorkspace(): Promise<void> { }

    async getRecentWorkspaces(): Promise<string[]> {
        const others = await this.others();
        return [this.host.rootUri.toString(), ...others.map(({ id, name }) => new URI().withScheme(OTHER_WORKSPACE_SCHEME).withPath(`/${id}/${name}`).toString())];
    }

    /** The other workspaces that can be opened, the one used last first. */
    async others(): Promise<WorkspaceInfo[]> {
        const all: WorkspaceInfo[] = await this.host.shell.listWorkspaces();
        return all
            .filter(workspace => workspace.id !== this.host.workspace.id && workspace.state.type === 'ready')
            .sort((a, b) => b.opened_at - a.opened_at)
            .slice(0, MAX_RECENT);
    }

    canHandle(uri: URI): boolean {
        return uri.scheme === OTHER_WORKSPACE_SCHEME;
    }

    getWorkspaceLabel(uri: URI): string {
        return uri.path.base;
    }

    openWorkspace(uri: URI): void {
        const [, id] = uri.path.toString().split('/');
        location.assign(this.host.workspaceUrl(id));
    }
}
