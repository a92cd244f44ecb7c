import { PreferenceSchema } from '@theia/core/lib/common/preferences';

export const CLOSE_ON_EXIT = 'coditect.terminal.closeOnExit';

export const terminalPreferences: PreferenceSchema = {
    properties: {
        [CLOSE_ON_EXIT]: {
            type: 'string',
            enum: ['never', 'success'],
            enumDescriptions: ['It stays readable, and can be started anew.', 'It is closed where the program says that all went well.'],
            default: 'never',
            description: 'What becomes of a terminal whose program has ended.'
        }
    }
};
