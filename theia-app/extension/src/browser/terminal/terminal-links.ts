import { URI } from '@theia/core';
import { inject, injectable, interfaces } from '@theia/core/shared/inversify';
import { Position } from '@theia/editor/lib/browser';
import { TerminalWidget } from '@theia/terminal/lib/browser/base/terminal-widget';
import { FileLinkProvider, LocalFileLinkProvider } from '@theia/terminal/lib/browser/terminal-file-link-provider';
import { FileUriLinkProvider } from '@theia/terminal/lib/browser/terminal-file-uri-link-provider';
import { TerminalLink } from '@theia/terminal/lib/browser/terminal-link-provider';
import { UrlLinkProvider } from '@theia/terminal/lib/browser/terminal-url-link-provider';
import { ShellHost } from '../shell/shell-host';
import { PathCandidate, pathCandidates } from './path-candidates';
import { ShellTerminalServer } from './shell-terminal-server';

/** Addresses of web pages; what closes a bracket or a sentence does not belong to them. */
@injectable()
export class WebLinkProvider extends UrlLinkProvider {

    protected override readonly urlRegExp = /https?:\/\/[^\s"'`<>()[\]{}|\\^]{0,2000}[^\s"'`<>()[\]{}|\\^.,;:!?]/g;
    /** Without the scheme; with it, the other finds them. */
    protected override readonly localhostRegExp = /(?<![/\w.-])(localhost|127\.0\.0\.1|0\.0\.0\.0):[0-9]{1,5}([-a-zA-Z0-9@:%_+.~#?&/=]*)/g;
}

/** Files by their paths as programs see them, with line and column: absolute, below `~`, below the shell's folder or the workspace's. */
@injectable()
export class PathLinkProvider extends FileLinkProvider {

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(ShellTerminalServer) protected readonly terminals: ShellTerminalServer;

    override async provideLinks(line: string, terminal: TerminalWidget): Promise<TerminalLink[]> {
        const found = await Promise.all(pathCandidates(line).map(candidate => this.toLink(candidate, terminal)));
        return found.filter(link => link !== undefined);
    }

    protected async toLink(candidate: PathCandidate, terminal: TerminalWidget): Promise<TerminalLink | undefined> {
        const { start: startIndex, length, path, line, column } = candidate;
        const position: Position | undefined = line === undefined ? undefined : { line: Math.max(0, line - 1), character: Math.max(0, (column ?? 1) - 1) };
        for (const uri of await this.places(path, terminal)) {
            if (await this.isValidFileURI(uri)) {
                return { startIndex, length, tooltip: 'Open in editor', handle: () => this.openURI(uri, position) };
            }
        }
        return undefined;
    }

    /** Where a file of that name may be. */
    protected async places(path: string, terminal: TerminalWidget): Promise<URI[]> {
        if (!this.terminals.info(terminal.terminalId)) {
            return [];
        }
        if (path.startsWith('/') || path.startsWith('~/')) {
            const uri = this.terminals.toUri(terminal.terminalId, path);
            return uri ? [uri] : [];
        }
        const folder = await this.getCwd(terminal);
        const root = this.host.rootUri;
        return (folder.isEqual(root) ? [root] : [folder, root]).map(below => below.resolve(path).normalizePath());
    }
}

/** `file://` addresses, of programs too. */
@injectable()
export class FileAddressLinkProvider extends FileUriLinkProvider {

    @inject(ShellTerminalServer) protected readonly terminals: ShellTerminalServer;

    override async provideLinks(line: string, terminal: TerminalWidget): Promise<TerminalLink[]> {
        this.terminal = terminal.terminalId;
        return super.provideLinks(line, terminal);
    }

    /** Of whom the addresses are that are just looked at: they are all read before anything else happens. */
    protected terminal = -1;

    protected override toURI(match: string): URI | undefined {
        const uri = super.toURI(match);
        return uri && this.terminals.info(this.terminal) && this.terminals.toUri(this.terminal, uri.path.toString());
    }
}

/** Nothing: {@link PathLinkProvider} finds these, and only where there is such a file. */
@injectable()
export class NoLocalLinks extends LocalFileLinkProvider {

    override async provideLinks(): Promise<TerminalLink[]> {
        return [];
    }
}

export function bindTerminalLinks(rebind: interfaces.Rebind): void {
    rebind(UrlLinkProvider).to(WebLinkProvider).inSingletonScope();
    rebind(FileLinkProvider).to(PathLinkProvider).inSingletonScope();
    rebind(FileUriLinkProvider).to(FileAddressLinkProvider).inSingletonScope();
    rebind(LocalFileLinkProvider).to(NoLocalLinks).inSingletonScope();
}
