const KEY = 'coditect.theme';

type Theme = 'dark' | 'light';

/** What the person chose; nothing where they go with their system, or where the browser keeps nothing. */
function chosenTheme(): Theme | undefined {
    try {
        const chosen = localStorage.getItem(KEY);
        return chosen === 'dark' || chosen === 'light' ? chosen : undefined;
    } catch {
        return undefined;
    }
}

function shownTheme(): Theme {
    return (document.documentElement.dataset['theme'] as Theme | undefined) ?? (matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark');
}

/** Without a choice the style sheet follows the system by itself. */
export function applyTheme(theme: Theme | undefined = chosenTheme()): void {
    if (theme) {
        document.documentElement.dataset['theme'] = theme;
    }
}

/** The other theme, from now on. */
export function toggleTheme(): void {
    const theme = shownTheme() === 'dark' ? 'light' : 'dark';
    applyTheme(theme);
    try {
        localStorage.setItem(KEY, theme);
    } catch {
        // It holds until the page is left.
    }
}
