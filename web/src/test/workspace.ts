import type { Workspace, WorkspaceState } from 'coditect-shell';

/** A workspace for tests. */
export function workspace(name: string, state: WorkspaceState = { type: 'ready' }, more: Partial<Workspace> = {}): Workspace {
    return { id: `id-${name}`, name, folder: name, source: { type: 'empty' }, state, created_at: 1_000, opened_at: 2_000, role: 'owner', owner: 'ada', members: 0, ...more };
}

export const creating = (step: string, percent?: number): WorkspaceState => ({ type: 'creating', step, percent });
