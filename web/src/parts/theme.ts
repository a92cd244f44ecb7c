const KEY = 'coditect.theme';

/** `dark` or `light`; what the person chose, else what their system prefers. */
export function currentTheme(): 'dark' | 'light' {
    const chosen = localStorage.getItem(KEY);
    if (chosen === 'dark' || chosen === 'light') {
        return chosen;
    }
    return matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark';
}

export function applyTheme(): void {
    document.documentElement.dataset['theme'] = currentTheme();
}

export function toggleTheme(): void {
    localStorage.setItem(KEY, currentTheme() === 'dark' ? 'light' : 'dark');
    applyTheme();
}
