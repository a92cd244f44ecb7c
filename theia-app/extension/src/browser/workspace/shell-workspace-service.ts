import { inject, injectable } from '@theia/core/shared/inversify';
import { WorkspaceService } from '@theia/workspace/lib/browser/workspace-service';
import { fileUri } from '../shell/file-uri';
import { ShellHost } from '../shell/shell-host';

/** The address names the workspace; what Theia adds to it may only choose a folder or a workspace file within it or the person's home. */
@injectable()
export class ShellWorkspaceService extends WorkspaceService {

    @inject(ShellHost) protected readonly host: ShellHost;

    protected override async getDefaultWorkspaceUri(): Promise<string> {
        const root = this.host.rootUri;
        const asked = fileUri(decodeHash(location.hash));
        const allowed = [root, this.host.homeUri].some(folder => folder.isEqualOrParent(asked));
        return allowed && await this.fileService.exists(asked) ? asked.toString() : root.toString();
    }

    protected override setURLFragment(workspacePath: string): void {
        const own = workspacePath === this.host.rootUri.path.toString();
        history.replaceState(history.state, '', location.pathname + location.search + (own ? '' : `#${encodeURI(workspacePath)}`));
    }
}

function decodeHash(hash: string): string {
    try {
        return decodeURI(hash.slice(1)) || '/';
    } catch {
        return '/';
    }
}
