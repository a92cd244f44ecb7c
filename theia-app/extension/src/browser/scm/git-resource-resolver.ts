import { Emitter, Resource, ResourceError, ResourceResolver, URI } from '@theia/core';
import { EncodingRegistry } from '@theia/core/lib/browser/encoding-registry';
import { BinaryBuffer } from '@theia/core/lib/common/buffer';
import { EncodingService } from '@theia/core/lib/common/encoding-service';
import { inject, injectable } from '@theia/core/shared/inversify';
import { ShellProblem } from '../shell/shell-problem';
import { GitRepositories } from './git-repositories';
import { fromGitUri, GIT_SCHEME, GitRef, isFixed } from './git-uri';

/** How far a content is looked into for a byte that no text has, as git itself does, in bytes. */
const BINARY_LOOK_BYTES = 8000;

/** Files in other versions, read-only, for the editor. */
@injectable()
export class GitResourceResolver implements ResourceResolver {

    @inject(GitRepositories) protected readonly repositories: GitRepositories;
    @inject(EncodingService) protected readonly encodingService: EncodingService;
    @inject(EncodingRegistry) protected readonly encodings: EncodingRegistry;

    resolve(uri: URI): Resource {
        if (uri.scheme !== GIT_SCHEME) {
            throw new Error(`“${uri}” is no file of a repository.`);
        }
        const address = fromGitUri(uri);
        if (!address) {
            throw notFound(uri);
        }
        const { file, ref } = address;
        const changed = new Emitter<void>();
        const watching = isFixed(ref) ? undefined : this.repositories.onDidChange(({ event, repository }) => {
            if (event.versions && this.repositories.find(file) === repository) {
                changed.fire();
            }
        });
        return {
            uri,
            readOnly: true,
            onDidChangeContents: changed.event,
            readContents: () => this.read(uri, file, ref),
            dispose: () => {
                watching?.dispose();
                changed.dispose();
            }
        };
    }

    protected async read(uri: URI, file: URI, ref: GitRef): Promise<string> {
        if (ref === ':empty') {
            return '';
        }
        const repository = this.repositories.find(file);
        if (!repository) {
            throw notFound(uri);
        }
        let bytes: Uint8Array | undefined;
        try {
            bytes = await repository.content(repository.relative(file), ref);
        } catch (error) {
            if (!ShellProblem.hasKind(error, 'too_large')) {
                throw error;
            }
            return error instanceof Error ? error.message : '';
        }
        if (!bytes) {
            throw notFound(uri);
        }
        if (bytes.subarray(0, BINARY_LOOK_BYTES).includes(0)) {
            return `This is not text (${bytes.length} bytes).`;
        }
        return this.encodingService.decode(BinaryBuffer.wrap(bytes), this.encodings.getEncodingForResource(file));
    }
}

function notFound(uri: URI): Error {
    const message = `The file “${uri.path.base}” is not in this version.`;
    return ResourceError.NotFound({ message, data: { uri } });
}
