import { injectable } from '@theia/core/shared/inversify';
import { QuickFileSelectService } from '@theia/file-search/lib/browser/quick-file-select-service';

/** Leaves found files in the order in which the server ranks them. */
@injectable()
export class ServerQuickFileSelect extends QuickFileSelectService {

    protected override compareItems(): number {
        return 0;
    }
}
