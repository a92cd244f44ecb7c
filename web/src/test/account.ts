import type { GitCredential, PersonEntry, SessionEntry, SessionInfo, TokenEntry, UserInfo } from 'coditect-shell';

/** People and what belongs to them, for tests. */
export const user = (login: string, more: Partial<UserInfo> = {}): UserInfo => ({ id: `id-${login}`, login, role: 'member', created_at: 1_000, ...more });
export const session = (login: string, more: Partial<UserInfo> = {}): SessionInfo => ({ user: user(login, more), session_id: 's', expires_at: 0 });
export const person = (login: string, more: Partial<PersonEntry> = {}): PersonEntry => ({ user: user(login), disabled: false, second_factor: false, sessions: 1, ...more });

export const login = (device: string, more: Partial<SessionEntry> = {}): SessionEntry =>
    ({ id: `id-${device}`, current: false, device, user_agent: 'Mozilla/5.0', address: '203.0.113.7', created_at: 1_000, used_at: 2_000, expires_at: 3_000, ...more });

export const token = (name: string, more: Partial<TokenEntry> = {}): TokenEntry =>
    ({ id: `id-${name}`, name, scopes: ['files:read'], ends_with: 'abcd', created_at: 1_000, expires_at: Date.now() + 86_400_000, ...more });

export const gitLogin = (host: string, more: Partial<GitCredential> = {}): GitCredential =>
    ({ id: `id-${host}`, host, username: 'ada', created_at: 1_000, used_at: undefined, ...more });

export const rules = { registration: 'open', password_min_chars: 12, password_max_chars: 128, sends_mail: false } as const;

/** A refusal of the server. */
export const refusal = (code: string, kind = 'invalid', message = 'Refused.') => Object.assign(new Error(message), { code, kind });
