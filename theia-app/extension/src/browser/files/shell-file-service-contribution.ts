import { inject, injectable } from '@theia/core/shared/inversify';
import { FileService, FileServiceContribution } from '@theia/filesystem/lib/browser/file-service';
import { ShellFileSystemProvider } from './shell-file-system-provider';

/** Gives the file service our provider itself. Theia's own contribution puts a proxy for a backend in between. */
@injectable()
export class ShellFileServiceContribution implements FileServiceContribution {

    @inject(ShellFileSystemProvider) protected readonly provider: ShellFileSystemProvider;

    registerFileSystemProviders(service: FileService): void {
        service.registerProvider('file', this.provider);
    }
}
