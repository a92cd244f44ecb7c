import { interfaces } from '@theia/core/shared/inversify';
import { TerminalService } from '@theia/terminal/lib/browser/base/terminal-service';
import { TerminalWidgetImpl } from '@theia/terminal/lib/browser/terminal-widget-impl';

export const TerminalDrawn = Symbol('TerminalDrawn');
/** Resolves once the terminal of this number has taken in what it was given until now. */
export type TerminalDrawn = (terminal: number) => Promise<void>;

/** Terminals need their server and this needs the terminals, so they are asked for late. */
export function createTerminalDrawn({ container }: interfaces.Context): TerminalDrawn {
    return async terminal => {
        const widget = container.get<TerminalService>(TerminalService).getByTerminalId(terminal);
        if (!(widget instanceof TerminalWidgetImpl)) {
            return;
        }
        await new Promise<void>(resolve => {
            const closed = widget.onDidDispose(resolve);
            widget.getTerminal().write('', () => {
                closed.dispose();
                resolve();
            });
        });
    };
}
