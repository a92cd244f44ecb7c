import { IconThemeContribution } from '@theia/core/lib/browser/icon-theme-contribution';
import { IconThemeService } from '@theia/core/lib/browser/icon-theme-service';
import { LabelProviderContribution } from '@theia/core/lib/browser/label-provider';
import { ThemeService } from '@theia/core/lib/browser/theming';
import { injectable, interfaces } from '@theia/core/shared/inversify';
import { FileIconTheme } from './file-icon-theme';

const THEMES = [
    { id: 'coditect-vscode-icons', label: 'VSCode Icons (Coditect)', path: 'icons/vscode-icons.json' },
    { id: 'coditect-seti', label: 'Seti (Coditect)', path: 'icons/seti.json' }
] as const;

@injectable()
export class CoditectIconThemes implements IconThemeContribution {

    constructor(protected readonly themes: readonly FileIconTheme[]) { }

    registerIconThemes(service: IconThemeService): void {
        this.themes.forEach(theme => service.register(theme));
    }
}

/** A theme both offers itself to be chosen and names the icons while it is. */
export function bindIconThemes(bind: interfaces.Bind): void {
    for (const { id, label, path } of THEMES) {
        bind(FileIconTheme).toDynamicValue(({ container }) => new FileIconTheme(id, label, path, container.get(ThemeService))).inSingletonScope().whenTargetNamed(id);
        bind(LabelProviderContribution).toDynamicValue(({ container }) => container.getNamed(FileIconTheme, id)).inSingletonScope();
    }
    bind(IconThemeContribution)
        .toDynamicValue(({ container }) => new CoditectIconThemes(THEMES.map(({ id }) => container.getNamed(FileIconTheme, id))))
        .inSingletonScope();
}
