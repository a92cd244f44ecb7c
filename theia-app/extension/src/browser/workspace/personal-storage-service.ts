import { inject, injectable } from '@theia/core/shared/inversify';
import { FileStat } from '@theia/filesystem/lib/common/files';
import { WorkspaceStorageService } from '@theia/workspace/lib/browser/workspace-storage-service';
import { ShellHost } from '../shell/shell-host';

/** What the browser remembers (layout, open editors, terminals) is told apart by person and workspace; paths are the same for all. */
@injectable()
export class PersonalStorageService extends WorkspaceStorageService {

    @inject(ShellHost) protected readonly host: ShellHost;

    protected override getPrefix(workspace: FileStat | undefined): string {
        return [this.host.session.user.id, this.host.workspace.id, super.getPrefix(workspace)].join(':');
    }
}
