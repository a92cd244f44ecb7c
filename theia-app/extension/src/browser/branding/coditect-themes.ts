import { Theme } from '@theia/core/lib/common/theme';
import { injectable, postConstruct } from '@theia/core/shared/inversify';
import { MonacoThemingService } from '@theia/monaco/lib/browser/monaco-theming-service';
import { ThemeServiceWithDB } from '@theia/monaco/lib/browser/monaco-indexed-db';
import { createColorTheme } from './color-theme';
import { DARK, LIGHT, Palette } from './palette';

const THEMES: readonly { readonly id: string; readonly label: string; readonly palette: Palette }[] = [
    { id: 'coditect-dark', label: 'Coditect Dark', palette: DARK },
    { id: 'coditect-light', label: 'Coditect Light', palette: LIGHT }
];

/**
 * Knows the product's themes from the first moment, so that the page never shows another one before. The stock service looks in the
 * browser's database instead, where only themes of extensions are, and those of an older release could come back from.
 */
@injectable()
export class CoditectThemeService extends ThemeServiceWithDB {

    @postConstruct()
    protected override init(): void {
        for (const { id, label, palette } of THEMES) {
            const theme: Theme = { id, label, type: palette.type, editorTheme: id };
            this.themes[id] = theme;
        }
        super.init();
    }

    protected override async loadUserThemeWithDB(): Promise<void> {
        const stored = localStorage.getItem(CoditectThemeService.STORAGE_KEY);
        this.setCurrentTheme(this.getTheme(stored ?? this.defaultTheme.id).id, false);
        this.deferredInitializer.resolve();
    }
}

/** Gives the editor the colours of the product's themes. */
@injectable()
export class CoditectThemingService extends MonacoThemingService {

    override initialize(): void {
        for (const { id, label, palette } of THEMES) {
            this.monacoThemeRegistry.register(createColorTheme(label, palette), undefined, id, palette.type === 'dark' ? 'vs-dark' : 'vs');
        }
        super.initialize();
    }

    protected override async restore(): Promise<void> { }
}
