import assert from 'node:assert/strict';
import { test } from 'node:test';
import theme from '../lib/browser/branding/color-theme.js';
import palettes from '../lib/browser/branding/palette.js';

/** Least contrast of text that WCAG 2 asks for at level AA. */
const AA_TEXT = 4.5;
/** The same for parts of controls that carry meaning. */
const AA_PART = 3;

const PAIRS = [
    ['foreground', 'editor.background'], ['descriptionForeground', 'sideBar.background'], ['errorForeground', 'sideBar.background'],
    ['editor.foreground', 'editor.background'], ['editorLineNumber.foreground', 'editor.background'], ['editorCodeLens.foreground', 'editor.background'],
    ['editorInlayHint.foreground', 'editorInlayHint.background'], ['editorWidget.foreground', 'editorWidget.background'],
    ['editorSuggestWidget.foreground', 'editorSuggestWidget.background'], ['editorSuggestWidget.selectedForeground', 'editorSuggestWidget.selectedBackground'],
    ['editorSuggestWidget.highlightForeground', 'editorSuggestWidget.background'], ['editorHoverWidget.foreground', 'editorHoverWidget.background'],
    ['sideBar.foreground', 'sideBar.background'], ['sideBarTitle.foreground', 'sideBar.background'], ['sideBarSectionHeader.foreground', 'sideBarSectionHeader.background'],
    ['titleBar.activeForeground', 'titleBar.activeBackground'], ['titleBar.inactiveForeground', 'titleBar.inactiveBackground'],
    ['menu.foreground', 'menu.background'], ['menu.selectionForeground', 'menu.selectionBackground'],
    ['statusBar.foreground', 'statusBar.background'], ['statusBar.offlineForeground', 'statusBar.offlineBackground'],
    ['statusBarItem.errorForeground', 'statusBarItem.errorBackground'], ['statusBarItem.warningForeground', 'statusBarItem.warningBackground'],
    ['tab.activeForeground', 'tab.activeBackground'], ['tab.inactiveForeground', 'tab.inactiveBackground'], ['breadcrumb.foreground', 'breadcrumb.background'],
    ['panelTitle.activeForeground', 'panel.background'], ['panelTitle.inactiveForeground', 'panel.background'],
    ['badge.foreground', 'badge.background'], ['activityBarBadge.foreground', 'activityBarBadge.background'],
    ['button.foreground', 'button.background'], ['button.foreground', 'button.hoverBackground'], ['secondaryButton.foreground', 'secondaryButton.background'],
    ['input.foreground', 'input.background'], ['input.placeholderForeground', 'input.background'], ['dropdown.foreground', 'dropdown.background'],
    ['list.activeSelectionForeground', 'list.activeSelectionBackground'], ['list.hoverForeground', 'list.hoverBackground'],
    ['list.highlightForeground', 'sideBar.background'], ['list.errorForeground', 'sideBar.background'], ['list.warningForeground', 'sideBar.background'],
    ['quickInput.foreground', 'quickInput.background'], ['quickInputList.focusForeground', 'quickInputList.focusBackground'], ['pickerGroup.foreground', 'quickInput.background'],
    ['notifications.foreground', 'notifications.background'], ['textLink.foreground', 'editor.background'], ['textLink.foreground', 'sideBar.background'],
    ['textPreformat.foreground', 'textPreformat.background'], ['keybindingLabel.foreground', 'keybindingLabel.background'],
    ['gitDecoration.addedResourceForeground', 'sideBar.background'], ['gitDecoration.modifiedResourceForeground', 'sideBar.background'],
    ['gitDecoration.deletedResourceForeground', 'sideBar.background'], ['gitDecoration.ignoredResourceForeground', 'sideBar.background'],
    ['peekViewResult.lineForeground', 'peekViewResult.background'], ['terminal.foreground', 'terminal.background']
];
const PARTS = [['activityBar.inactiveForeground', 'activityBar.background'], ['focusBorder', 'editor.background'], ['checkbox.border', 'checkbox.background'], ['terminal.ansiBlack', 'terminal.background']];
const ANSI = ['Red', 'Green', 'Yellow', 'Blue', 'Magenta', 'Cyan', 'White', 'BrightBlack', 'BrightRed', 'BrightGreen', 'BrightYellow', 'BrightBlue', 'BrightMagenta', 'BrightCyan'];

function luminance(hex) {
    const [r, g, b] = [1, 3, 5].map(at => parseInt(hex.slice(at, at + 2), 16) / 255).map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(one, other) {
    const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
}

for (const palette of [palettes.DARK, palettes.LIGHT]) {
    const { colors, tokenColors } = theme.createColorTheme('t', palette);
    const check = (what, foreground, background, least) => {
        assert.match(foreground, /^#[0-9a-f]{6}$/i, what);
        assert.match(background, /^#[0-9a-f]{6}$/i, what);
        const found = contrast(foreground, background);
        assert.ok(found >= least, `${palette.type}: ${what} has a contrast of ${found.toFixed(2)}`);
    };

    test(`${palette.type}: text is legible`, () => {
        for (const [foreground, background] of PAIRS) {
            check(`${foreground} on ${background}`, colors[foreground], colors[background], AA_TEXT);
        }
        for (const [foreground, background] of PARTS) {
            check(`${foreground} on ${background}`, colors[foreground], colors[background], AA_PART);
        }
    });

    test(`${palette.type}: tokens and terminal colours are legible`, () => {
        for (const { scope, settings } of tokenColors) {
            check(`token ${scope[0]}`, settings.foreground, colors['editor.background'], AA_TEXT);
        }
        for (const name of ANSI) {
            check(`ansi${name}`, colors[`terminal.ansi${name}`], colors['terminal.background'], AA_TEXT);
        }
    });
}

test('both themes define the same', () => {
    const keys = palette => Object.keys(theme.createColorTheme('t', palette).colors);
    assert.deepEqual(keys(palettes.DARK), keys(palettes.LIGHT));
});
