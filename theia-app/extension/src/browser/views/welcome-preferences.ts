import { PreferenceSchema } from '@theia/core/lib/common/preferences';

export const STARTUP_EDITOR = 'workbench.startupEditor';

export const welcomePreferences: PreferenceSchema = {
    properties: {
        [STARTUP_EDITOR]: {
            type: 'string',
            enum: ['welcomePage', 'newUntitledFile', 'none'],
            enumDescriptions: ['Open the welcome page.', 'Open a new, empty file.', 'Open nothing.'],
            default: 'welcomePage',
            description: 'What is opened at the start where no editor is restored.'
        }
    }
};
