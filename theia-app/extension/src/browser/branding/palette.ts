/** The few colours that a theme is made of. */
export interface Palette {
    readonly type: 'dark' | 'light';
    /** Frame: activity bar, title, tabs behind the active one. */
    readonly frame: string;
    /** Paper: editor, terminal, panel. */
    readonly paper: string;
    /** Side bars. */
    readonly side: string;
    /** What floats above: menus, dialogues, suggestions. */
    readonly float: string;
    /** Inputs, hovered rows. */
    readonly raised: string;
    /** The chosen row. */
    readonly chosen: string;
    readonly border: string;
    readonly text: string;
    readonly dim: string;
    readonly muted: string;
    readonly accent: string;
    readonly accentHover: string;
    /** Text on the accent. */
    readonly onAccent: string;
    readonly blue: string;
    readonly purple: string;
    readonly yellow: string;
    readonly orange: string;
    readonly red: string;
    readonly green: string;
    readonly cyan: string;
    readonly comment: string;
    readonly ansi: {
        readonly black: string;
        readonly white: string;
        readonly brightBlack: string;
        readonly brightWhite: string;
        readonly brightRed: string;
        readonly brightGreen: string;
        readonly brightYellow: string;
        readonly brightBlue: string;
        readonly brightMagenta: string;
        readonly brightCyan: string;
    };
}

export const DARK: Palette = {
    type: 'dark',
    frame: '#0b1018',
    paper: '#0f1520',
    side: '#121a27',
    float: '#172131',
    raised: '#1b2638',
    chosen: '#22344a',
    border: '#26334a',
    text: '#d8e0ec',
    dim: '#a3b1c6',
    muted: '#8b9ab1',
    accent: '#2dd4bf',
    accentHover: '#5eead4',
    onAccent: '#06201d',
    blue: '#79b8ff',
    purple: '#c8acff',
    yellow: '#f2cc60',
    orange: '#ffab70',
    red: '#ff8a80',
    green: '#8ddb8c',
    cyan: '#6fd6e8',
    comment: '#8793a8',
    ansi: {
        black: '#5b6a82',
        white: '#c9d3e2',
        brightBlack: '#8b9ab1',
        brightWhite: '#ffffff',
        brightRed: '#ffaba3',
        brightGreen: '#aff0ae',
        brightYellow: '#ffe08a',
        brightBlue: '#a5d0ff',
        brightMagenta: '#dcc9ff',
        brightCyan: '#a2e9f5'
    }
};

export const LIGHT: Palette = {
    type: 'light',
    frame: '#e8edf3',
    paper: '#ffffff',
    side: '#f4f6f9',
    float: '#ffffff',
    raised: '#e9eef4',
    chosen: '#d3e8e5',
    border: '#cbd5e1',
    text: '#1b2533',
    dim: '#475467',
    muted: '#566375',
    accent: '#0f766e',
    accentHover: '#115e59',
    onAccent: '#ffffff',
    blue: '#0550ae',
    purple: '#6a3db8',
    yellow: '#7a4d00',
    orange: '#953800',
    red: '#b3261e',
    green: '#116329',
    cyan: '#0b6477',
    comment: '#5c6a7c',
    ansi: {
        black: '#1b2533',
        white: '#566375',
        brightBlack: '#475467',
        brightWhite: '#6b7788',
        brightRed: '#8f1d17',
        brightGreen: '#0c4d20',
        brightYellow: '#5f3c00',
        brightBlue: '#033d8b',
        brightMagenta: '#522a99',
        brightCyan: '#084c5b'
    }
};
