import { QuickPickItem, QuickPickOptions, QuickPickSeparator } from '@theia/core/lib/browser';
import { injectable } from '@theia/core/shared/inversify';
import { MonacoQuickInputService } from '@theia/monaco/lib/browser/monaco-quick-input-service';

/** Does not tell that “nothing” became active, as happens while a list is filtered: the theme pickers take that for an item and fail. */
@injectable()
export class CarefulQuickInputService extends MonacoQuickInputService {

    override showQuickPick<T extends QuickPickItem>(items: Array<T | QuickPickSeparator>, options?: QuickPickOptions<T>): Promise<T | undefined> {
        const told = options?.onDidChangeActive;
        return super.showQuickPick(items, told ? {
            ...options,
            onDidChangeActive: (pick, active) => active.length > 0 && told(pick, active)
        } : options);
    }
}
