import type { Scope } from 'coditect-shell';

/** What a token may be used for, each in one plain sentence. */
export const SCOPES: readonly (readonly [Scope, string])[] = [
    ['account:read', 'See who you are.'],
    ['workspaces:read', 'List your workspaces.'],
    ['workspaces:write', 'Create, rename and delete workspaces.'],
    ['files:read', 'Read, watch and search your files.'],
    ['files:write', 'Change and delete your files.'],
    ['terminals', 'Run programs in terminals, which reach every file of the workspace.'],
    ['llm', 'List the models and ask them.'],
    ['usage:read', 'See what you asked models for, and what it cost.'],
    ['plugins', 'Publish plugins, and develop them in your workspaces, where they may do all that they ask for; to find these, it takes workspaces:read as well.'],
    ['metrics', 'Read the numbers of the server for a monitoring system, as long as you are an admin.'],
    ['admin', 'Manage people, invitations and signing keys, as long as you are an admin.'],
];

/** Those that are of use to admins only. */
export const FOR_ADMINS: readonly Scope[] = ['metrics', 'admin'];

/** How long a token or an invitation lasts, in days, to choose from. */
export const DAYS: readonly (readonly [number, string])[] = [[1, '1 day'], [7, '7 days'], [30, '30 days'], [90, '90 days'], [365, '1 year']];
