import { injectable } from '@theia/core/shared/inversify';
import { TerminalFrontendContribution } from '@theia/terminal/lib/browser/terminal-frontend-contribution';

/** Does not start a hidden terminal with a new workspace: it would cost the server a process that nobody asked for. */
@injectable()
export class QuietTerminalContribution extends TerminalFrontendContribution {

    override async initializeLayout(): Promise<void> { }
}
