import { AbstractViewContribution, FrontendApplication, FrontendApplicationContribution } from '@theia/core/lib/browser';
import { injectable } from '@theia/core/shared/inversify';
import { CoditectWidget } from './coditect-widget';

export const TOGGLE_CODITECT_VIEW = 'coditect:toggle-view';

/** Puts the Coditect view into the left side bar. */
@injectable()
export class CoditectViewContribution extends AbstractViewContribution<CoditectWidget> implements FrontendApplicationContribution {

    constructor() {
        super({
            widgetId: CoditectWidget.ID,
            widgetName: CoditectWidget.LABEL,
            defaultWidgetOptions: { area: 'left', rank: 900 },
            toggleCommandId: TOGGLE_CODITECT_VIEW
        });
    }

    async initializeLayout(_app: FrontendApplication): Promise<void> {
        await this.openView();
    }
}
