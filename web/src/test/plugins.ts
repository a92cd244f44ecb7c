import type { Consent, Installed, Manifest, RegistryEntry, RegistryPlugin, Review, RightInWords } from 'coditect-shell';

/** Plugins, for tests. */
export const manifest = (id: string, more: Partial<Manifest> = {}): Manifest => ({ id, version: '1.0.0', contract: '1.0', title: `Title of ${id}`, description: 'Does things.', license: 'MIT', ...more });

export const installed = (id: string, more: Partial<Installed> = {}): Installed => ({ manifest: manifest(id), state: 'ready', granted: [], settings: {}, installed_at: 1_000, ...more }) as Installed;

export const entry = (id: string, more: Partial<RegistryEntry> = {}): RegistryEntry =>
    ({ id, title: `Title of ${id}`, description: 'Does things.', keywords: [], version: '1.0.0', contract: '1.0', downloads: 3, published_at: 1_000, allowed: true, ...more });

export const published = (id: string, more: Partial<RegistryPlugin> = {}): RegistryPlugin => ({
    manifest: manifest(id), readme: undefined, downloads: 3, allowed: true,
    versions: [{ version: '1.0.0', contract: '1.0', sha256: 'ff', bytes: 2_000, published_at: 1_000, key: '0123', downloads: 3, yanked: false }], ...more,
});

export const review = (id: string, more: Partial<Review> = {}): Review =>
    ({ manifest: manifest(id), sha256: 'ff', bytes: 2_000, signature: { kind: 'publisher', key: '0123' }, asks_more: [], consent: 'seen', installed: undefined, ...more });

export const right = (name: RightInWords['name'], more: Partial<RightInWords> = {}): RightInWords =>
    ({ name, weight: 'high', title: `May ${name}`, detail: '', subjects: [], reason: 'Because.', is_new: false, granted: false, ...more });

export const consent = (more: Partial<Consent> = {}): Consent =>
    ({ title: 'Words 1.0.0', summary: 'It gets these rights.', rights: [], warnings: [], origin: 'Signed by acme.', is_known_publisher: true, adds: [], agree: 'Agree and install', ...more });
