import { URI } from '@theia/core';
import { injectable } from '@theia/core/shared/inversify';
import { QuickFileOpenService } from '@theia/file-search/lib/browser/quick-file-open';
import { ShellProblem } from '../shell/shell-problem';

/** Tells why a file could not be opened; the stock one tells only that it could not. */
@injectable()
export class TellingQuickFileOpen extends QuickFileOpenService {

    override openFile(uri: URI): void {
        const options = this.buildOpenerOptions();
        this.openerService.getOpener(uri, options)
            .then(opener => opener.open(uri, options))
            .catch(error => this.messageService.error(ShellProblem.describe(error)));
    }
}
